"""Whether a RabbitMQ lets us in: the first half of an AMQP 0-9-1 handshake."""

import socket
import ssl
from urllib.parse import unquote, urlsplit

from pamqp import commands, constants, exceptions, frame, header

DEFAULT_PORTS = {"amqp": 5672, "amqps": 5671}
RECEIVE_BYTES = 65_536


def accepts(url: str, timeout_s: float = 2.0) -> bool:
    """True when a broker at this amqp:// or amqps:// address accepts its user and password."""
    address = urlsplit(url)
    if address.hostname is None or address.scheme not in DEFAULT_PORTS:
        return False
    try:
        with socket.create_connection(
            (address.hostname, address.port or DEFAULT_PORTS[address.scheme]), timeout_s
        ) as plain:
            if address.scheme == "amqp":
                return _lets_in(plain, address.username, address.password)
            context = ssl.create_default_context()
            with context.wrap_socket(plain, server_hostname=address.hostname) as encrypted:
                return _lets_in(encrypted, address.username, address.password)
    except (OSError, exceptions.PAMQPException):
        return False


def _lets_in(connection: socket.socket, user: str | None, password: str | None) -> bool:
    connection.sendall(header.ProtocolHeader().marshal())
    if not isinstance(_receive(connection), commands.Connection.Start):
        return False
    response = f"\0{unquote(user or 'guest')}\0{unquote(password or 'guest')}"
    start_ok = commands.Connection.StartOk(mechanism="PLAIN", response=response)
    connection.sendall(frame.marshal(start_ok, 0))
    # A wrong password is answered with Close, an unready broker by hanging up.
    return isinstance(_receive(connection), commands.Connection.Tune)


def _receive(connection: socket.socket) -> object:
    """The next frame. Raises ConnectionError when the peer hangs up before it is complete."""
    data = b""
    while True:
        received = connection.recv(RECEIVE_BYTES)
        if not received:
            raise ConnectionResetError("the broker hung up")
        data += received
        if data[-1] == constants.FRAME_END:
            return frame.unmarshal(data)[2]
