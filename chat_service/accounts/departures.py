"""Removes what deleted employees leave behind: their presence and, if it is set, their texts.

An address is never given to anybody else, so whatever has it is theirs. All of this may be
repeated.
"""

import asyncio
from collections.abc import Callable

from chat_service.delivery import text_frame
from chat_service.inbox import conversation_of, of_two
from chat_service.presence import PresenceStore, Tell
from chat_service.protocol import PresenceEvent, encode
from shared.auth_events import DeletedEmployee
from shared.errors import ServiceError
from shared.mongo import Database, Document, reachable
from shared.observability.logs import get_logger

log = get_logger("departures")

PARTNERS = 500
"""How many are told that an employee is offline: the partners of the most recent conversations."""
LAST_WORDS_SECONDS = 2.0
"""How long erasing waits for the employee's sockets to close and for what they sent to be stored.
Both usually take less than a second, and nothing guarantees it: an instance that hears late of the
revocation, or whose commit takes longer, stores messages that keep their texts."""
RETRY_SECONDS = 1.0


class Departures:
    """`ready` gives the database, or raises `Unavailable`. `erase`: remove texts, too."""

    def __init__(
        self, ready: Callable[[], Database], presence: PresenceStore, tell: Tell, *, erase: bool
    ) -> None:
        self._ready = ready
        self._presence = presence
        self._tell = tell
        self._erase = erase

    async def handle(self, gone: DeletedEmployee) -> None:
        """Returns once everything is removed, however long the database is unavailable."""
        while True:
            try:
                await self._handle(gone)
            except ServiceError as error:
                log.warning("cannot remove what a deleted employee left", reason=error.detail)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                log.info("an employee was deleted", employee=gone.employee, erased=self._erase)
                return

    async def _handle(self, gone: DeletedEmployee) -> None:
        await self._presence.remove(gone.email)
        partners = await self._partners(gone.email)
        if partners:
            event = PresenceEvent(gone.email, "offline", gone.deleted_at)
            self._tell(partners, text_frame(encode(event)))
        if self._erase:
            await asyncio.sleep(LAST_WORDS_SECONDS)
            await self._erase_texts(gone)

    async def _partners(self, email: str) -> tuple[str, ...]:
        newest = self._ready()["convos"].find(of_two(email), {"participants": 1})
        with reachable():
            rows = await newest.sort("updated_at", -1).to_list(PARTNERS)
        found = (conversation_of(row) for row in rows)
        return tuple(one.other(email) for one in found if one is not None)

    async def _erase_texts(self, gone: DeletedEmployee) -> None:
        """As a deletion of each message does, less the entry that tells of it: sockets that are
        open now show what they have until they read the history again."""
        deletion: Document = {
            "$set": {"deleted_at": gone.deleted_at},
            "$unset": {"text": "", "edited_at": ""},
        }
        messages = self._ready()["messages"]
        with reachable():
            async for row in self._ready()["convos"].find({"participants": gone.email}, {"_id": 1}):
                theirs: Document = {"convo": row["_id"], "sender": gone.email}
                written = {**theirs, "kind": "message", "text": {"$exists": True}}
                await messages.update_many(written, deletion)
                await messages.update_many({**theirs, "kind": "edit"}, {"$unset": {"text": ""}})
