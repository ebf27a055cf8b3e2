"""Who is connected to this instance. It must never know storage or the broker."""

import itertools
from collections.abc import Callable, Iterator

from chat_service.delivery.connection import Connection
from chat_service.fanout import Event, Signal
from shared.errors import TooManyConnections


class Hub:
    """The connections of each employee.

    `came` is called at an employee's first connection, `left` after the last one.
    """

    def __init__(
        self,
        max_connections: int,
        max_employee_connections: int,
        came: Callable[[str], None],
        left: Callable[[str], None],
    ) -> None:
        self._max = max_connections
        self._max_employee = max_employee_connections
        self._connections: dict[str, list[Connection]] = {}
        self._stays: dict[str, int] = {}
        self._numbers = itertools.count(1)
        self._came = came
        self._left = left
        self.count = 0

    def attach(self, connection: Connection) -> None:
        """Raises `TooManyConnections`, of this instance or of this employee."""
        employee = connection.employee
        present = self._connections.get(employee, [])
        if self.count >= self._max:
            raise TooManyConnections("This instance is full; try again.", retry_after=1.0)
        if len(present) >= self._max_employee:
            raise TooManyConnections(f"You have {len(present)} connections already.")
        if not present:
            self._connections[employee] = present
            self._stays[employee] = next(self._numbers)
            self._came(employee)
        present.append(connection)
        self.count += 1

    def detach(self, connection: Connection) -> None:
        employee = connection.employee
        present = self._connections.get(employee)
        if present is None or connection not in present:
            return
        present.remove(connection)
        self.count -= 1
        if not present:
            del self._connections[employee]
            del self._stays[employee]
            self._left(employee)

    def stays(self, first: str, second: str) -> tuple[int, int]:
        """A number for the present stay of each, from the first connection to the last; 0 for
        whoever is not connected. No number is given twice."""
        stays = self._stays
        return stays.get(first, 0), stays.get(second, 0)

    def deliver(self, event: Event, origin: object) -> None:
        """Give `event` to every connection of its participants, except `origin`."""
        connections = self._connections
        for connection in connections.get(event.first, ()):
            if connection is not origin:
                connection.gate.deliver(event)
        for connection in connections.get(event.second, ()):
            if connection is not origin:
                connection.gate.deliver(event)

    def signal(self, signal: Signal) -> None:
        """Give `signal` to every connection of its employees, except those that read slowly."""
        for employee in signal.to:
            for connection in self._connections.get(employee, ()):
                connection.signal(signal.frame)

    def of(self, *employees: str) -> list[Connection]:
        """The connections of these employees."""
        return [
            connection
            for employee in employees
            for connection in self._connections.get(employee, ())
        ]

    def employees(self) -> Iterator[str]:
        return iter(self._connections)

    def __iter__(self) -> Iterator[Connection]:
        return iter([one for present in self._connections.values() for one in present])
