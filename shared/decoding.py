"""JSON input into typed structs, and what is wrong with it when it is not."""

from collections.abc import Iterable
from typing import Annotated, Any, TypeVar, get_args, get_origin

import msgspec

from shared.errors import FieldProblem, InvalidInput, MalformedBody

T = TypeVar("T")
Query = TypeVar("Query", bound=msgspec.Struct)


def decode(decoder: msgspec.json.Decoder[T], data: bytes) -> T:
    """`data` as the decoder's type.

    Raises `MalformedBody` where it is no JSON (invalid UTF-8, lone surrogates and absurd nesting
    included), `InvalidInput` with the path of the first offending field where it does not fit.
    """
    try:
        return decoder.decode(data)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise MalformedBody(f"This is not valid JSON: {_reason(error)}.") from None


def convert(values: Iterable[tuple[str, str]], kind: type[Query]) -> Query:
    """Query parameters as `kind`. Raises `InvalidInput`; a parameter given twice is one, too.

    A field of a tuple type takes a parameter any number of times.
    """
    lists = {field.encode_name for field in msgspec.structs.fields(kind) if _is_tuple(field.type)}
    fields: dict[str, Any] = {}
    for name, value in values:
        if name in lists:
            fields.setdefault(name, []).append(value)
        elif name in fields:
            raise invalid(f"Given more than once - at `$.{name}`")
        else:
            fields[name] = value
    try:
        return msgspec.convert(fields, kind, strict=False)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None


def reject_nul(text: str, path: str) -> None:
    """Raise `InvalidInput` where `text` has a NUL: nobody types it, and some programs end there."""
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
