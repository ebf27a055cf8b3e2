"""Decodes JSON and query parameters into structs, and says what is wrong with them."""

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from shared.errors import FieldProblem, InvalidInput, MalformedBody

T = TypeVar("T")
Query = TypeVar("Query", bound=msgspec.Struct)


def decode(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """`data` as the decoder's type.

    Raises `MalformedBody` if it is not JSON (also for invalid UTF-8, lone surrogates and excessive
    nesting), `InvalidInput` with the path of the first offending field if it does not fit the type.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"This is not valid JSON: {_reason(error)}.") from None


def convert(values: Iterable[tuple[str, str]], kind: type[Query]) -> Query:
    """Query parameters as `kind`. Raises `InvalidInput`, also for a repeated parameter.

    A parameter whose field is a tuple may be repeated.
    """
    lists = {field.encode_name for field in msgspec.structs.fields(kind) if _is_tuple(field.type)}
    fields: dict[str, Any] = {}
    for name, value in values:
        if name in lists:
            fields.setdefault(name, []).append(value)
        elif name in fields:
            raise invalid(f"Must not be repeated - at `$.{name}`")
        else:
            fields[name] = value
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None


def reject_nul(text: str, path: str) -> None:
    """Raise `InvalidInput` if `text` has a NUL: nobody types it, and some programs stop there."""
    if "\x00" in text:
        raise InvalidInput(
            "NUL characters are not allowed.", problems=(FieldProblem(path, "has a NUL character"),)
        )


def invalid(message: str) -> InvalidInput:
    """msgspec's "what - at `path`" as an `InvalidInput`."""
    detail, _, path = message.partition(" - at `")
    path = path.rstrip("`") or "$"
    return InvalidInput(f"{detail} at {path}.", problems=(FieldProblem(path, detail),))


def _is_tuple(kind: Any) -> bool:
    plain = get_args(kind)[0] if get_origin(kind) is Annotated else kind
    return get_origin(plain) is tuple


def _reason(error: Exception) -> str:
    if isinstance(error, UnicodeDecodeError):
        return f"invalid UTF-8 at byte {error.start}"
    if isinstance(error, RecursionError):
        return "it is nested too deeply"
    return str(error).removeprefix("JSON is malformed: ").removesuffix(".")
