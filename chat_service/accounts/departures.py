"""What is left of employees who are gone: their presence goes, and by setting their texts.

An address is never given out again, so whatever has it is theirs. All of this may be done again.
"""

import asyncio
from collections.abc import Callable

from chat_service.delivery import text_frame
from chat_service.inbox import conversation_of, of_two
from chat_service.presence import PresenceStore
from chat_service.protocol import PresenceEvent, encode
from shared.auth_events import DeletedEmployee
from shared.errors import ServiceError
from shared.mongo import Database, Document, reachable
from shared.observability.logs import get_logger

log = get_logger("departures")

PARTNERS = 500
"""How many are told that somebody is not there any more: those of the newest conversations."""
LAST_WORDS_SECONDS = 2.0
"""What was sent before the sockets were closed is in the log after this time."""
RETRY_SECONDS = 1.0

Tell = Callable[[tuple[str, ...], bytes], None]


class Departures:
    """`ready` gives the database, or raises `Unavailable`; `erase` says whether messages go."""

    def __init__(
        self, ready: Callable[[], Database], presence: PresenceStore, tell: Tell, *, erase: bool
    ) -> None:
        self._ready = ready
        self._presence = presence
        self._tell = tell
        self._erase = erase

    async def handle(self, gone: DeletedEmployee) -> None:
        """Returns when all is done, however long the database is away."""
        while True:
            try:
                await self._handle(gone)
            except ServiceError as error:
                log.warning("a deletion has to wait", reason=error.detail)
                await asyncio.sleep(RETRY_SECONDS)
            else:
                log.info("an employee is gone", employee=gone.employee, erased=self._erase)
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
