"""Input into structs: a client is told what is wrong and where, whatever it sends."""

from contextlib import suppress
from typing import Annotated
from uuid import UUID

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from shared.decoding import convert, decode
from shared.errors import InvalidInput, MalformedBody


class Text(Struct, frozen=True, forbid_unknown_fields=True):
    sender: str
    text: Annotated[str, Meta(min_length=1, max_length=10)]


class Sending(Struct, frozen=True, forbid_unknown_fields=True):
    id: UUID
    message: Text
    participants: tuple[str, ...] = ()


class Page(Struct, frozen=True, forbid_unknown_fields=True):
    query: str = ""
    employee: tuple[str, ...] = ()
    tag: Annotated[tuple[str, ...], Meta(max_length=2)] = ()
    limit: Annotated[int, Meta(ge=1, le=100)] = 50
    before: int | None = None


DECODER = msgspec.json.Decoder(Sending)
ID = "0f6b8f0a-3c37-4f0e-9b0a-6f0d4e7a2c11"


def refused(data: bytes) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        decode(DECODER, data)
    return caught.value


def refused_query(*pairs: tuple[str, str]) -> InvalidInput:
    with pytest.raises(InvalidInput) as caught:
        convert(pairs, Page)
    return caught.value


def test_valid_input_is_decoded() -> None:
    data = f'{{"id": "{ID}", "message": {{"sender": "a@b.c", "text": "hi"}}}}'.encode()
    assert decode(DECODER, data) == Sending(UUID(ID), Text("a@b.c", "hi"))


@pytest.mark.parametrize(
    ("message", "path"),
    [
        ('{"sender": "a", "text": 1}', "$.message.text"),
        ('{"sender": "a", "text": ""}', "$.message.text"),
        ('{"sender": "a", "text": "12345678901"}', "$.message.text"),
        ('{"sender": "a"}', "$.message"),
        ('{"sender": "a", "text": "b", "colour": "red"}', "$.message"),
        ("null", "$.message"),
    ],
)
def test_what_does_not_fit_is_named_by_its_path(message: str, path: str) -> None:
    error = refused(f'{{"id": "{ID}", "message": {message}}}'.encode())
    assert [problem.path for problem in error.problems] == [path]
    assert error.problems[0].detail in error.detail


@pytest.mark.parametrize(("data", "path"), [(b"[]", "$"), (b"null", "$"), (b"{}", "$")])
def test_a_body_of_the_wrong_kind_is_named_as_a_whole(data: bytes, path: str) -> None:
    assert refused(data).problems[0].path == path


@pytest.mark.parametrize(
    "data",
    [
        b"{",
        b"{'id': 1}",
        b'{"id": NaN}',
        b"\xff\xfe",
        b'{"participants": ["\xed\xa0\x80"]}',
        b'{"participants": ["\\ud800"]}',
        b'{"message": {"text": "\\udc00"}}',
    ],
)
def test_what_is_no_json_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedBody):
        decode(DECODER, data)


@pytest.mark.parametrize("data", [b"{} {}", b"[" * 100_000, b'{"a":' * 100_000, b"1e"])
def test_what_follows_or_nests_for_ever_is_malformed(data: bytes) -> None:
    with pytest.raises(MalformedBody):
        decode(msgspec.json.Decoder(object), data)


@given(st.binary())
def test_no_input_causes_any_other_failure(data: bytes) -> None:
    with pytest.raises((InvalidInput, MalformedBody)) as caught:
        decode(DECODER, data)
    msgspec.json.encode((caught.value.detail, caught.value.problems))


def test_query_parameters_become_their_types() -> None:
    page = convert([("limit", "20"), ("before", "7"), ("query", "7")], Page)
    assert page == Page(query="7", limit=20, before=7)


def test_a_list_parameter_may_be_given_many_times() -> None:
    page = convert([("employee", "a"), ("employee", "b"), ("tag", "c"), ("tag", "d")], Page)
    assert page == Page(employee=("a", "b"), tag=("c", "d"))
    assert convert([("employee", "a")], Page).employee == ("a",)


@pytest.mark.parametrize(
    ("pairs", "path"),
    [
        ([("limit", "0")], "$.limit"),
        ([("limit", "many")], "$.limit"),
        ([("limit", "")], "$.limit"),
        ([("limit", "1"), ("limit", "2")], "$.limit"),
        ([("tag", "a"), ("tag", "b"), ("tag", "c")], "$.tag"),
        ([("colour", "red")], "$"),
    ],
)
def test_a_wrong_parameter_is_named(pairs: list[tuple[str, str]], path: str) -> None:
    assert refused_query(*pairs).problems[0].path == path


@given(st.lists(st.tuples(st.sampled_from(["query", "limit", "before", "tag", "x"]), st.text())))
def test_no_query_causes_any_other_failure(pairs: list[tuple[str, str]]) -> None:
    with suppress(InvalidInput):
        assert isinstance(convert(pairs, Page), Page)


@pytest.mark.parametrize(
    "data",
    [b'{"text":"a","text":"b"}', b'{"text":"a","text" : "a"}', b'{"inner":{"limit":1,"limit":2}}'],
)
def test_a_field_that_is_there_twice_is_refused(data: bytes) -> None:
    with pytest.raises(MalformedBody) as caught:
        decode(msgspec.json.Decoder(Outer), data)
    assert "twice" in caught.value.detail


def test_a_text_that_looks_like_a_field_is_no_second_one() -> None:
    data = b'{"text":"text","inner":{"limit":1}}'
    assert decode(msgspec.json.Decoder(Outer), data) == Outer("text", Inner(1))


class Inner(msgspec.Struct):
    limit: int


class Outer(msgspec.Struct):
    text: str = ""
    inner: Inner | None = None


@pytest.mark.parametrize("number", ["1.0", "1e2", "+1", " 1", "1 ", "01", "0x1", "1_0", "١", ""])
def test_a_number_in_a_query_is_written_as_in_json(number: str) -> None:
    assert refused_query(("limit", number)).problems[0].path == "$.limit"
