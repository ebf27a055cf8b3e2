"""What happens to a page whose connection goes, and to what was written meanwhile."""

from playwright.sync_api import WebSocketRoute, expect

from tests.browser.conftest import NewPerson
from tests.cluster.system import System


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
    bob.sees("meanwhile")
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
