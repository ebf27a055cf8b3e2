"""Long conversations: what is shown of them, and that the view stays where it is."""

import asyncio
import threading
from collections.abc import Awaitable, Callable

import pytest
from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NewPerson
from tests.browser.person import Person, log_in
from tests.cluster.client import ChatClient
from tests.cluster.system import System

LONG = 10_000

Write = Callable[[Person, Person, int], None]


@pytest.fixture
def write(system: System) -> Write:
    """Writes that many messages from one to another, without a browser."""

    def write(sender: Person, to: Person, count: int) -> None:
        token = log_in(system.auth.url, sender.email)["access_token"]

        async def all_of_them() -> None:
            async with ChatClient(system.chats[1].url, token) as client:
                for number in range(count - 1):
                    text = f"message {number}" + " and more of it" * (number % 7)
                    await client.say(to.email, text)
                await client.said(to.email, f"message {count - 1}")  # answered in their order

        _in_thread(all_of_them)

    return write


def test_ten_thousand_messages_open_within_a_second_and_scroll_smoothly(
    person: NewPerson, write: Write
) -> None:
    ann, bob = person("Ann Miller", visits=False), person("Bob Okafor", address=1)
    write(ann, bob, LONG)
    expect(bob.entry(ann)).to_contain_text(f"message {LONG - 1}")
    bob.page.evaluate(WATCH_OPENING, f"message {LONG - 1}")
    bob.entry(ann).click()
    expect(bob.message(f"message {LONG - 1}")).to_be_in_viewport()
    assert bob.page.evaluate("window.opened") < 1_000
    assert bob.page.get_by_role("article").count() < 80

    bob.page.get_by_role("log").hover()
    bob.page.evaluate(WATCH_FRAMES)
    for _ in range(60):
        bob.page.mouse.wheel(0, -2_000)
        bob.page.wait_for_timeout(16)
    frames = sorted(bob.page.evaluate("window.frames_"))
    assert frames[len(frames) // 2] < 34, "half of the frames come at 30 a second or faster"
    assert frames[-1] < 700
    assert bob.page.get_by_role("article").count() < 80
    assert _first_visible(bob.page) < LONG - 200

    bob.page.get_by_role("button", name="To the newest message").click()
    expect(bob.message(f"message {LONG - 1}")).to_be_in_viewport()


def test_loading_older_messages_moves_nothing_in_view(person: NewPerson, write: Write) -> None:
    ann, bob = person("Ann Miller", visits=False), person("Bob Okafor", address=1)
    write(ann, bob, 400)
    bob.open(ann)
    expect(bob.message("message 399")).to_be_visible()
    held: list[Route] = []
    bob.page.route("**/messages", lambda route: held.append(route))
    log = bob.page.get_by_role("log")
    log.hover()
    while not held:
        bob.page.mouse.wheel(0, -500)
        bob.page.wait_for_timeout(50)
    bob.page.wait_for_timeout(300)
    first = _first_visible(bob.page)
    place = _top_of(bob.page, first)
    before = log.get_attribute("data-count") or ""
    held[0].continue_()
    expect(log).not_to_have_attribute("data-count", before)
    bob.page.wait_for_timeout(200)
    assert abs(_top_of(bob.page, first) - place) <= 2


def test_a_conversation_opens_where_the_unread_messages_begin(
    person: NewPerson, write: Write
) -> None:
    ann, bob = person("Ann Miller", visits=False), person("Bob Okafor", address=1)
    write(ann, bob, 20)
    bob.open(ann)
    bob.sees("message 0")
    bob.page.get_by_role("log").press("End")
    expect(bob.page).to_have_title("Messages")
    bob.page.evaluate("location.hash = '#/'")
    write(ann, bob, 90)
    expect(bob.entry(ann).locator(".badge")).to_have_text("90 unread")
    bob.open(ann)
    expect(bob.page.get_by_role("separator", name="New messages")).to_be_in_viewport()
    bob.page.get_by_role("button", name="new message").click()
    expect(bob.entry(ann).locator(".badge")).to_have_count(0)


def test_one_can_jump_to_the_first_of_very_many_unread_messages(
    person: NewPerson, write: Write
) -> None:
    ann, bob = person("Ann Miller", visits=False), person("Bob Okafor", address=1)
    write(ann, bob, 1)
    bob.open(ann)
    bob.sees("message 0")
    bob.page.evaluate("location.hash = '#/'")
    write(ann, bob, 700)
    expect(bob.entry(ann).locator(".badge")).to_have_text("99+ unread")
    bob.page.reload()
    bob.open(ann)
    bob.page.get_by_role("button", name="99+ unread").click()
    expect(bob.page.get_by_role("separator", name="New messages")).to_be_in_viewport()


def test_who_reads_old_messages_is_told_of_new_ones_and_not_moved(
    person: NewPerson, write: Write
) -> None:
    ann, bob = person("Ann Miller", visits=False), person("Bob Okafor", address=1)
    write(ann, bob, 60)
    bob.open(ann)
    bob.page.get_by_role("button", name="new messages").click()
    expect(bob.message("message 59")).to_be_in_viewport()
    expect(bob.page).to_have_title("Messages")
    bob.page.get_by_role("log").hover()
    bob.page.mouse.wheel(0, -700)
    expect(bob.page.get_by_role("button", name="To the newest message")).to_be_visible()
    bob.page.wait_for_timeout(300)
    first = _first_visible(bob.page)
    place = _top_of(bob.page, first)
    write(ann, bob, 2)
    pill = bob.page.get_by_role("button", name="2 new messages")
    expect(pill).to_be_visible()
    assert abs(_top_of(bob.page, first) - place) <= 2
    pill.click()
    expect(bob.page.get_by_role("article").last).to_be_in_viewport()
    expect(pill).to_have_count(0)
    expect(bob.entry(ann).locator(".badge")).to_have_count(0)


# From the click until the message is drawn, without the time that the test itself takes.
WATCH_OPENING = """text => {
  document.addEventListener('click', () => {
    const started = performance.now();
    const look = () => {
      const shown = [...document.querySelectorAll('article')].some(
        (article) => article.textContent.includes(text));
      if (shown) window.opened = performance.now() - started;
      else requestAnimationFrame(look);
    };
    look();
  }, { once: true, capture: true });
}"""

WATCH_FRAMES = """() => {
  window.frames_ = [];
  let last = performance.now();
  const frame = (now) => {
    window.frames_.push(now - last);
    last = now;
    requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
}"""


def _first_visible(page: Page) -> int:
    """The number in the first message that is in view."""
    return int(
        page.evaluate("""() => {
          const log = document.querySelector('[role=log]').getBoundingClientRect();
          const shown = [...document.querySelectorAll('article')].find(
            (article) => article.getBoundingClientRect().top >= log.top);
          return shown.querySelector('.bubble-text').textContent.match(/message (\\d+)/)[1];
        }""")
    )


def _top_of(page: Page, number: int) -> float:
    return float(
        page.evaluate(
            """number => [...document.querySelectorAll('article')].find((article) =>
              article.querySelector('.bubble-text').textContent.match(/message (\\d+)/)[1] == number
            ).getBoundingClientRect().top""",
            number,
        )
    )


def _in_thread(work: Callable[[], Awaitable[None]]) -> None:
    """Runs it beside Playwright, which has a loop of its own in this thread."""
    problems: list[BaseException] = []

    def run() -> None:
        try:
            asyncio.run(work())  # type: ignore[arg-type]
        except BaseException as problem:
            problems.append(problem)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if problems:
        raise problems[0]
