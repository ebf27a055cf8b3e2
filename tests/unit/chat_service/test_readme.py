"""The chat service's README says what is so."""

import pytest

from chat_service.protocol.codes import CloseCode
from chat_service.settings import ChatSettings
from deploy import ROOT
from shared.settings import table

README = (ROOT / "chat_service" / "README.md").read_text()


@pytest.mark.parametrize(("name", "meaning", "default"), table(ChatSettings))
def test_every_setting_is_listed_with_its_default(name: str, meaning: str, default: str) -> None:
    assert f"| `{name}` | {default} | {meaning} |" in README


@pytest.mark.parametrize("code", CloseCode)
def test_every_close_code_of_ours_is_explained(code: CloseCode) -> None:
    assert str(int(code)) in README
