"""Logging in: who gets tokens, and that a refusal never tells why."""

from datetime import UTC, datetime, timedelta
from typing import Any

import bcrypt
import jwt
import msgspec
from bson import ObjectId
from pymongo.database import Database

from auth_service.settings import AuthSettings
from tests.support.auth_service import AuthService, Starter

Stored = Database[dict[str, Any]]

OLDER_HASH = "$2b$10$fVH8e28OQRj9tqiDXs1e1uxpsjN0c7II7YPKXua2NAKYvM6iQk7dq"
OLDER_PASSWORD = "abcdefghijklmnopqrstuvwxyz"


async def test_login_gives_tokens_that_nobody_may_store(auth: AuthService) -> None:
    signed_up = await auth.sign_up("alice@example.com")
    reply = await auth.log_in("ALICE@example.com ")
    assert reply.status == 200
    assert reply.headers["Cache-Control"] == "no-store"
    assert reply.body.keys() == {
        *("access_token", "token_type", "expires_in", "refresh_token", "employee")
    }
    assert reply.body["employee"] == signed_up.body
    assert (reply.body["token_type"], reply.body["expires_in"]) == ("Bearer", 600)
    claims = jwt.decode(reply.body["access_token"], options={"verify_signature": False})
    assert (claims["sub"], claims["email"]) == (signed_up.body["id"], "alice@example.com")


async def test_login_opens_a_session_of_its_device(
    auth: AuthService, settings: AuthSettings, stored: Stored
) -> None:
    await auth.sign_up("alice@example.com")
    reply = await auth.request(
        "POST",
        "/login",
        body={"email": "alice@example.com", "password": "correct horse battery"},
        headers={"User-Agent": "phone " * 100},
    )
    (session,) = stored.sessions.find()
    claims = jwt.decode(reply.body["access_token"], options={"verify_signature": False})
    assert session["_id"] == claims["sid"]
    assert str(session["employee"]) == claims["sub"]
    assert session["user_agent"].startswith("phone phone")
    assert len(session["user_agent"]) <= 256
    assert session["address"] == "127.0.0.1"
    lifetime = session["expires_at"] - datetime.now(UTC)
    assert timedelta(0) < timedelta(days=settings.refresh_token_days) - lifetime < timedelta(0, 60)


async def test_unknown_email_and_wrong_password_get_the_same_reply(
    auth: AuthService, stored: Stored
) -> None:
    await auth.sign_up("alice@example.com")
    wrong = await auth.log_in("alice@example.com", "wrong horse")
    unknown = await auth.log_in("nobody@example.com", "wrong horse")
    for reply in (wrong, unknown):
        assert (reply.status, reply.code) == (401, "invalid_credentials")
        del reply.body["request_id"]
    assert wrong.body == unknown.body
    assert wrong.headers.keys() == unknown.headers.keys()
    assert stored.sessions.count_documents({}) == 0


INVALID: list[tuple[dict[str, object], str]] = [
    ({"email": {"$gt": ""}, "password": "correct horse"}, "$.email"),
    ({"email": "alice@example.com", "password": {"$gt": ""}}, "$.password"),
    ({"email": "alice@example.com", "password": "x" * 73}, "$.password"),
    ({"email": "alice@example.com", "password": "a\x00b"}, "$.password"),
    ({"email": "alice", "password": "correct horse"}, "$.email"),
    ({"email": "alice@example.com", "password": "correct horse", "x": 1}, "$"),
    ({"email": "alice@example.com"}, "$"),
]


async def test_every_invalid_field_is_named(auth: AuthService) -> None:
    for body, path in INVALID:
        reply = await auth.request("POST", "/login", body=body)
        assert (reply.status, reply.code) == (422, "invalid_input"), body
        assert reply.paths == [path], body


async def test_employee_of_the_older_system_logs_in_and_keeps_the_id(
    settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    key = ObjectId()
    older = {"name": "Bob", "department": "Sales", "role": "Manager", "password": OLDER_HASH}
    stored.employees.insert_one({"_id": key, "email": " Bob@Example.com"} | older)
    auth = await start(settings)
    reply = await auth.log_in("bob@example.com", OLDER_PASSWORD)
    assert reply.status == 200
    assert reply.body["employee"] == {
        "id": str(key),
        "name": "Bob",
        "email": "bob@example.com",
        "department": "Sales",
        "role": "Manager",
        "created_at": key.generation_time.isoformat().replace("+00:00", "Z"),
    }
    assert (await auth.get("/employees/me", token=reply.body["access_token"])).status == 200
    assert (await auth.refresh(reply.body["refresh_token"])).status == 200


async def test_employee_whose_id_is_text_logs_in(
    settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    stored.employees.insert_one(
        {"_id": "bob-1", "name": "Bob", "email": "bob@example.com", "password": OLDER_HASH}
    )
    auth = await start(settings)
    reply = await auth.log_in("bob@example.com", OLDER_PASSWORD)
    assert (reply.body["employee"]["id"], reply.body["employee"]["created_at"]) == ("bob-1", None)
    me = await auth.get("/employees/me", token=reply.body["access_token"])
    assert me.body == reply.body["employee"]
    assert (await auth.refresh(reply.body["refresh_token"])).status == 200


async def test_hash_of_a_lower_cost_is_renewed_at_login_only(
    settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    cheap = bcrypt.hashpw(b"correct horse", bcrypt.gensalt(4)).decode()
    stored.employees.insert_one({"name": "Bob", "email": "bob@example.com", "password": cheap})
    auth = await start(msgspec.structs.replace(settings, bcrypt_cost=5))

    def hash_now() -> str:
        (document,) = stored.employees.find()
        password = document["password"]
        assert isinstance(password, str)
        return password

    assert (await auth.log_in("bob@example.com", "wrong horse")).status == 401
    assert hash_now() == cheap
    assert (await auth.log_in("bob@example.com", "correct horse")).status == 200
    renewed = hash_now()
    assert renewed.startswith("$2b$05$")
    assert (await auth.log_in("bob@example.com", "correct horse")).status == 200
    assert hash_now() == renewed


async def test_hash_of_a_higher_cost_stays(
    settings: AuthSettings, start: Starter, stored: Stored
) -> None:
    older = {"name": "Bob", "email": "bob@example.com", "password": OLDER_HASH}
    stored.employees.insert_one(older)
    auth = await start(settings)
    assert (await auth.log_in("bob@example.com", OLDER_PASSWORD)).status == 200
    assert stored.employees.count_documents({"password": OLDER_HASH}) == 1


async def test_logins_are_counted_by_outcome(auth: AuthService) -> None:
    await auth.sign_up("alice@example.com")
    await auth.log_in("alice@example.com")
    await auth.log_in("alice@example.com", "wrong")
    await auth.log_in("nobody@example.com", "wrong")
    await auth.log_in("nobody@example.com", "wrong")
    metrics = (await auth.get("/metrics")).text
    assert 'auth_logins_total{outcome="success"} 1.0' in metrics
    assert 'auth_logins_total{outcome="wrong_password"} 1.0' in metrics
    assert 'auth_logins_total{outcome="unknown_email"} 2.0' in metrics
    assert 'auth_bcrypt_seconds_count{work="verify"} 4.0' in metrics
    assert "auth_bcrypt_pending 0.0" in metrics
