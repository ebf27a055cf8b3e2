"""Settings from the environment: what is accepted, and what a wrong one is told."""

from typing import Annotated

import pytest
from msgspec import Meta, field

from shared.settings import Port, Seconds, Settings, SettingsError, load, load_or_exit, table

ENOUGH = {
    "MONGO_URL": "mongodb://127.0.0.1:27017/?replicaSet=rs0",
    "MONGO_DATABASE": "messaging_example",
    "PORT": "8001",
}


class Example(Settings, frozen=True, kw_only=True):
    """A service's settings: inherited ones, and ones of its own."""

    secret_url: Annotated[str, Meta(pattern="^amqps?://", description="RabbitMQ")] = "amqp://here"
    wait_seconds: Annotated[Seconds, Meta(description="how long to wait")] = 1.5
    second_port: Annotated[Port, Meta(description="another port")] = 9000
    instance: Annotated[str, Meta(description="name of this instance")] = field(
        default_factory=lambda: "a-host-name"
    )


def example(**more: str) -> Example:
    return load(Example, {**ENOUGH, **more})


def problems(environ: dict[str, str]) -> str:
    with pytest.raises(SettingsError) as caught:
        load(Example, environ)
    return str(caught.value)


def test_what_is_not_set_has_its_default() -> None:
    settings = example()
    assert settings.port == 8001
    assert settings.host == "0.0.0.0"
    assert settings.wait_seconds == 1.5
    assert settings.instance == "a-host-name"
    assert settings.cors_origins == ()
    assert settings.rate_limits is True


def test_every_missing_and_every_invalid_setting_is_named_at_once() -> None:
    lines = problems({"PORT": "eighty", "WAIT_SECONDS": "-1"}).splitlines()
    assert [line.split()[0] for line in lines] == [
        "MONGO_URL",
        "MONGO_DATABASE",
        "PORT",
        "WAIT_SECONDS",
    ]
    assert "is missing" in lines[0]
    assert "is invalid" in lines[2]


def test_a_problem_says_what_was_expected() -> None:
    text = problems({**ENOUGH, "LOG_LEVEL": "loud"})
    assert text.startswith("LOG_LEVEL is invalid")
    assert "DEBUG, INFO, WARNING or ERROR" in text
    assert "'^(DEBUG|INFO|WARNING|ERROR)$'" in text


@pytest.mark.parametrize(
    "name",
    ["MONGO_URL", "PORT", "SECRET_URL", "RATE_LIMITS", "CORS_ORIGINS", "WAIT_SECONDS"],
)
def test_the_value_of_an_invalid_setting_is_never_shown(name: str) -> None:
    text = problems({**ENOUGH, name: "hunter2 pass,word"})
    assert name in text
    assert "hunter2" not in text
    assert "word" not in text.replace("password", "")


def test_an_empty_setting_counts_as_not_set() -> None:
    assert example(WAIT_SECONDS="  ").wait_seconds == 1.5
    assert "PORT is missing" in problems({**ENOUGH, "PORT": ""})


@pytest.mark.parametrize("word", ["on", "ON", "true", "1", "yes"])
def test_a_switch_is_on(word: str) -> None:
    assert example(RATE_LIMITS=word).rate_limits is True


@pytest.mark.parametrize("word", ["off", "Off", "false", "0", "no"])
def test_a_switch_is_off(word: str) -> None:
    assert example(RATE_LIMITS=word).rate_limits is False


def test_a_switch_takes_nothing_else() -> None:
    assert "expected on or off" in problems({**ENOUGH, "RATE_LIMITS": "maybe"})


def test_several_origins_are_separated_by_commas() -> None:
    settings = example(CORS_ORIGINS=" https://chat.example.com , http://localhost:5173,,")
    assert settings.cors_origins == ("https://chat.example.com", "http://localhost:5173")


@pytest.mark.parametrize(
    "origin", ["*", "chat.example.com", "https://chat.example.com/", "https://*.example.com"]
)
def test_an_origin_that_no_browser_sends_is_refused(origin: str) -> None:
    assert "CORS_ORIGINS" in problems({**ENOUGH, "CORS_ORIGINS": f"https://a.example,{origin}"})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "65536"),
        ("PORT", "-1"),
        ("PORT", "80.5"),
        ("SECOND_PORT", "70000"),
        ("MAX_BODY_BYTES", "0"),
        ("WAIT_SECONDS", "0"),
        ("WAIT_SECONDS", "inf"),
        ("WAIT_SECONDS", "nan"),
        ("WAIT_SECONDS", "1e9"),
        ("LOG_FORMAT", "json\nx"),
        ("MONGO_URL", "postgres://here"),
    ],
)
def test_a_value_out_of_bounds_is_refused(name: str, value: str) -> None:
    assert problems({**ENOUGH, name: value}).startswith(f"{name} is invalid")


def test_the_table_lists_every_setting_with_its_default() -> None:
    rows = {name: (text, default) for name, text, default in table(Example)}
    assert rows["MONGO_URL"][1] == "required"
    assert rows["RATE_LIMITS"][1] == "on"
    assert rows["CORS_ORIGINS"][1] == "none"
    assert rows["SECOND_PORT"] == ("another port", "9000")
    assert rows["INSTANCE"][1] == "automatic"
    assert all(text != "value" for text, _ in rows.values()), "a setting has no description"


def test_help_lists_the_settings_and_succeeds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["example", "--help"])
    with pytest.raises(SystemExit) as stopped:
        load_or_exit(Example, {}, "example")
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert shown.startswith("usage: python -m example")
    assert all(name in shown for name, _, _ in table(Example))


def test_a_start_with_invalid_settings_fails_and_says_why(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["example"])
    with pytest.raises(SystemExit) as stopped:
        load_or_exit(Example, {**ENOUGH, "PORT": "x"}, "example")
    assert stopped.value.code == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("example cannot start:\nPORT is invalid")
