"""Names, departments and roles: how input is cleaned, and how an employee is shown."""

import msgspec

from auth_service.employees import Employee
from auth_service.schemas import EmployeeView
from shared.text import check_label


def view(employee: Employee) -> EmployeeView:
    return msgspec.convert(employee, EmployeeView, from_attributes=True)


def text(given: str | None, path: str) -> str | None:
    """`given` stripped, None if nothing is left. Raises `InvalidInput` for what is no label."""
    kept = None if given is None else given.strip()
    if not kept:
        return None
    check_label(kept, path)
    return kept


def required_text(given: str, path: str) -> str:
    """`given` stripped. Raises `InvalidInput` for what is no label, and if nothing is left."""
    kept = given.strip()
    check_label(kept, path)
    return kept
