"""Names, departments and roles: how input is cleaned, and how an employee is shown."""

import msgspec

from auth_service.employees import Employee
from auth_service.schemas import EmployeeView
from shared.decoding import reject_nul
from shared.errors import FieldProblem, InvalidInput


def view(employee: Employee) -> EmployeeView:
    return msgspec.convert(employee, EmployeeView, from_attributes=True)


def text(given: str | None, path: str) -> str | None:
    """`given` stripped, None if nothing is left. Raises `InvalidInput` for a NUL."""
    if given is None:
        return None
    reject_nul(given, path)
    return given.strip() or None


def required_text(given: str, path: str) -> str:
    """`given` stripped. Raises `InvalidInput` for a NUL, and if nothing is left."""
    kept = text(given, path)
    if kept is None:
        raise InvalidInput("This must not be blank.", problems=(FieldProblem(path, "is blank"),))
    return kept
