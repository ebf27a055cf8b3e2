"""Verified tokens are remembered, within bounds."""

from pathlib import Path

import pytest

from auth_service.tokens import TokenIssuer, load_keys
from shared import tokens
from shared.tokens import TokenVerifier


async def test_the_least_recently_used_token_is_forgotten_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "CACHED_TOKENS", 2)
    keys = load_keys(tmp_path)
    issuer = TokenIssuer(keys, issuer="auth", audience="chat", lifetime=60)
    verifier = TokenVerifier(keys, "auth", "chat")
    ann, ben, eve = (
        issuer.issue(employee=name, email=f"{name}@example.org", name=name, session=name)
        for name in ("ann", "ben", "eve")
    )
    for token in (ann, ben):
        await verifier.verify(token)
    assert verifier.cached(ann) is not None
    await verifier.verify(eve)
    assert [verifier.cached(token) is not None for token in (ann, ben, eve)] == [True, False, True]
