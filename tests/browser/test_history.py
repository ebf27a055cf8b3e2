"""Long conversations: what is shown of them, and that the view stays where it is."""

from playwright.sync_api import Page, Route, expect

from tests.browser.conftest import NewPerson
from tests.browser.writing import Write

LONG = 10_000
MOST_DRAWN = 80
"""Messages in the document: a screen of them, and a little around it."""


def test_ten_thousand_messages_open_as_fast_as_ten(person: NewPerson, write: Write) -> None:
    """One page of them is asked for, and only what is in view is drawn, wherever one scrolls."""
    ann, bob = person("Ann Miller", visits=False), person("Bob Okafor", address=1)
    write(ann, bob, LONG)
    newest = f"message {LONG - 1}"
    expect(bob.entry(ann)).to_contain_text(newest)
    asked: list[str] = []
    bob.page.on("request", lambda request: asked.append(request.url))
    bob.page.evaluate(WATCH_OPENING, newest)
    bob.entry(ann).click()
    expect(bob.message(newest)).to_be_in_viewport()
    bob.stands_still()
    print(f"{LONG} messages opened in {bob.page.evaluate('window.opened'):.0f} ms")
    assert sum(url.endswith("/messages") for url in asked) == 1
    assert bob.page.get_by_role("article").count() < MOST_DRAWN

    bob.page.get_by_role("log").hover()
    bob.page.evaluate(WATCH_FRAMES)
    while _first_visible(bob.page) > LONG - 1_000:
        bob.page.mouse.wheel(0, -2_000)
        bob.page.evaluate("() => new Promise(requestAnimationFrame)")
        assert bob.page.get_by_role("article").count() < MOST_DRAWN
    frames = sorted(bob.page.evaluate("window.frames_"))
    print(f"scrolled: {len(frames)} frames, median {frames[len(frames) // 2]:.0f} ms")
    pages = sum(url.endswith("/messages") for url in asked)
    rows = int(bob.page.get_by_role("log").get_attribute("data-count") or "")
    assert pages <= 2 + rows / 200, "each page is asked for once"

    bob.page.get_by_role("button", name="To the newest message").click()
    expect(bob.message(newest)).to_be_in_viewport()


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
        bob.page.evaluate("() => new Promise(requestAnimationFrame)")
    bob.stands_still()
    first = _first_visible(bob.page)
    place = _top_of(bob.page, first)
    before = log.get_attribute("data-count") or ""
    held[0].continue_()
    expect(log).not_to_have_attribute("data-count", before)
    bob.stands_still()
    assert abs(_top_of(bob.page, first) - place) <= 2


def test_what_could_not_be_loaded_says_so_and_comes_when_asked_again(
    person: NewPerson, write: Write
) -> None:
    ann, bob = person("Ann Miller", visits=False), person("Bob Okafor", address=1)
    bob.tolerates("ERR_FAILED")
    write(ann, bob, 300)
    expect(bob.entry(ann)).to_contain_text("message 299")
    bob.page.route("**/messages", lambda route: route.abort())
    bob.open(ann)
    expect(bob.page.get_by_text("The messages could not be loaded.")).to_be_visible()
    bob.page.unroute("**/messages")
    bob.page.get_by_role("button", name="Try again").click()
    bob.sees("message 299")

    bob.page.route("**/messages", lambda route: route.abort())
    log = bob.page.get_by_role("log")
    log.press("Home")
    again = bob.page.get_by_role("button", name="Older messages could not be loaded")
    expect(again).to_be_visible()
    before = log.get_attribute("data-count") or ""
    bob.page.unroute("**/messages")
    again.click()
    expect(log).not_to_have_attribute("data-count", before)
    expect(again).to_have_count(0)


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
    bob.stands_still()
    first = _first_visible(bob.page)
    place = _top_of(bob.page, first)
    write(ann, bob, 2)
    pill = bob.page.get_by_role("button", name="2 new messages")
    expect(pill).to_be_visible()
    bob.stands_still()
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
    """The number in the first message that is in view; just after a jump there may be none yet."""
    return int(
        page.evaluate("""() => new Promise((found) => {
          let frames = 0;
          const look = () => {
            const log = document.querySelector('[role=log]').getBoundingClientRect();
            const shown = [...document.querySelectorAll('article')].find(
              (article) => article.getBoundingClientRect().top >= log.top);
            if (!shown && frames++ < 600) return requestAnimationFrame(look);
            found(shown.querySelector('.bubble-text').textContent.match(/message (\\d+)/)[1]);
          };
          look();
        })""")
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
