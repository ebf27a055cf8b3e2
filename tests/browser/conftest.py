"""Chromium on a system of two chat instances, and people with a page each.

Nothing may be wrong in any page that a test uses: no error on the console, no request to another
origin, nothing that the Content-Security-Policy forbids.
"""

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from deploy import ROOT
from deploy.local.backing.mongodb import MongoServer
from deploy.local.backing.rabbitmq import RabbitServer
from deploy.local.install import web
from deploy.local.process.ports import free_port
from tests.browser.balancer import Balancer
from tests.browser.person import PATIENCE_MS, Person, session, sign_up
from tests.browser.writing import Write, writer
from tests.support.system import System

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = (
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    # A turn of the wheel is one step: a test cannot tell when smooth scrolling has ended.
    "--disable-smooth-scrolling",
)


@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium on PATH; on Debian: apt-get install chromium")
    expect.set_options(timeout=PATIENCE_MS)
    flags = [*FLAGS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()


@pytest.fixture(scope="package")
def built() -> None:
    """The page as its sources are now."""
    web.build(ROOT / ".run")


@pytest.fixture(scope="package")
def origins() -> list[int]:
    return [free_port(), free_port()]


@pytest.fixture(scope="package")
def system(
    tmp_path_factory: pytest.TempPathFactory,
    mongo_server: MongoServer,
    rabbit_server: RabbitServer,
    origins: list[int],
    built: None,
) -> Iterator[System]:
    mongo_server.resume()
    mongo_server.start()
    rabbit_server.resume()
    rabbit_server.start()
    allowed = ",".join(f"http://localhost:{port}" for port in origins)
    system = System(
        tmp_path_factory.mktemp("browser"),
        mongo_server.url,
        rabbit_server.url,
        # Short-lived tokens, so that every test that takes a while replaces some.
        settings={
            "CORS_ORIGINS": allowed,
            "PRESENCE_GRACE_SECONDS": "0.5",
            "ACCESS_TOKEN_SECONDS": "8",
        },
    )
    try:
        system.start()
        yield system
    finally:
        system.kill()


@pytest.fixture(scope="package")
def addresses(system: System, origins: list[int]) -> Iterator[list[str]]:
    """Where a browser finds the page: the first address leads to the first instance while it
    lives, the second to the second."""
    ports = [chat.port for chat in system.chats]
    balancers = [Balancer(origins[0], ports), Balancer(origins[1], ports[::-1])]
    for balancer in balancers:
        balancer.start()
    yield [balancer.url for balancer in balancers]
    for balancer in balancers:
        balancer.stop()


class NewPerson(Protocol):
    def __call__(
        self, name: str, *, address: int = 0, visits: bool = True, **context: object
    ) -> Person:
        """Somebody new with a page, logged in and shown unless told otherwise. `context` is what a
        browser context takes."""


@contextmanager
def people(browser: Browser, system: System, addresses: list[str]) -> Iterator[NewPerson]:
    """Makes people; what went wrong in their pages is an error at the end."""
    made: list[Person] = []

    def make(name: str, *, address: int = 0, visits: bool = True, **context: Any) -> Person:
        email = f"{name.split()[0].lower()}.{uuid.uuid4().hex[:6]}@example.org"
        origin, auth = addresses[address], system.auth.url
        sign_up(auth, name, email)
        one = Person(browser, origin, name, email, (origin, auth), context)
        made.append(one)
        if visits:
            one.keep(session(auth, email))
            one.visit()
        return one

    yield make
    problems = [problem for one in made for problem in one.problems]
    for one in made:
        one.close()
    assert not problems


@pytest.fixture
def person(browser: Browser, system: System, addresses: list[str]) -> Iterator[NewPerson]:
    """People for one test."""
    with people(browser, system, addresses) as make:
        yield make


@pytest.fixture(scope="module")
def lasting_person(browser: Browser, system: System, addresses: list[str]) -> Iterator[NewPerson]:
    """People for all tests of a file."""
    with people(browser, system, addresses) as make:
        yield make


@pytest.fixture
def write(system: System) -> Write:
    return writer(system)
