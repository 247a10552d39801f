"""A service that cannot be built leaves nothing open behind it."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from stream_mer.app import fleet
from stream_mer.app.cameras import CameraConfig, Delivery, FleetConfig
from stream_mer.config import Settings
from stream_mer.errors import EngineError

DELIVER = Delivery(webhook="http://127.0.0.1:9/x", mqtt="mqtt://127.0.0.1:9/x")


def open_boxes(folder: Path) -> list[str]:
    """Databases below the folder that this process holds open."""
    links = (link.resolve() for link in Path("/proc/self/fd").iterdir())
    return [link.name for link in links if link.is_relative_to(folder)]


@pytest.mark.assets
@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_a_network_that_does_not_load_leaves_no_courier_open(
    assets_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("paho.mqtt")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    settings = Settings(engine="no-such-engine", assets=assets_dir)
    config = FleetConfig((CameraConfig("door", "0", settings),), settings, deliver=DELIVER)
    with pytest.raises(EngineError):
        fleet.Fleet(config, None)
    assert len(list(tmp_path.rglob("*.sqlite"))) == 2, "both had been opened"
    assert open_boxes(tmp_path) == []
    assert [thread.name for thread in threading.enumerate() if thread.name == "courier"] == []
