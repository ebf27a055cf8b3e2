"""Who may look at whom, and the public keys."""

from urllib.parse import quote

import jwt
import pytest

from tests.support.auth_service import AuthService


async def test_caller_finds_themself_and_others_by_email_in_any_case(auth: AuthService) -> None:
    alice = await auth.member("alice@example.com")
    bob = await auth.member("bob@example.com")
    token = alice["access_token"]
    assert (await auth.get("/employees/me", token=token)).body == alice["employee"]
    assert (await auth.get("/employees/bob@example.com", token=token)).body == bob["employee"]
    assert (await auth.get("/employees/BOB%40Example.com", token=token)).body == bob["employee"]


@pytest.mark.parametrize("email", ["o'brien+{x}/y%2F?#@example.com", "me@example.com", "a@b"])
async def test_unusual_addresses_are_found(auth: AuthService, email: str) -> None:
    member = await auth.member(email)
    reply = await auth.get(f"/employees/{quote(email, safe='')}", token=member["access_token"])
    assert (reply.status, reply.body) == (200, member["employee"])


async def test_nobody_of_that_address(auth: AuthService) -> None:
    token = (await auth.member("alice@example.com"))["access_token"]
    reply = await auth.get("/employees/nobody@example.com", token=token)
    assert (reply.status, reply.code) == (404, "unknown_employee")


async def test_what_is_no_address_is_invalid(auth: AuthService) -> None:
    token = (await auth.member("alice@example.com"))["access_token"]
    reply = await auth.get("/employees/nonsense", token=token)
    assert (reply.status, reply.code, reply.paths) == (422, "invalid_input", ["$.email"])


@pytest.mark.parametrize("path", ["/employees/me", "/employees/alice@example.com"])
async def test_strangers_see_nobody(auth: AuthService, path: str) -> None:
    await auth.sign_up("alice@example.com")
    reply = await auth.get(path)
    assert (reply.status, reply.code) == (401, "unauthorized")
    assert reply.headers["WWW-Authenticate"].startswith("Bearer")


async def test_published_key_verifies_access_tokens(auth: AuthService) -> None:
    token = (await auth.member("alice@example.com"))["access_token"]
    reply = await auth.get("/.well-known/jwks.json")
    assert reply.status == 200
    assert reply.headers["Cache-Control"] == "public, max-age=60"
    (key,) = jwt.PyJWKSet.from_dict(reply.body).keys
    assert key.key_id == jwt.get_unverified_header(token)["kid"]
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="messaging")
    assert claims["email"] == "alice@example.com"
    assert "d" not in reply.body["keys"][0]
