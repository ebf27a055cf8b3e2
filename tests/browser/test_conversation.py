"""Two people, each at another chat instance."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import NewPerson
from tests.browser.person import Person

Pair = tuple[Person, Person]


@pytest.fixture(scope="module")
def acquainted(lasting_person: NewPerson) -> Pair:
    ann, bob = lasting_person("Ann Miller"), lasting_person("Bob Okafor", address=1)
    ann.open(bob)
    ann.say("Hello")
    bob.open(ann)
    bob.sees("Hello")
    return ann, bob


@pytest.fixture
def pair(acquainted: Pair) -> Pair:
    """Both look at their conversation, and have read all of it."""
    ann, bob = acquainted
    ann.open(bob)
    bob.open(ann)
    for one in acquainted:
        expect(one.page).to_have_title("Messages")
    return acquainted


def test_they_write_both_ways_and_see_how_far_a_message_came(pair: Pair) -> None:
    ann, bob = pair
    bob.page.evaluate("location.hash = '#/'")
    ann.say("Are you there?")
    ann.sees_delivery("Are you there?", "received")
    bob.open(ann)
    bob.sees("Are you there?")
    ann.sees_delivery("Are you there?", "read")
    for number in range(5):
        ann.say(f"ann {number}")
        bob.say(f"bob {number}")
    for one in pair:
        one.sees("ann 4")
        one.sees("bob 4")
    assert ann.texts() == bob.texts()
    assert len(ann.texts()) == 12


def test_one_sees_that_the_other_types(pair: Pair) -> None:
    ann, bob = pair
    bob.page.get_by_role("textbox", name="Write to").press_sequentially("Let me think")
    expect(ann.page.get_by_test_id("typing")).to_be_visible()
    expect(ann.entry(bob)).to_contain_text("typing…")
    bob.page.keyboard.press("Enter")
    ann.sees("Let me think")
    expect(ann.page.get_by_test_id("typing")).to_have_count(0)


def test_one_sees_whether_the_other_is_online(pair: Pair) -> None:
    ann, bob = pair
    state = ann.page.locator(".conversation-state")
    expect(state).to_have_text("online")
    bob.page.goto("about:blank")
    expect(state).to_have_text(re.compile("last seen just now"))
    bob.visit()


def test_a_message_is_edited_from_the_keyboard(pair: Pair) -> None:
    ann, bob = pair
    ann.say("Dear Bob")
    bob.sees("Dear Bob")
    ann.sees_delivery("Dear Bob", "read")
    box = ann.page.get_by_role("textbox", name=re.compile("Write to|Change your message"))
    box.press("ArrowUp")
    expect(box).to_have_value("Dear Bob")
    box.fill("Hello, dear Bob")
    box.press("Enter")
    for one in pair:
        expect(one.message("Hello, dear Bob")).to_contain_text("edited")
    expect(bob.entry(ann)).to_contain_text("Hello, dear Bob")


def test_a_deleted_message_is_gone_for_both(pair: Pair) -> None:
    ann, bob = pair
    ann.say("A mistake")
    bob.sees("A mistake")
    ann.message("A mistake").hover()
    ann.message("A mistake").get_by_role("button", name="Delete this message").click()
    ann.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    for one in pair:
        expect(one.message("Message deleted")).to_have_count(1)
        expect(one.page.get_by_text("A mistake")).to_have_count(0)


def test_unread_messages_are_counted_until_they_are_seen(pair: Pair) -> None:
    ann, bob = pair
    bob.page.evaluate("location.hash = '#/'")
    for number in range(3):
        ann.say(f"news {number}")
    expect(bob.entry(ann).locator(".badge")).to_have_text("3 unread")
    expect(bob.page).to_have_title("(3) Messages")
    bob.page.reload()
    expect(bob.entry(ann).locator(".badge")).to_have_text("3 unread")
    bob.open(ann)
    expect(bob.page.get_by_role("separator", name="New messages")).to_be_visible()
    expect(bob.page).to_have_title("Messages")
    expect(bob.entry(ann).locator(".badge")).to_have_count(0)
    ann.sees_delivery("news 2", "read")


def test_the_composer_takes_lines_and_watches_the_length(pair: Pair) -> None:
    ann, bob = pair
    box = ann.composer
    box.fill("one")
    box.press("Shift+Enter")
    box.press_sequentially("two")
    box.press("Enter")
    bob.sees("one\ntwo")
    box.fill("x" * 3_900)
    expect(ann.page.locator(".counter")).to_have_text("100 characters left")
    box.fill("👍" * 4_001)
    expect(ann.page.locator(".counter")).to_have_text("-1 characters left")
    expect(ann.page.get_by_role("button", name="Send")).to_be_disabled()


def test_what_is_written_and_not_sent_survives_a_reload(pair: Pair) -> None:
    ann, bob = pair
    ann.composer.fill("half a sent")
    ann.page.reload()
    expect(ann.composer).to_have_value("half a sent")
    ann.composer.press_sequentially("ence")
    ann.composer.press("Enter")
    bob.sees("half a sentence")
    ann.page.reload()
    ann.sees("half a sentence")
    expect(ann.composer).to_have_value("")


def test_links_are_links_and_nothing_else_is(pair: Pair) -> None:
    ann, bob = pair
    ann.say("see (https://example.org/a_(b)?c=1). <img src=x onerror=alert(1)> javascript:alert(1)")
    links = bob.message("see (").get_by_role("link")
    expect(links).to_have_count(1)
    expect(links).to_have_attribute("href", "https://example.org/a_(b)?c=1")
    expect(links).to_have_attribute("rel", "noopener noreferrer nofollow")
    expect(bob.page.locator(".bubble img")).to_have_count(0)


def test_two_devices_of_one_person_show_the_same(pair: Pair) -> None:
    ann, bob = pair
    other = ann.new_page()
    other.goto(f"{ann.address}/#/with/{bob.email}")
    ann.say("From my desk")
    ann.sees("From my desk", other)
    bob.say("Seen by both")
    ann.sees("Seen by both", other)
    ann.sees("Seen by both")
    other.close()
