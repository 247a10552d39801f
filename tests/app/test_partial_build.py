"""A step of which one part cannot be built leaves no engine open."""

from __future__ import annotations

from dataclasses import replace

import pytest

from stream_mer.app.compose import infer_step
from stream_mer.app.networks import pick_networks
from stream_mer.config import Settings
from stream_mer.errors import EngineError
from stream_mer.protocols import Engine
from stream_mer.runtime.bicubic import BicubicEngine
from stream_mer.types import SourceInfo

INFO = SourceInfo("clip", "0" * 64, 64, 48, 25.0, None, None, live=False)


class Counted(BicubicEngine):
    """An engine that knows whether it is open."""

    opened = 0

    def __init__(self) -> None:
        super().__init__()
        Counted.opened += 1

    def close(self) -> None:
        Counted.opened -= 1
        super().close()


def fail() -> Engine:
    raise EngineError("not this one")


@pytest.mark.parametrize("broken", ["open_super_resolver", "open_classifier", "calibration"])
def test_what_was_opened_is_closed(broken: str) -> None:
    Counted.opened = 0
    networks = pick_networks(Settings(engine="bicubic"))
    working = replace(networks, open_super_resolver=Counted, open_classifier=Counted)
    step = infer_step(INFO, Settings(), working)
    assert Counted.opened == 2
    step.close()
    assert Counted.opened == 0
    bad = replace(working, **{broken: None if broken == "calibration" else fail})
    with pytest.raises((EngineError, AttributeError)):
        infer_step(INFO, Settings(), bad)
    assert Counted.opened == 0
