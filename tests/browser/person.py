"""Somebody with a browser: what they do, and what they see."""

import json
import re
import time
import urllib.request
import uuid
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from playwright.sync_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Locator,
    Page,
    Request,
    expect,
)

PATIENCE_MS = 30_000
"""Long enough for a machine that is busy with other things."""
PASSWORD = "correct horse battery"
CUT_OFF = ("ERR_INTERNET_DISCONNECTED", "ERR_CONNECTION", "ERR_EMPTY_RESPONSE", "WebSocket")
"""What Chromium writes on the console, by itself, when a connection ends."""


def post(url: str, body: Any, *, token: str = "", method: str = "POST") -> Any:
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    request = urllib.request.Request(url, json.dumps(body).encode(), headers, method=method)
    with urllib.request.urlopen(request, timeout=10) as reply:
        return json.load(reply)


def sign_up(auth_url: str, name: str, email: str) -> None:
    post(f"{auth_url}/employees", {"name": name, "email": email, "password": PASSWORD})


def log_in(auth_url: str, email: str) -> Any:
    return post(f"{auth_url}/login", {"email": email, "password": PASSWORD})


def session(auth_url: str, email: str) -> dict[str, Any]:
    """What a page keeps of somebody who logged in."""
    grant = log_in(auth_url, email)
    now = round(time.time() * 1000)
    return {
        "login": uuid.uuid4().hex,
        "employee": grant["employee"],
        "refreshToken": grant["refresh_token"],
        "accessToken": grant["access_token"],
        "issued": now,
        "expires": now + grant["expires_in"] * 1000,
    }


EMPTY = "<title>Empty</title><link rel=icon href=data:,>"
KEEP = """session => new Promise((kept, failed) => {
  const opening = indexedDB.open('session');
  opening.onupgradeneeded = () => opening.result.createObjectStore('kept');
  opening.onsuccess = () => {
    const writing = opening.result.transaction('kept', 'readwrite');
    writing.objectStore('kept').put(session, 'session');
    writing.oncomplete = () => { opening.result.close(); kept(); };
    writing.onerror = failed;
  };
})"""


STAND_STILL = """() => new Promise((still) => {
  const log = document.querySelector('[role=log]');
  let before = '', frames = 0, since = 0;
  const look = (at) => {
    const now = `${log.scrollTop} ${log.scrollHeight} ${log.dataset.count}`;
    if (now === before) frames++; else [frames, since] = [0, at];
    before = now;
    if (frames >= 8 && at - since >= 200) still(); else requestAnimationFrame(look);
  };
  requestAnimationFrame(look);
})"""


class Person:
    """One browser context with one page, unless a test opens more; none where it needs none."""

    def __init__(
        self,
        browser: Browser,
        address: str,
        name: str,
        email: str,
        allowed: Sequence[str],
        context: dict[str, Any],
    ) -> None:
        """`allowed` are the origins that the page may ask anything of."""
        self.name = name
        self.email = email
        self.address = address
        self.problems: list[str] = []
        self.may_be_cut_off = False
        self._allowed = tuple(allowed)
        self._tolerated: list[str] = []
        size = {"width": 1280, "height": 800}
        self._options = {"viewport": size, "locale": "en-GB", **context}
        self._browser = browser

    @cached_property
    def context(self) -> BrowserContext:
        context = self._browser.new_context(**self._options)
        context.set_default_timeout(PATIENCE_MS)
        return context

    @cached_property
    def page(self) -> Page:
        return self.new_page()

    def close(self) -> None:
        if "context" in self.__dict__:  # somebody may have no browser in a test
            self.context.close()

    def tolerates(self, text: str) -> None:
        """What has this in it may be on the console: Chromium writes every refusal there."""
        self._tolerated.append(text)

    def new_page(self) -> Page:
        page = self.context.new_page()
        page.on("console", self._console)
        page.on("request", self._request)
        page.on("websocket", lambda socket: self._asked(socket.url.replace("ws", "http", 1)))
        page.on("pageerror", lambda error: self.problems.append(f"{self.name}: {error}"))
        return page

    def keep(self, session: dict[str, Any]) -> None:
        """Makes the browser one in which somebody is logged in."""
        empty = f"{self.address}/empty"
        self.page.route(empty, lambda route: route.fulfill(body=EMPTY, content_type="text/html"))
        self.page.goto(empty)
        self.page.evaluate(KEEP, session)
        self.page.unroute(empty)

    def visit(self, place: str = "") -> None:
        self.page.goto(f"{self.address}/{place}")
        expect(self.page.get_by_role("heading", name="Messages", exact=True)).to_be_visible()

    def open(self, other: "Person", page: Page | None = None) -> None:
        """The conversation, by its address."""
        page = page or self.page
        page.evaluate("place => { location.hash = place }", f"#/with/{other.email}")
        expect(page.get_by_role("log")).to_be_visible()

    @property
    def composer(self) -> Locator:
        return self.page.get_by_role("textbox", name=re.compile("^Write to"))

    def say(self, text: str) -> None:
        self.composer.fill(text)
        if self._options.get("has_touch"):
            self.page.get_by_role("button", name="Send").click()
        else:
            self.page.keyboard.press("Enter")

    def message(self, text: str, page: Page | None = None) -> Locator:
        return (page or self.page).get_by_role("article").filter(has_text=text)

    def sees(self, text: str, page: Page | None = None) -> None:
        expect(self.message(text, page)).to_have_count(1)

    def sees_delivery(self, text: str, delivery: str) -> None:
        mark = self.message(text).locator(".delivery")
        expect(mark).to_have_attribute("data-delivery", delivery)

    def stands_still(self) -> None:
        """Returns when the messages have not moved for a few frames, and for longer than the list
        waits before it takes a scroll for ended (150 ms)."""
        self.page.evaluate(STAND_STILL)

    def waits_for(self, condition: str) -> None:
        """Until this holds in the page, whose policy lets Playwright's own way not evaluate it."""
        self.page.evaluate(f"""() => new Promise((held) => {{
          const look = () => {{ if ({condition}) held(); else setTimeout(look, 20); }};
          look();
        }})""")

    def texts(self, page: Page | None = None) -> list[str]:
        return (page or self.page).locator(".bubble-text").all_inner_texts()

    def entry(self, other: "Person") -> Locator:
        """The line of the list."""
        return self.page.locator(".entry").filter(has_text=other.name)

    def _request(self, request: Request) -> None:
        self._asked(request.url)

    def _asked(self, url: str) -> None:
        if not url.startswith(self._allowed):
            self.problems.append(f"{self.name}: a request to {url}")

    def _console(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        said = f"{message.text} ({message.location.get('url')})"
        tolerated = [*self._tolerated, *(CUT_OFF if self.may_be_cut_off else ())]
        if not any(text in said for text in tolerated):
            self.problems.append(f"{self.name}: {said}")
