"""Access tokens as the auth service issues them."""

import time
from pathlib import Path

import jwt

from auth_service.tokens.issuer import TokenIssuer
from auth_service.tokens.keys import load_keys
from shared.tokens import TokenVerifier


async def test_token_says_who_and_until_when_and_verifies(tmp_path: Path) -> None:
    keys = load_keys(tmp_path)
    issuer = TokenIssuer(keys, issuer="us", audience="chat", lifetime=600)
    token = issuer.issue(
        employee="6b032c80b951c9a345b7fed0", email="zoë@example.com", name="Zoë 😀", session="s1"
    )
    assert jwt.get_unverified_header(token) == {
        "alg": "EdDSA",
        "typ": "at+jwt",
        "kid": keys.signing.kid,
    }
    claims = await TokenVerifier(keys, "us", "chat").verify(token)
    assert (claims.iss, claims.aud) == ("us", "chat")
    assert (claims.sub, claims.email, claims.name, claims.sid) == (
        "6b032c80b951c9a345b7fed0",
        "zoë@example.com",
        "Zoë 😀",
        "s1",
    )
    assert claims.exp - claims.iat == 600
    assert abs(claims.iat - time.time()) < 5


def test_no_two_tokens_have_the_same_id(tmp_path: Path) -> None:
    issuer = TokenIssuer(load_keys(tmp_path), issuer="us", audience="chat", lifetime=600)
    tokens = {issuer.issue(employee="e", email="a@b", name="A", session="s") for _ in range(100)}
    assert len(tokens) == 100
