"""Access tokens as the auth service takes them itself: only of sessions that are open right now."""

from auth_service.sessions.store import Sessions
from shared.tokens import Claims, KeySource, TokenVerifier


class SessionVerifier(TokenVerifier):
    """Asks the database for each request, as it is there anyway: nobody gets a token's last ten
    minutes out of a session that was ended on another replica a moment ago."""

    def __init__(self, keys: KeySource, issuer: str, audience: str, sessions: Sessions) -> None:
        super().__init__(keys, issuer, audience)
        self._sessions = sessions

    def cached(self, token: str) -> Claims | None:
        """None: `verify` decides."""
        return None

    async def verify(self, token: str) -> Claims:
        """Raises `Unauthorized`, or `Unavailable` while the database cannot be reached."""
        claims = super().cached(token) or await super().verify(token)
        await self._sessions.require_open(claims.sid)
        return claims
