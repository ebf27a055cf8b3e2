"""What the chat service is configured by."""

import socket
from typing import Annotated

from msgspec import Meta, field

from shared.settings import Count, Port, Seconds, Settings


class ChatSettings(Settings, frozen=True, kw_only=True):
    """Environment of the chat service; `shared.settings` says how it is read."""

    mongo_database: Annotated[str, Meta(min_length=1, description="database of this service")] = (
        "messaging_chat"
    )
    port: Annotated[Port, Meta(description="TCP port; 0 takes a free one")] = 8002
    amqp_url: Annotated[
        str,
        Meta(
            pattern=r"^(amqps?|memory)://",
            description="RabbitMQ, amqp://user:password@host:port/vhost; memory:// for one process",
        ),
    ]
    auth_url: Annotated[
        str, Meta(pattern=r"^https?://[^/]+$", description="auth service, http://host:port")
    ]
    public_auth_url: Annotated[
        str,
        Meta(
            pattern=r"^(https?://[a-z0-9.:\[\]-]+)?$",
            description="auth service as browsers reach it; empty where it is behind this origin",
        ),
    ] = ""
    instance_id: Annotated[
        str, Meta(min_length=1, max_length=64, description="name of this instance, unique")
    ] = field(default_factory=socket.gethostname)
    fanout_shards: Annotated[
        int, Meta(ge=1, le=4096, description="routing shards; the same on every instance")
    ] = 256
    fanout_queue_bytes: Annotated[
        Count, Meta(description="bytes RabbitMQ keeps for an instance that lags; oldest dropped")
    ] = 67_108_864
    max_text: Annotated[Count, Meta(description="characters of a message's text")] = 4000
    max_frame_bytes: Annotated[Count, Meta(description="largest WebSocket message")] = 65_536
    auth_seconds: Annotated[
        Seconds, Meta(description="time for a new socket to send its auth op")
    ] = 10.0
    heartbeat_seconds: Annotated[
        Seconds, Meta(description="WebSocket ping interval; half of it without a pong closes")
    ] = 25.0
    op_rate: Annotated[
        float, Meta(gt=0, description="ops and requests a second that an employee may send")
    ] = 100.0
    op_burst: Annotated[
        Count, Meta(description="ops and requests that an employee may send at once")
    ] = 1000
    max_in_flight: Annotated[
        Count, Meta(description="unanswered sends of a socket before it is not read for a while")
    ] = 64
    max_pending: Annotated[
        Count, Meta(description="sends waiting for the database before new ones are refused")
    ] = 20_000
    max_connections: Annotated[Count, Meta(description="sockets of this instance")] = 20_000
    max_employee_connections: Annotated[
        Count, Meta(description="sockets of one employee on this instance")
    ] = 20
    max_write_buffer: Annotated[
        Count, Meta(description="bytes waiting for a slow socket before it is closed (4001)")
    ] = 1_048_576
    max_resume_conversations: Annotated[
        Count, Meta(description="conversations that one resume may name")
    ] = 500
    max_resume_entries: Annotated[
        Count, Meta(description="entries that one resume sends of a conversation")
    ] = 500
    max_resume_total: Annotated[Count, Meta(description="entries that one resume sends")] = 5000
    max_resume_bytes: Annotated[
        Count, Meta(description="bytes that the entries of one resume have")
    ] = 4_194_304
    commit_lanes: Annotated[
        int, Meta(ge=1, le=16, description="group commits that may be under way at once")
    ] = 1
    commit_batch: Annotated[
        int, Meta(ge=1, le=1000, description="messages in one group commit, at most")
    ] = 256
    gap_wait_seconds: Annotated[
        Seconds, Meta(description="how long a gap may fill itself before the log is read")
    ] = 0.05
    summary_seconds: Annotated[
        Seconds, Meta(description="interval at which conversation summaries are written")
    ] = 0.5
    deleted_employees: Annotated[
        str,
        Meta(
            pattern="^(keep|erase)$",
            description="keep or erase the messages of employees who delete their account",
        ),
    ] = "keep"
    presence_grace_seconds: Annotated[
        Seconds, Meta(description="how long somebody may be away before they are offline")
    ] = 5.0
    presence_lease_seconds: Annotated[
        Seconds, Meta(description="how long after its last sign an instance is taken for alive")
    ] = 15.0
    drain_seconds: Annotated[
        Seconds, Meta(description="how long sockets and commits may take to end at shutdown")
    ] = 10.0
