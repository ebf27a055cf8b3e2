"""How the auth service itself checks access tokens: their session must be open right now."""

from auth_service.sessions.store import Sessions
from shared.tokens import Claims, KeySource, TokenVerifier


class SessionVerifier(TokenVerifier):
    """Looks the session up for each request, which needs the database anyway.

    So a token is refused at once after its session was ended on another replica.
    """

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
