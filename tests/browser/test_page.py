"""The page as one meets it: its size, without sight or mouse, on a phone, and how it looks."""

import gzip
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Page, expect

from chat_service.rest.page import BUILT
from deploy import ROOT
from deploy.local.install import web
from tests.browser.conftest import NewPerson
from tests.browser.person import Person, log_in, post, sign_up
from tests.support.system import System

MOST_BYTES = 150_000
WEB = ROOT / "chat_service" / "web"
AXE = WEB / "node_modules" / "axe-core" / "axe.min.js"
SCREENSHOTS = ROOT / ".run" / "screenshots"
COLOURS: tuple[dict[str, Any], ...] = (
    {"color_scheme": "light", "forced_colors": "none"},
    {"color_scheme": "dark", "forced_colors": "none"},
    {"color_scheme": "dark", "forced_colors": "active"},
)
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}


def test_the_page_is_small(built: None) -> None:
    files = [path for path in BUILT.rglob("*") if path.is_file() and path.name != ".sources"]
    assert sum(len(gzip.compress(path.read_bytes())) for path in files) < MOST_BYTES


def test_the_page_is_not_built_again_without_a_change(built: None, tmp_path: Path) -> None:
    assert web.build(tmp_path) is None


def test_no_address_of_a_registry_is_in_the_lock() -> None:
    assert "resolved" not in (WEB / "package-lock.json").read_text()


@pytest.fixture(scope="module")
def talk(lasting_person: NewPerson, system: System) -> tuple[Person, Person]:
    """A conversation with a bit of everything, and two more in the list."""
    ann, bob = lasting_person("Ann Miller", address=1), lasting_person("Bob Okafor")
    others = (("Chidi Eze", "The minutes are in the folder"), ("Dana Petrov", "Lunch at one?"))
    for name, text in others:
        sender = f"{name.split()[0].lower()}.{bob.email}"
        sign_up(system.auth.url, name, sender)
        body = {"participants": [sender, bob.email], "message": {"sender": sender, "text": text}}
        token = log_in(system.auth.url, sender)["access_token"]
        post(f"{system.chats[0].url}/messages", body, token=token, method="PUT")
    ann.open(bob)
    bob.open(ann)
    lines = (
        (ann, "Good morning Bob! Did you have a look at the floor plan?"),
        (bob, "Morning! Yes, last night."),
        (bob, "I like the second one best: the long table by the window, and room for the plants."),
        (ann, "Same here. It is at https://example.org/plans/2 for everybody else."),
        (bob, "Shall we show it on Thursday?"),
        (ann, "Thursday is fine.\nI will book the small room, ten o'clock."),
    )
    for one, text in lines:
        one.say(text)
        first = text.splitlines()[0]
        ann.sees(first)
        bob.sees(first)
    bob.page.get_by_role("textbox", name="Write to").press("ArrowUp")
    bob.page.get_by_role("textbox", name="Change your").fill("Shall we show it to all on Thursday?")
    bob.page.keyboard.press("Enter")
    expect(ann.message("Shall we show it to all")).to_contain_text("edited")
    return ann, bob


def test_nothing_is_wrong_for_people_who_need_help_to_read(
    talk: tuple[Person, Person], person: NewPerson
) -> None:
    ann, bob = talk
    cy = person("Cy Young", visits=False)
    cy.tolerates("401")
    _accessible(bob.page, "a conversation")
    bob.message("Shall we show it to all").get_by_role("button", name="Edit").press("Enter")
    expect(bob.page.get_by_role("textbox", name="Change your")).to_be_focused()
    _accessible(bob.page, "a message that is being changed")
    bob.page.keyboard.press("Escape")
    expect(bob.page.get_by_role("textbox", name="Write to")).to_be_focused()
    bob.message("Yes, last night").get_by_role("button", name="Delete").press("Enter")
    expect(bob.page.get_by_role("dialog")).to_be_visible()
    _accessible(bob.page, "a question")
    bob.page.keyboard.press("Escape")
    bob.page.get_by_role("button", name="Your account").click()
    _accessible(bob.page, "the account's menu")
    bob.page.get_by_role("button", name="Where you are logged in").click()
    expect(bob.page.get_by_role("dialog")).to_be_visible()
    _accessible(bob.page, "the sessions")
    bob.page.keyboard.press("Escape")
    search = bob.page.get_by_role("textbox", name="Find a colleague")
    search.fill(ann.email[:6])
    expect(bob.page.get_by_role("button", name=ann.email)).to_be_visible()
    _accessible(bob.page, "people who were found")
    search.fill("nobody@example.org")
    expect(bob.page.get_by_text("Nobody matches")).to_be_visible()
    _accessible(bob.page, "nobody who was found")
    bob.page.keyboard.press("Escape")
    bob.page.evaluate("location.hash = '#/'")
    _accessible(bob.page, "the list")

    cy.page.goto(cy.address)
    expect(cy.page.get_by_role("button", name="Log in")).to_be_visible()
    _accessible(cy.page, "the way in")
    cy.page.get_by_label("Email").fill(cy.email)
    cy.page.get_by_label("Password").fill("something else")
    cy.page.get_by_role("button", name="Log in").click()
    expect(cy.page.get_by_role("alert")).to_be_visible()
    _accessible(cy.page, "a refused login")
    cy.page.get_by_role("button", name="Sign up").click()
    _accessible(cy.page, "signing up")


def test_it_fits_a_phone(person: NewPerson) -> None:
    ann, bob = person("Ann Miller", address=1), person("Bob Okafor", **PHONE)
    ann.open(bob)
    ann.say("To your phone")
    bob.entry(ann).tap()
    bob.sees("To your phone")
    expect(bob.page.get_by_role("textbox", name="Find a colleague")).to_be_hidden()
    bob.say("From my phone")
    ann.sees("From my phone")
    bob.message("From my phone").tap()
    expect(bob.page.get_by_role("button", name="Delete this message")).to_be_visible()
    bob.page.get_by_role("button", name="Back to the list").tap()
    expect(bob.entry(ann)).to_be_visible()
    bob.entry(ann).tap()
    bob.page.go_back()
    expect(bob.entry(ann)).to_be_visible()
    assert bob.page.evaluate("document.documentElement.scrollWidth") == 390


def test_views_are_pictured(talk: tuple[Person, Person]) -> None:
    ann, bob = talk
    bob.open(ann)
    SCREENSHOTS.mkdir(parents=True, exist_ok=True)
    bob.page.get_by_role("textbox", name="Write to").focus()
    ann.page.get_by_role("textbox", name="Write to").press_sequentially("And")
    expect(bob.page.get_by_test_id("typing")).to_be_visible()
    scheme: Literal["light", "dark"]
    for scheme in ("light", "dark"):
        bob.page.emulate_media(color_scheme=scheme, reduced_motion="reduce")
        for width, height in ((1280, 800), (390, 844)):
            bob.page.set_viewport_size({"width": width, "height": height})
            bob.stands_still()
            _picture(bob.page, f"conversation-{scheme}-{width}")
    bob.page.evaluate("location.hash = '#/'")
    expect(bob.entry(ann)).to_be_visible()
    _picture(bob.page, "list-dark-390")
    bob.page.set_viewport_size({"width": 1280, "height": 800})


def test_everything_is_done_from_the_keyboard(talk: tuple[Person, Person]) -> None:
    ann, bob = talk
    keyboard = bob.page.keyboard
    bob.page.evaluate("location.hash = '#/'")
    bob.page.get_by_role("textbox", name="Find a colleague").focus()
    keyboard.press("ArrowDown")
    keyboard.press("ArrowDown")
    keyboard.press("ArrowUp")
    keyboard.press("Enter")
    expect(bob.page.get_by_role("heading", name="Ann Miller")).to_be_visible()
    expect(bob.page.get_by_role("textbox", name="Write to")).to_be_focused()
    keyboard.type("Typed")
    keyboard.press("Enter")
    ann.sees("Typed")
    keyboard.press("Shift+Tab")
    keyboard.press("Enter")
    expect(bob.page.get_by_role("dialog")).to_be_visible()
    keyboard.press("Enter")
    expect(ann.message("Message deleted")).to_have_count(1)
    expect(bob.page.get_by_role("textbox", name="Write to")).to_be_focused()


def _picture(page: Page, name: str) -> None:
    page.screenshot(path=SCREENSHOTS / f"{name}.png")


def _accessible(page: Page, state: str) -> None:
    """axe-core finds nothing in this state, in any colours."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(f"() => {{ {AXE.read_text()} }}")
    for colours in COLOURS:
        page.emulate_media(reduced_motion="reduce", **colours)
        found = page.evaluate("axe.run(document, { resultTypes: ['violations'] })")["violations"]
        assert found == [], f"{state}, {colours}: {_summary(found)}"
    page.emulate_media(color_scheme="light", forced_colors="none")


def _summary(violations: list[dict[str, Any]]) -> list[str]:
    return [
        f"{one['id']}: {json.dumps([node['html'] for node in one['nodes']])[:400]}"
        for one in violations
    ]
