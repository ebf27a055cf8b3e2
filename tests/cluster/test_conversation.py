"""Two people, two instances: the whole mission."""

import asyncio
from uuid import uuid4

from tests.support.device import Device, assert_exact, assert_in_order_of_sending, shows_all
from tests.support.system import System


async def test_people_on_different_instances_exchange_messages_in_order(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(ann, 0) as a, system.connect(bob, 1) as b:
        for number in range(20):
            assert (await a.said(bob.email, f"from ann {number}"))["type"] == "ack"
            assert (await b.said(ann.email, f"from bob {number}"))["type"] == "ack"
        await a.until(lambda: len(a.messages) == 20)
        await b.until(lambda: len(b.messages) == 20)
        assert [event["text"] for event in b.messages] == [f"from ann {n}" for n in range(20)]
        assert [event["text"] for event in a.messages] == [f"from bob {n}" for n in range(20)]
        assert [event["seq"] for event in b.messages] == list(range(1, 41, 2))
    history = await system.history(ann, bob, instance=1)
    assert [message["seq"] for message in history] == list(range(1, 41))
    assert history == await system.history(bob, ann, instance=0)


async def test_typing_reaches_the_other_instance(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(ann, 0) as a, system.connect(bob, 1) as b:
        ack = await a.said(bob.email, "hello")
        await b.send("typing", to=ann.email, active=True)
        typing = await a.wait("typing")
        assert typing == {
            "type": "typing",
            "conversation": ack["conversation"],
            "sender": bob.email,
            "active": True,
        }


async def test_all_devices_of_an_employee_see_what_one_of_them_sent(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    async with (
        system.connect(ann, 0) as phone,
        system.connect(ann, 1) as laptop,
        system.connect(ann, 0) as tablet,
    ):
        ack = await phone.said(bob.email, "hello")
        for device in (laptop, tablet):
            event = await device.wait("message")
            assert (event["seq"], event["id"]) == (ack["seq"], ack["id"])
        await phone.ping()
        assert phone.messages == []


async def test_the_same_id_gives_the_same_seq_over_any_way(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    id = str(uuid4())
    async with (
        system.connect(ann, 0) as here,
        system.connect(ann, 1) as there,
        system.connect(bob, 1) as b,
    ):
        first = await here.said(bob.email, "once", id)
        again = await here.said(bob.email, "once", id)
        elsewhere = await there.said(bob.email, "once", id)
        status, body = await system.send(ann, bob, "once", id=id, instance=1)
        assert first == again == elsewhere
        assert status == 200
        assert body["message"]["seq"] == first["seq"] == 1  # type: ignore[index]
        await here.said(bob.email, "twice")
        await b.until(lambda: len(b.messages) == 2)
        assert [event["text"] for event in b.messages] == ["once", "twice"]
    assert len(await system.history(ann, bob)) == 2


async def test_two_instances_sending_at_once_number_without_gap_or_repeat(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    here, there = (chat.url for chat in system.chats)
    async with Device(ann, here) as a, Device(bob, there) as b:
        a.say(bob, "ann 0")
        await a.until(lambda: len(a.acks) == 1)
        for number in range(300):
            a.say(bob, f"ann {number + 1}")
            b.say(ann, f"bob {number}")
        await shows_all((a,), bob, 601)
        await shows_all((b,), ann, 601)
        assert_exact(await system.history(ann, bob), (a,), (b,))
        assert_in_order_of_sending(a, bob)
        assert_in_order_of_sending(b, ann)
        assert (a.repeats, b.repeats) == (0, 0)


async def test_resume_during_live_traffic_is_exact(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    async with system.connect(ann, 0) as a:
        for number in range(100):
            await a.say(bob.email, str(number))
        await a.until(lambda: len(a.of("ack")) == 100)
        conversation = a.of("ack")[0]["conversation"]

        async def talk() -> None:
            for number in range(100, 400):
                await a.say(bob.email, str(number))

        talking = asyncio.create_task(talk())
        async with system.connect(bob, 1) as b:
            resumed = await b.resume({conversation: 40})
            await talking
            await b.until(lambda: any(event["seq"] == 400 for event in b.messages))
            position = b.events.index(resumed)
            first = next(n for n, event in enumerate(b.events) if event.get("seq") == 41)
            head = resumed["conversations"][conversation]
            assert head["complete"]
            assert b.events[position - 1]["seq"] == head["head"]
            cursor = 40
            for event in b.events[first:]:
                if event["type"] == "message" and event["seq"] == cursor + 1:
                    cursor += 1
                elif event["type"] == "message":  # what the resume sent may come once more
                    assert event["seq"] <= cursor <= 400
                    assert event["seq"] <= head["head"]
            assert cursor == 400


async def test_everything_again_after_restarting_both_instances(system: System) -> None:
    ann, bob = await system.person("ann"), await system.person("bob")
    id = str(uuid4())
    async with system.connect(ann, 0) as a:
        first = await a.said(bob.email, "before", id)
    system.restart_chats()
    async with system.connect(ann, 1) as a, system.connect(bob, 0) as b:
        assert await a.said(bob.email, "before", id) == first
        ack = await a.said(bob.email, "after")
        assert ack["seq"] == 2
        await b.wait("message", text="after")
        resumed = await b.resume({first["conversation"]: 0})
        assert resumed["conversations"] == {first["conversation"]: {"head": 2, "complete": True}}
        texts = [event["text"] for event in b.messages]
        assert texts == ["after", "before", "after"]


async def test_ten_thousand_messages_through_two_instances(system: System) -> None:
    pairs = [(await system.person("ann"), await system.person("bob")) for _ in range(10)]

    async def chat(number: int) -> None:
        ann, bob = pairs[number]
        async with system.connect(ann, number % 2) as a, system.connect(bob, 1 - number % 2) as b:
            for text in range(1000):
                await a.say(bob.email, str(text))
            await a.until(lambda: len(a.of("ack")) == 1000)
            await b.until(lambda: len(b.messages) == 1000)
            assert [event["seq"] for event in b.messages] == list(range(1, 1001))
            assert [event["text"] for event in b.messages] == [str(text) for text in range(1000)]
            acknowledged = {event["id"]: event["seq"] for event in a.of("ack")}
        history = await system.history(bob, ann)
        assert {message["id"]: message["seq"] for message in history} == acknowledged

    await asyncio.gather(*(chat(number) for number in range(10)))
