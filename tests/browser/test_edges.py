"""What people do that nobody planned: files, touch keyboards, leaving, slow lists, odd names."""

import re

from hypothesis import given, settings
from hypothesis import strategies as st
from playwright.sync_api import Route, expect

from shared.errors import InvalidInput
from shared.text import check_text
from tests.browser.conftest import NewPerson
from tests.browser.person import session
from tests.browser.writing import Write
from tests.fault.fuzz.material import texts
from tests.support.system import System

FILE = """(kind) => {
  const data = new DataTransfer();
  data.items.add(new File(['a'], 'cat.png', { type: 'image/png' }));
  const target = kind === 'paste' ? document.querySelector('textarea') : document.body;
  const event = kind === 'paste'
    ? new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true })
    : new DragEvent(kind, { dataTransfer: data, bubbles: true, cancelable: true });
  target.dispatchEvent(event);
  return event.defaultPrevented;
}"""
SHOWN_TEXTS = """() => {
  const column = document.querySelector('[role=log]').getBoundingClientRect();
  return [...document.querySelectorAll('.bubble')].map((bubble) => {
    const { left, right } = bubble.getBoundingClientRect();
    const text = bubble.querySelector('.bubble-text');
    const fits = text.scrollWidth <= text.clientWidth;
    return [text.textContent, fits && left >= column.left && right <= column.right];
  });
}"""
NO_FILES = "Files cannot be sent here, only text."


def test_a_file_that_is_pasted_or_dropped_is_refused_with_a_sentence(person: NewPerson) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor", visits=False)
    ann.open(bob)
    for kind in ("paste", "drop"):
        assert ann.page.evaluate(FILE, kind)
        expect(ann.page.get_by_text(NO_FILES)).to_be_visible()
    assert ann.page.evaluate(FILE, "dragover")


def test_on_a_touch_keyboard_enter_starts_a_new_line(person: NewPerson) -> None:
    size = {"width": 390, "height": 844}
    ann = person("Ann Miller", viewport=size, is_mobile=True, has_touch=True)
    bob = person("Bob Okafor", visits=False)
    ann.open(bob)
    ann.composer.fill("one")
    ann.composer.press("Enter")
    ann.composer.press_sequentially("two")
    expect(ann.composer).to_have_value("one\ntwo")
    send = ann.page.get_by_role("button", name="Send")
    box = send.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 44
    send.click()
    ann.sees("two")


def test_what_shows_nothing_cannot_be_sent(person: NewPerson) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor", visits=False)
    ann.open(bob)
    send = ann.page.get_by_role("button", name="Send")
    for text in ("\u200b", "\u3164 \u2800", "\ufe0f"):
        ann.composer.fill(text)
        expect(send).to_be_disabled()
    ann.composer.fill("❤\ufe0f\x1b")
    send.click()
    ann.sees_delivery("❤\ufe0f", "sent")


def test_the_focus_stays_on_a_message_that_is_scrolled_out_of_view(
    person: NewPerson, write: Write
) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor", visits=False)
    write(bob, ann, 200)
    write(ann, bob, ["mine"])
    ann.open(bob)
    ann.message("mine").get_by_role("button", name="Delete").focus()
    ann.stands_still()
    ann.page.get_by_role("log").hover()
    ann.page.mouse.wheel(0, -100_000)
    expect(ann.message("message 198")).to_have_count(0)
    ann.page.keyboard.press("Shift+Tab")
    expect(ann.message("mine").get_by_role("button", name="Edit")).to_be_focused()


def test_every_text_is_shown_as_it_is_and_inside_its_column(
    person: NewPerson, write: Write
) -> None:
    size = {"width": 800, "height": 6000}
    ann, bob = person("Ann Miller", viewport=size), person("Bob Okafor", visits=False)

    @settings(max_examples=1, derandomize=True, database=None, deadline=None)
    @given(st.lists(texts(30).filter(is_text), min_size=40, max_size=40))
    def read(sent: list[str]) -> None:
        write(bob, ann, sent)
        ann.open(bob)
        expect(ann.page.get_by_role("article")).to_have_count(len(sent))
        shown = ann.page.evaluate(SHOWN_TEXTS)
        assert [text for text, _ in shown] == sent
        assert all(inside for _, inside in shown)

    read()


def is_text(text: str) -> bool:
    try:
        check_text(text, "$")
    except InvalidInput:
        return False
    return True


def test_a_first_message_that_was_refused_is_still_there_after_a_reload(
    person: NewPerson,
) -> None:
    ann = person("Ann Miller")
    ann.tolerates("404")
    ann.page.evaluate("location.hash = '#/with/nobody@example.org'")
    ann.say("is anybody there?")
    expect(ann.page.get_by_role("alert")).to_contain_text("Not sent")
    ann.page.goto(f"{ann.address}/#/")
    ann.page.reload()
    entry = ann.page.locator(".entry").filter(has_text="nobody@example.org")
    expect(entry).to_contain_text("is anybody there?")
    entry.click()
    ann.page.get_by_role("button", name="Discard").click()
    expect(entry).to_have_count(0)


def test_logging_out_everywhere_asks_about_what_was_not_sent(
    person: NewPerson, system: System
) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor", visits=False)
    session(system.auth.url, ann.email)
    ann.may_be_cut_off = True
    ann.tolerates("404")
    ann.open(bob)
    ann.page.get_by_role("button", name=re.compile("Your account")).click()
    ann.page.get_by_role("button", name="Where you are logged in").click()
    everywhere = ann.page.get_by_role("button", name="Log out everywhere")
    expect(everywhere).to_be_visible()
    ann.page.keyboard.press("Escape")
    ann.page.evaluate("location.hash = '#/with/nobody@example.org'")
    ann.say("not sent, ever")
    expect(ann.page.get_by_role("alert")).to_contain_text("Not sent")
    ann.page.get_by_role("button", name=re.compile("Your account")).click()
    ann.page.get_by_role("button", name="Where you are logged in").click()
    everywhere.click()
    question = ann.page.get_by_role("dialog", name="Log out everywhere now?")
    expect(question).to_contain_text("will be discarded")
    question.get_by_role("button", name="Log out").click()
    expect(ann.page.get_by_role("button", name="Log in")).to_be_visible()
    assert ann.page.evaluate("location.hash") == "#/"


def test_the_conversation_of_a_link_is_read_before_the_list(person: NewPerson) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor", address=1)
    ann.open(bob)
    ann.say("read this first")
    bob.open(ann)
    bob.sees("read this first")
    held: list[Route] = []
    ann.page.route("**/conversations?**", lambda route: held.append(route))
    ann.page.goto(f"{ann.address}/#/")
    ann.page.goto(f"{ann.address}/#/with/{bob.email}")
    ann.page.reload()
    ann.sees("read this first")
    bob.say("and this, meanwhile")
    ann.sees("and this, meanwhile")
    for route in held:
        route.continue_()
    ann.page.unroute("**/conversations?**")
    expect(ann.entry(bob)).to_contain_text("and this, meanwhile")
    assert ann.texts() == ["read this first", "and this, meanwhile"]


def test_a_name_that_is_not_known_yet_is_the_address(person: NewPerson) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor", address=1)
    ann.open(bob)
    ann.say("hello")
    bob.open(ann)
    bob.sees("hello")
    entry = bob.page.locator(".entry-name")
    expect(entry).to_have_text("Ann Miller")  # nothing is on its way that would be kept later
    held: list[Route] = []
    bob.page.route(re.compile(r"/employees/ann"), lambda route: held.append(route))
    bob.page.evaluate("localStorage.clear()")
    bob.page.goto(f"{bob.address}/#/")
    bob.page.reload()
    expect(entry).to_have_text(ann.email)
    for route in held:
        route.continue_()
    bob.page.unroute(re.compile(r"/employees/ann"))
    expect(entry).to_have_text("Ann Miller")


def test_the_list_can_be_skipped_and_the_search_has_a_key(person: NewPerson) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor", visits=False)
    ann.open(bob)
    first = ann.page.locator("a, button, input, textarea").first
    expect(first).to_have_text("Skip the list")
    first.focus()
    ann.page.keyboard.press("Enter")
    expect(ann.composer).to_be_focused()
    ann.page.keyboard.press("Control+k")
    expect(ann.page.get_by_role("textbox", name="Find a colleague")).to_be_focused()
