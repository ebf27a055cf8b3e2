"""Reads environment variables into one frozen, typed struct per service.

A field `mongo_url` is read from `MONGO_URL`. Its type and the bounds of its `msgspec.Meta` are
checked, its description is the help text. All problems are reported together, by name. Values are
never echoed, because some are secrets.
"""

import sys
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

T = TypeVar("T", bound="Settings")

_TRUE = frozenset({"1", "true", "yes", "on"})
_FALSE = frozenset({"0", "false", "no", "off"})

Port = Annotated[int, Meta(ge=0, le=65535, description="TCP port; 0 picks a free one")]
Count = Annotated[int, Meta(ge=1)]
Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Origin = Annotated[str, Meta(pattern=r"^https?://[a-z0-9.:\[\]-]+$")]
"""As browsers send it: scheme, host, and port unless it is the default; no path, no slash."""

Network = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f.:]+(/[0-9]{1,3})?$")]


class SettingsError(Exception):
    """The environment has no valid settings; the message lists the problems, one a line."""


class Settings(Struct, frozen=True, kw_only=True):
    """The settings that both services have."""

    mongo_url: Annotated[
        str,
        Meta(
            pattern=r"^mongodb(\+srv)?://",
            description="MongoDB replica set, mongodb://host:port/?replicaSet=name",
        ),
    ]
    mongo_database: Annotated[str, Meta(min_length=1, description="database of this service")]
    host: Annotated[str, Meta(description="address to listen on")] = "0.0.0.0"
    port: Port
    jwt_issuer: Annotated[str, Meta(min_length=1, description="`iss` of access tokens")] = (
        "messaging-auth"
    )
    jwt_audience: Annotated[str, Meta(min_length=1, description="`aud` of access tokens")] = (
        "messaging"
    )
    cors_origins: Annotated[
        tuple[Origin, ...],
        Meta(description="exact origins that browsers may call from, comma separated"),
    ] = ()
    trusted_proxies: Annotated[
        tuple[Network, ...],
        Meta(description="networks whose X-Forwarded-For is trusted, CIDR, comma separated"),
    ] = ()
    rate_limits: Annotated[
        bool, Meta(description="off disables every rate limit: for tests and benchmarks only")
    ] = True
    max_body_bytes: Annotated[Count, Meta(description="largest request body")] = 65_536
    shutdown_seconds: Annotated[
        Seconds, Meta(description="how long requests in progress may take at shutdown")
    ] = 5.0
    log_format: Annotated[
        str, Meta(pattern="^(json|console)$", description="json, or console for people")
    ] = "json"
    log_level: Annotated[
        str,
        Meta(pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="DEBUG, INFO, WARNING or ERROR"),
    ] = "INFO"


def load(kind: type[T], environ: Mapping[str, str]) -> T:
    """Read `kind` from `environ`.

    An empty variable counts as not set. Raises `SettingsError`, which names each missing or invalid
    variable and what was expected.
    """
    values: dict[str, Any] = {}
    problems: list[str] = []
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        name = field.name.upper()
        hint = hints[field.name]
        text = environ.get(name, "").strip()
        if not text:
            if field.required:
                problems.append(f"{name} is missing: {describe(hint)}")
            continue
        try:
            values[field.name] = msgspec.convert(_parts(text, hint), hint, strict=False)
        except ValueError as error:
            reason = str(error).partition(" - at `")[0]
            problems.append(
                f"{name} is invalid: {reason[:1].lower()}{reason[1:]}; {describe(hint)}"
            )
    if problems:
        raise SettingsError("\n".join(problems))
    return kind(**values)


def load_or_exit(kind: type[T], environ: Mapping[str, str], program: str) -> T:
    """`load` at the start of a program: prints the problems and exits with status 2."""
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.stdout.write(_usage(kind, program))
        raise SystemExit(0)
    try:
        return load(kind, environ)
    except SettingsError as error:
        sys.stderr.write(f"{program} cannot start:\n{error}\n")
        raise SystemExit(2) from None


def table(kind: type[Settings]) -> list[tuple[str, str, str]]:
    """Each variable of `kind` as (name, description, default), or "required" without a default."""
    hints = get_type_hints(kind, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(kind):
        default = "required" if field.required else _shown(field)
        rows.append((field.name.upper(), describe(hints[field.name]), default))
    return rows


def describe(hint: Any) -> str:
    """The description of a field's type, from the outermost `Meta` that has one."""
    descriptions = [
        meta.description
        for meta in getattr(hint, "__metadata__", ())
        if isinstance(meta, Meta) and meta.description
    ]
    return descriptions[-1] if descriptions else "value"


def _usage(kind: type[Settings], program: str) -> str:
    lines = [f"  {name:24} {text} ({default})" for name, text, default in table(kind)]
    return "\n".join((f"usage: python -m {program}", "", "Environment variables:", "", *lines, ""))


def _parts(text: str, hint: Any) -> Any:
    plain = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    if get_origin(plain) is tuple:
        return tuple(part.strip() for part in text.split(",") if part.strip())
    if plain is bool:
        word = text.lower()
        if word in _TRUE or word in _FALSE:
            return word in _TRUE
        raise ValueError("expected on or off")
    return text


def _shown(field: msgspec.structs.FieldInfo) -> str:
    default = field.default
    if default is msgspec.NODEFAULT:
        return "automatic"  # it has a factory, whose result depends on the machine
    if isinstance(default, bool):
        return "on" if default else "off"
    if isinstance(default, tuple):
        return ",".join(default) or "none"
    return str(default)
