"""What happens to a page whose connection goes, and to what was written meanwhile."""

from playwright.sync_api import WebSocketRoute, expect

from tests.browser.conftest import NewPerson
from tests.browser.writing import Write
from tests.support.system import System

MISSED = 600
"""More than the entries of one conversation that a resume sends."""


def test_what_is_written_offline_is_sent_once_and_in_order_when_online(person: NewPerson) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor", address=1)
    ann.may_be_cut_off = True
    ann.open(bob)
    ann.say("while online")
    bob.open(ann)
    bob.sees("while online")
    ann.context.set_offline(True)
    for number in range(3):
        ann.say(f"offline {number}")
        ann.sees_delivery(f"offline {number}", "waiting")
    expect(ann.page.get_by_test_id("connection")).to_contain_text("3 messages wait")
    bob.say("meanwhile")
    bob.sees_delivery("meanwhile", "sent")  # so that it is the first that is stored
    ann.context.set_offline(False)
    ann.sees("meanwhile")
    for number in range(3):
        bob.sees(f"offline {number}")
    ann.sees_delivery("offline 2", "read")
    said = ["while online", "meanwhile", "offline 0", "offline 1", "offline 2"]
    assert bob.texts() == said
    assert ann.texts() == said
    expect(ann.page.get_by_test_id("connection")).to_be_empty()


def test_what_was_not_sent_survives_a_reload(person: NewPerson) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor", address=1)
    bob.open(ann)
    blocked = True

    def route(socket: WebSocketRoute) -> None:
        if blocked:
            socket.close(code=1013)
        else:
            socket.connect_to_server()

    ann.page.route_web_socket("**/ws", route)
    ann.page.goto(f"{ann.address}/?blocked#/with/{bob.email}")
    ann.say("kept")
    ann.sees_delivery("kept", "waiting")
    ann.page.reload()
    ann.sees_delivery("kept", "waiting")
    blocked = False
    ann.page.reload()
    bob.sees("kept")
    ann.sees_delivery("kept", "read")
    ann.page.reload()
    ann.sees("kept")
    assert bob.texts() == ["kept"]


def test_an_instance_dies_under_both_and_both_go_on(system: System, person: NewPerson) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor")
    for one in (ann, bob):
        one.may_be_cut_off = True
    ann.open(bob)
    ann.say("before")
    bob.open(ann)
    bob.sees("before")
    system.chats[0].kill()
    try:
        ann.say("after, from Ann")
        bob.say("after, from Bob")
        for one in (ann, bob):
            one.sees("after, from Ann")
            one.sees("after, from Bob")
        assert ann.texts() == bob.texts()
        assert len(ann.texts()) == 3
    finally:
        system.chats[0].start()


def test_an_instance_that_stops_sends_its_people_elsewhere(
    system: System, person: NewPerson
) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor", address=1)
    ann.may_be_cut_off = True
    ann.open(bob)
    ann.say("before")
    bob.open(ann)
    bob.sees("before")
    assert system.chats[0].stop() == 0
    try:
        bob.say("from Bob")
        ann.sees("from Bob")
        ann.say("from Ann")
        bob.sees("from Ann")
        assert ann.texts() == bob.texts() == ["before", "from Bob", "from Ann"]
    finally:
        system.chats[0].start()


def test_changes_made_offline_are_made_when_online(person: NewPerson) -> None:
    ann, bob = person("Ann Miller"), person("Bob Okafor", address=1)
    ann.may_be_cut_off = True
    ann.open(bob)
    bob.open(ann)
    for text in ("to be changed", "to be deleted"):
        ann.say(text)
        ann.sees_delivery(text, "read")
    ann.context.set_offline(True)
    expect(ann.page.get_by_test_id("connection")).to_contain_text("offline")
    ann.page.set_viewport_size({"width": 390, "height": 844})
    expect(ann.page.get_by_text("You are offline.")).to_be_in_viewport()
    ann.page.set_viewport_size({"width": 1280, "height": 800})
    ann.message("to be changed").hover()
    ann.message("to be changed").get_by_role("button", name="Edit this message").click()
    ann.page.get_by_role("textbox", name="Change your message").fill("changed")
    ann.page.keyboard.press("Enter")
    ann.message("to be deleted").hover()
    ann.message("to be deleted").get_by_role("button", name="Delete this message").click()
    ann.page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    ann.sees_delivery("changed", "waiting")
    assert bob.texts() == ["to be changed", "to be deleted"]
    ann.context.set_offline(False)
    for one in (bob, ann):
        expect(one.message("changed")).to_contain_text("edited")
        one.sees("Message deleted")
        assert one.texts() == ["changed", "Message deleted"]


def test_who_missed_more_than_is_resumed_loads_it_and_has_no_gap(
    person: NewPerson, write: Write
) -> None:
    ann, bob = person("Ann Miller", visits=False), person("Bob Okafor", address=1)
    bob.may_be_cut_off = True
    write(ann, bob, 3)
    bob.open(ann)
    expect(bob.page.get_by_role("article")).to_have_count(3)
    bob.context.set_offline(True)
    expect(bob.page.get_by_test_id("connection")).to_contain_text("offline")
    write(ann, bob, MISSED)
    bob.context.set_offline(False)
    newest = bob.page.get_by_role("article").last
    expect(newest).to_contain_text(f"message {MISSED - 1}")
    bob.stands_still()
    shown = [int(text.split()[1]) for text in bob.texts()]
    assert shown == list(range(shown[0], MISSED))
    write(ann, bob, 1)
    expect(newest).to_contain_text("message 0")
    expect(bob.page).to_have_title("Messages")
