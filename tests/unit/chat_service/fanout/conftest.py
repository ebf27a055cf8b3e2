from collections.abc import AsyncIterator

import pytest

from chat_service.fanout import bindings, fanout, probe
from tests.unit.chat_service.fanout.pair import Pair


@pytest.fixture
async def pair(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Pair]:
    monkeypatch.setattr(probe, "PROBE_SECONDS", 0.02)
    monkeypatch.setattr(probe, "DEAF_AFTER_SECONDS", 0.2)
    monkeypatch.setattr(fanout, "RETRY_SECONDS", 0.01)
    monkeypatch.setattr(bindings, "LINGER_SECONDS", 0.05)
    pair = Pair()
    await pair.here.ready()
    await pair.there.ready()
    yield pair
    await pair.here.end()
    await pair.there.end()
