"""Who deleted their account here: they are not imported again, and no more of their history."""

from collections.abc import Iterable

from pymongo.database import Database

from auth_service.employees import store as employees
from auth_service.outbox import deletions as departures
from deploy.import_convos.reference import Document


class Departed:
    """The auth database; it is asked anew each time, since people leave during an import, too."""

    def __init__(self, auth: Database[Document]) -> None:
        self._employees = auth[employees.NAME]
        self._departures = auth[departures.NAME]

    def among(self, emails: Iterable[str]) -> set[str]:
        """Those of these addresses whose employee is gone, or about to go.

        The auth service notes a departure before it deletes the employee. So whoever was not among
        the employees before this is asked either was never there, or is found.
        """
        of_digest = {departures.digest(email): email for email in emails}
        leaving = {"email": {"$in": list(of_digest.values())}, "leaving": {"$exists": True}}
        gone = {row["email"] for row in self._employees.find(leaving, {"email": 1})}
        noted = self._departures.find({"_id": {"$in": list(of_digest)}}, {"_id": 1})
        return gone | {of_digest[row["_id"]] for row in noted}
