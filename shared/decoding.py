"""Decodes JSON and query parameters into structs, and says what is wrong with them."""

import json
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from shared.errors import FieldProblem, InvalidInput, MalformedBody

T = TypeVar("T")
Query = TypeVar("Query", bound=msgspec.Struct)

_INTEGER = re.compile("-?(0|[1-9][0-9]*)", re.ASCII)
"""As JSON writes it."""


def decode(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """`data` as the decoder's type.

    Raises `MalformedBody` if it is not JSON (also for invalid UTF-8, lone surrogates, excessive
    nesting and a field that is there twice), `InvalidInput` with the path of the first offending
    field if it does not fit the type.
    """
    try:
        decoded = decoder.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"This is not valid JSON: {_reason(error)}.") from None
    kind: type = type(decoded)
    for name in _field_names(kind):
        if data.count(name) > 1:
            _reject_repeated_fields(data)
            break
    return decoded


def is_utf8(data: bytes) -> bool:
    """Whether `data` is text at all."""
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def convert(values: Iterable[tuple[str, str]], kind: type[Query]) -> Query:
    """Query parameters as `kind`. Raises `InvalidInput`, also for a repeated parameter.

    A parameter whose field is a tuple may be repeated.
    """
    known = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
    lists = {name for name, given in known.items() if _is_tuple(given)}
    numbers = {name for name, given in known.items() if _may_be(int, given)}
    fields: dict[str, Any] = {}
    for name, value in values:
        if name in lists:
            fields.setdefault(name, []).append(value)
        elif name in fields:
            raise invalid(f"Must not be repeated - at `$.{name}`")
        elif name in numbers and not _INTEGER.fullmatch(value):
            raise invalid(f"Expected a whole number in digits - at `$.{name}`")
        else:
            fields[name] = value
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None


def invalid(message: str) -> InvalidInput:
    """msgspec's "what - at `path`" as an `InvalidInput`."""
    detail, _, path = message.partition(" - at `")
    path = path.rstrip("`") or "$"
    return InvalidInput(f"{detail} at {path}.", problems=(FieldProblem(path, detail),))


@lru_cache
def _field_names(kind: type) -> tuple[bytes, ...]:
    """The names of all fields of a struct and of those in it, as they stand in JSON."""
    names: set[str] = set()

    def collect(given: Any) -> None:
        if isinstance(given, type) and issubclass(given, msgspec.Struct):
            if (tag := given.__struct_config__.tag_field) is not None:
                names.add(tag)
            for field in msgspec.structs.fields(given):
                names.add(field.encode_name)
                collect(field.type)
        for inner in get_args(given):
            collect(inner)

    collect(kind)
    return tuple(f'"{name}"'.encode() for name in sorted(names))


def _reject_repeated_fields(data: bytes) -> None:
    """Raises `MalformedBody` if an object has a field twice: readers differ in which they take."""

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise MalformedBody(f"The field {twice[:64]!r} is there twice.")
        return found

    json.loads(data, object_pairs_hook=once)


def _may_be(wanted: type, kind: Any) -> bool:
    return kind is wanted or any(_may_be(wanted, inner) for inner in get_args(kind))


def _is_tuple(kind: Any) -> bool:
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return get_origin(plain) is tuple


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"invalid UTF-8 at byte {error.start}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error).removeprefix("JSON is malformed: ").removesuffix(".")
