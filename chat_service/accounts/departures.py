"""Removes what deleted employees leave behind: their presence and, if it is set, their texts.

An address is never given to anybody else, so whatever has it is theirs. All of this may be
repeated.
"""

import asyncio

from chat_service.delivery import text_frame
from chat_service.inbox import InboxStore
from chat_service.log import EntryStore
from chat_service.presence import PresenceStore, Tell
from chat_service.protocol import PresenceEvent, encode
from shared.auth_events import DeletedEmployee
from shared.errors import ServiceError
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
    """`erase`: remove the texts of their messages, too."""

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
        newest = await self._inbox.newest_of(gone.email, PARTNERS)
        partners = tuple(one.other(gone.email) for one in newest.values())
        if partners:
            event = PresenceEvent(gone.email, "offline", gone.deleted_at)
            self._tell(partners, text_frame(encode(event)))
        if self._erase:
            await asyncio.sleep(LAST_WORDS_SECONDS)
            for conversation in await self._inbox.ids_of(gone.email):
                await self._entries.erase_texts(conversation, gone.email, gone.deleted_at)
