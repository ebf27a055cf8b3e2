"""The employees: who they are in the reference system, and their documents in ours."""

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from itertools import islice
from typing import Any

from bson import ObjectId
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError

from chat_service.log import DUPLICATE_KEY
from deploy.import_convos.departed import Departed
from deploy.import_convos.reference import Document, Reference
from deploy.import_convos.report import Outcome, Report, Subject
from shared.emails import normalise
from shared.errors import InvalidInput

AT_ONCE = 500

_BCRYPT = re.compile(r"\$2[aby]\$\d\d\$[./A-Za-z0-9]{53}")


class People:
    """The addresses behind what reference documents call people."""

    def __init__(self) -> None:
        self._of_id: dict[str, str] = {}
        self._known: set[str] = set()
        self._read = lru_cache(maxsize=65_536)(self._address_in)

    def add(self, id: Any, email: str) -> None:
        """`id` writes under this address, which counts once it is admitted."""
        self._of_id[str(id)] = email

    def admit(self, email: str) -> None:
        """There is an employee of ours with this address, or was."""
        self._known.add(email)

    def address(self, value: object) -> str | None:
        """The address of the employee whom an address, an ObjectId or its digits name.

        To be asked when everybody has been admitted.
        """
        if isinstance(value, str):
            email = self._read(value)
        else:
            email = self._of_id.get(str(value)) if isinstance(value, ObjectId) else None
        return email if email in self._known else None

    def _address_in(self, text: str) -> str | None:
        try:
            return normalise(text)
        except InvalidInput:
            written = text.strip()
            return self._of_id.get(written) or self._of_id.get(written.lower())


def import_people(
    reference: Reference,
    employees: Collection[Document],
    departed: Departed,
    report: Report,
    *,
    dry_run: bool,
) -> People:
    """Insert who is not in `employees` yet; who is there by address stays as is, and who is
    `departed` stays away. Repeatable."""
    people = People()
    documents = _documents(reference, people, report)
    while some := list(islice(documents, AT_ONCE)):
        addresses = [document["email"] for document in some]
        ids = [document["_id"] for document in some]
        here = list(
            employees.find(
                {"$or": [{"email": {"$in": addresses}}, {"_id": {"$in": ids}}]}, {"email": 1}
            )
        )
        known_addresses = {row["email"] for row in here}
        known_ids = {row["_id"] for row in here}
        gone = departed.among(addresses)
        new = []
        for document in some:
            if document["email"] in gone:
                # Without the address: of that, nothing is kept here but a digest.
                report.say(
                    Subject.EMPLOYEES,
                    Outcome.SKIPPED,
                    document["_id"],
                    "deleted their account here",
                )
                people.admit(document["email"])
                continue
            if not document["password"]:
                report.say(
                    Subject.EMPLOYEES,
                    Outcome.KEPT,
                    document["_id"],
                    "password is no bcrypt hash: left out, no log-in",
                )
            if document["email"] in known_addresses:
                report.count(Subject.EMPLOYEES, Outcome.HERE)
            elif document["_id"] in known_ids:
                report.say(
                    Subject.EMPLOYEES,
                    Outcome.SKIPPED,
                    document["_id"],
                    "its _id has another address here",
                )
                continue
            else:
                new.append(document)
            people.admit(document["email"])
        report.count(
            Subject.EMPLOYEES, Outcome.IMPORTED, len(new) if dry_run else _insert(employees, new)
        )
    return people


def _documents(reference: Reference, people: People, report: Report) -> Iterator[Document]:
    """Reference employees as our documents; those that cannot be are reported."""
    seen: set[str] = set()
    for employee in reference.employees():
        id = employee["_id"]
        email = _email(employee.get("email"))
        if not isinstance(id, (ObjectId, str)):
            report.say(Subject.EMPLOYEES, Outcome.SKIPPED, id, "_id is no ObjectId and no string")
        elif email is None:
            report.say(Subject.EMPLOYEES, Outcome.SKIPPED, id, "no valid email address")
        elif email in seen:
            # What this one wrote counts: it is the address that names people.
            people.add(id, email)
            report.say(
                Subject.EMPLOYEES, Outcome.SKIPPED, id, "another one has this address", value=email
            )
        else:
            seen.add(email)
            people.add(id, email)
            yield _document(employee, email)


def _document(employee: Document, email: str) -> Document:
    id = employee["_id"]
    password = employee.get("password")
    if isinstance(password, bytes):
        password = password.decode("ascii", "replace")
    if not isinstance(password, str) or not _BCRYPT.fullmatch(password):
        password = ""
    created = employee.get("created_at")
    if not isinstance(created, datetime):
        created = id.generation_time if isinstance(id, ObjectId) else datetime.now(UTC)
    return {
        "_id": id,
        "name": _text(employee.get("name")) or email,
        "email": email,
        "department": _text(employee.get("department")),
        "role": _text(employee.get("role")),
        "password": password,
        "created_at": created,
        "updated_at": created,
    }


def _insert(employees: Collection[Document], new: list[Document]) -> int:
    """How many were inserted; who signed up in this very moment was not."""
    if not new:
        return 0
    try:
        return len(employees.insert_many(new, ordered=False).inserted_ids)
    except BulkWriteError as error:
        failures = error.details["writeErrors"]
        if not failures or any(failure["code"] != DUPLICATE_KEY for failure in failures):
            raise
        return int(error.details["nInserted"])


def _email(value: object) -> str | None:
    try:
        return normalise(value) if isinstance(value, str) else None
    except InvalidInput:
        return None


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None
