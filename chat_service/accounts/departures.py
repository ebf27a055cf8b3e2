"""What is left of employees who are gone: their presence goes, and by setting their texts.

An address is never given out again, so whatever has it is theirs. All of this may be done again.
"""

import asyncio
from collections.abc import Callable

from chat_service.delivery import text_frame
from chat_service.inbox import InboxStore
from chat_service.log import EntryStore
from chat_service.presence import PresenceStore
from chat_service.protocol import PresenceEvent, encode
from shared.auth_events import DeletedEmployee
from shared.errors import ServiceError
from shared.observability.logs import get_logger

log = get_logger("departures")

PARTNERS = 500
"""How many are told that somebody is not there any more: those of the newest conversations."""
LAST_WORDS_SECONDS = 2.0
"""What was sent before the sockets were closed is in the log after this time."""
RETRY_SECONDS = 1.0

Tell = Callable[[tuple[str, ...], bytes], None]


class Departures:
    """`erase` says whether messages go."""

    def __init__(
        self,
        inbox: InboxStore,
        entries: EntryStore,
        presence: PresenceStore,
        tell: Tell,
        *,
        erase: bool,
    ) -> None:
        self._inbox = inbox
        self._entries = entries
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
        newest = await self._inbox.newest_of(gone.email, PARTNERS)
        partners = tuple(one.other(gone.email) for one in newest.values())
        if partners:
            event = PresenceEvent(gone.email, "offline", gone.deleted_at)
            self._tell(partners, text_frame(encode(event)))
        if self._erase:
            await asyncio.sleep(LAST_WORDS_SECONDS)
            for conversation in await self._inbox.ids_of(gone.email):
                await self._entries.erase_texts(conversation, gone.email, gone.deleted_at)
