"""The local MongoDB and RabbitMQ keep what they confirmed, through kill and restart."""

import socket
from pathlib import Path
from typing import Any

import aio_pika
import pytest
from pymongo import MongoClient
from pymongo.write_concern import WriteConcern

from deploy.local.backing.mongodb import MongoServer
from deploy.local.backing.rabbitmq import RabbitServer
from deploy.local.process.owned import ServerError
from deploy.local.process.ports import PortTaken, free_port

JOURNALED = WriteConcern(w="majority", j=True)


def test_mongodb_keeps_confirmed_writes_through_a_kill(
    mongo_server: MongoServer, mongo_url: str
) -> None:
    with MongoClient[dict[str, Any]](mongo_url) as client:
        notes = client["local_servers"].get_collection("notes", write_concern=JOURNALED)
        notes.insert_one({"_id": "before"})
        mongo_server.kill()
        mongo_server.start()
        # The same client heals by itself.
        notes.insert_one({"_id": "after"})
        assert [note["_id"] for note in notes.find()] == ["before", "after"]
        client.drop_database("local_servers")


def test_mongodb_has_transactions(mongo_url: str) -> None:
    with MongoClient[dict[str, Any]](mongo_url) as client:
        notes = client["local_servers"]["transactions"]
        notes.insert_one({"_id": "outside"})
        with client.start_session() as session:
            session.start_transaction()
            notes.insert_one({"_id": "inside"}, session=session)
            session.abort_transaction()
        assert [note["_id"] for note in notes.find()] == ["outside"]
        client.drop_database("local_servers")


def test_mongodb_moves_to_another_port_with_its_data(tmp_path: Path) -> None:
    first, second = MongoServer(tmp_path, free_port()), MongoServer(tmp_path, free_port())
    first.start()
    with MongoClient[dict[str, Any]](first.url) as client:
        client["local_servers"]["moves"].insert_one({"_id": "before"})
    first.stop()
    second.start()
    with MongoClient[dict[str, Any]](second.url) as client:
        client["local_servers"]["moves"].insert_one({"_id": "after"})
        assert client["local_servers"]["moves"].count_documents({}) == 2
    second.kill()


async def test_rabbitmq_keeps_confirmed_messages_through_a_stop_and_a_kill(
    rabbit_server: RabbitServer, amqp_url: str
) -> None:
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        await channel.declare_queue("kept", durable=True)
        await channel.default_exchange.publish(
            aio_pika.Message(b"before", delivery_mode=aio_pika.DeliveryMode.PERSISTENT), "kept"
        )
    # First a stop: a queue declared a moment before a kill may be gone, as RabbitMQ writes what
    # it knows about queues a little later than it confirms.
    rabbit_server.stop()
    rabbit_server.start()
    rabbit_server.kill()
    assert not rabbit_server.running
    rabbit_server.start()
    async with await aio_pika.connect(amqp_url) as connection:
        channel = await connection.channel()
        queue = await channel.get_queue("kept")
        message = await queue.get(no_ack=True)
        assert message is not None
        assert message.body == b"before"
        await queue.delete()


@pytest.mark.parametrize(("server", "name"), [(MongoServer, "MongoDB"), (RabbitServer, "RabbitMQ")])
def test_taken_port_is_named(
    server: type[MongoServer] | type[RabbitServer], name: str, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(PortTaken, match=f"Port {port}, which {name} needs, is taken"):
            server(tmp_path, port).start()


def test_mongodb_that_cannot_start_says_why(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "storage.bson").write_text("not a database")
    with pytest.raises(ServerError, match="ended while starting") as raised:
        MongoServer(tmp_path).start()
    assert "Unable to read the storage engine metadata file" in str(raised.value)
