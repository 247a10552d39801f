"""The real product over an archive: killed, in two processes, on Ray; always the events of the plain run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from stream_mer.app.how import How
from stream_mer.app.recorded import process_many
from stream_mer.capture.picture import PictureReader
from stream_mer.capture.pyav import PyAvSource
from stream_mer.cli import main
from stream_mer.config import Settings
from stream_mer.errors import ConfigError, SourceDamaged
from stream_mer.sinks.event_log import read_events
from stream_mer.sinks.video import VideoWriter

pytestmark = [pytest.mark.data, pytest.mark.assets]
SETTINGS = Settings(threshold=0.05, vetoes="none", overlay=False, segment_s=1, sr="never", engine="bicubic")
FLAGS = [
    *("--threshold", "0.05", "--vetoes", "none", "--no-overlay", "--segment", "1"),
    *("--sr", "never", "--engine", "bicubic"),
]


@pytest.fixture(scope="module")
def cams(videos: Path, assets_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of two films of three seconds with a key picture every second, and a broken one."""
    folder = tmp_path_factory.mktemp("archive") / "cams"
    for place, clip in (("hall", "grid_bbaf2n.mpg"), ("door", "grid_lbbc2a.mpg")):
        source = PyAvSource(videos / clip)
        writer = VideoWriter(folder / place / "cam.mp4", source.info.width, source.info.height, fps_hint=25)
        for frame in source:
            writer.write(frame.rgb, frame.pts_ns)
        source.close()
        writer.close()
    (folder / "broken.mp4").write_bytes(b"\0\0\0\x18ftypmp42" + bytes(5000))
    return folder


@pytest.fixture(scope="module")
def plain(cams: Path) -> dict[str, bytes]:
    out = cams.parent / "plain"
    assert process_many([str(cams)], out, SETTINGS, How()) == 5
    found = [read_events(out / name / "cam" / "events.jsonl") for name in ("hall", "door")]
    assert any(found), "the threshold must find something"
    return logs(out)


def logs(out: Path) -> dict[str, bytes]:
    return {p.relative_to(out).as_posix(): p.read_bytes() for p in sorted(out.rglob("events.jsonl"))}


def test_the_table_names_the_broken_file_and_the_rest_is_done(
    plain: dict[str, bytes], cams: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert sorted(plain) == ["door/cam/events.jsonl", "hall/cam/events.jsonl"]
    assert process_many([str(cams)], cams.parent / "plain", SETTINGS, How(resume=True)) == 5
    out, err = capfd.readouterr()
    assert out.count("done before") == 2
    assert "index (the 'moov' box)" in out
    assert "1 of 3 inputs failed" in err
    assert logs(cams.parent / "plain") == plain


def test_fail_fast_stops_at_the_first(cams: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert process_many([str(cams)], tmp_path, SETTINGS, How(fail_fast=True)) == 5
    assert capfd.readouterr().out.count("not done") == 2
    assert not logs(tmp_path)


def committed(out: Path) -> int:
    """Segments in a copy of the manifest; the real one is locked by the run."""
    copy = out.parent / "copy.sqlite"
    try:
        shutil.copy(out / "manifest.sqlite", copy)
        return int(sqlite3.connect(copy).execute("SELECT count(*) FROM items").fetchone()[0])
    except (OSError, sqlite3.Error):
        return 0


KILLED = """
import os, signal, sys
from stream_mer.cli import main
from stream_mer.sinks.manifest import Manifest

commit, left = Manifest.commit, [int(sys.argv.pop(1))]

def counted(self, *what):
    commit(self, *what)
    left[0] -= 1
    if left[0] == 0:
        os.kill(os.getpid(), signal.SIGKILL)

Manifest.commit = counted
sys.exit(main(sys.argv[1:]))
"""
"""The command, which dies when it has committed so many segments: in time on the busiest machine."""


def test_killed_again_and_again_the_command_gives_the_same(
    plain: dict[str, bytes], cams: Path, tmp_path: Path
) -> None:
    words = ["process", str(cams), "--out", str(tmp_path), "--resume", *FLAGS]
    for segments in (1, 3):  # of six
        child = [sys.executable, "-c", KILLED, str(segments), *words]
        run = subprocess.run(child, capture_output=True, text=True, timeout=300, check=False)
        assert run.returncode == -signal.SIGKILL, run.stderr
    with pytest.raises(ConfigError, match="throw those away with --restart"):
        process_many([str(cams)], tmp_path, SETTINGS, How())
    with pytest.raises(ConfigError, match=r"threshold: 0\.05 then, 0\.5 now"):
        changed = Settings(
            threshold=0.5, vetoes="none", overlay=False, segment_s=1, sr="never", engine="bicubic"
        )
        process_many([str(cams)], tmp_path, changed, How(resume=True))
    assert process_many([str(cams)], tmp_path, SETTINGS, How(resume=True)) == 5
    assert logs(tmp_path) == plain


def test_two_processes_of_which_one_is_killed_give_the_same(
    plain: dict[str, bytes], cams: Path, tmp_path: Path
) -> None:
    def kill_one() -> None:
        """One of two, soon after both are there: far from the end of the work on any machine."""
        deadline = time.monotonic() + 100
        while time.monotonic() < deadline:
            time.sleep(0.05)
            children = [int(pid) for pid in Path(f"/proc/self/task/{main_task}/children").read_text().split()]
            workers = [pid for pid in children if is_worker(pid)]
            if len(workers) >= 2:
                soon = time.monotonic() + 1.5
                while time.monotonic() < soon and not committed(tmp_path):
                    time.sleep(0.05)
                os.kill(workers[0], signal.SIGKILL)
                killed.append(workers[0])
                return

    def is_worker(pid: int) -> bool:
        try:
            return b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
        except OSError:  # it has ended meanwhile
            return False

    killed: list[int] = []
    main_task = threading.main_thread().native_id
    if not Path(f"/proc/self/task/{main_task}/children").exists():
        pytest.skip("this system does not list a process's children")
    killer = threading.Thread(target=kill_one)
    killer.start()
    assert process_many([str(cams)], tmp_path, SETTINGS, How(workers=2)) == 5
    killer.join()
    assert killed
    assert logs(tmp_path) == plain


def test_two_workers_on_ray_give_the_same(plain: dict[str, bytes], cams: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed (extra 'cluster')")
    assert process_many([str(cams)], tmp_path, SETTINGS, How(ray="local", workers=2)) == 5
    assert logs(tmp_path) == plain


def test_the_overlay_of_segments_is_one_video_with_every_frame_once(
    plain: dict[str, bytes], cams: Path, tmp_path: Path
) -> None:
    settings = Settings(threshold=0.05, vetoes="none", segment_s=1, sr="never", engine="bicubic")
    film = cams / "hall" / "cam.mp4"
    assert process_many([str(film)], tmp_path, settings, How(workers=2)) == 0
    times = []
    for path in (film, tmp_path / "cam" / "overlay.mp4"):
        source = PyAvSource(path)
        times.append([frame.pts_ns for frame in source])
        source.close()
    assert len(times[0]) == len(times[1])
    assert max(abs(a - b) for a, b in zip(*times, strict=True)) <= 1_000_000
    assert not (tmp_path / "cam" / "overlay.parts").exists()
    run = json.loads((tmp_path / "cam" / "run.json").read_text())
    assert run["frames"] == len(times[0])
    events = [json.loads(line) for line in (tmp_path / "cam" / "events.jsonl").read_text().splitlines()]
    wanted = [json.loads(line) for line in plain["hall/cam/events.jsonl"].decode().splitlines()]
    assert [e["id"] for e in events] == [e["id"] for e in wanted]


def test_flags_that_contradict_are_refused(cams: Path, tmp_path: Path) -> None:
    for flags in (["--resume", "--restart"], ["--workers", "0"], ["--segment", "0"]):
        assert main(["process", str(cams), "--out", str(tmp_path), *flags]) == 2


@pytest.mark.parametrize("segment_s", [1, 60])
def test_what_was_seen_before_a_source_fails_is_kept_and_said(
    cams: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, segment_s: int
) -> None:
    read, name = PictureReader.read, "door/cam.mp4"
    settings = replace(SETTINGS, segment_s=segment_s)

    def failing(self: PictureReader, picture: Any, pts_ns: int) -> Any:
        if pts_ns >= 1_800_000_000:
            raise SourceDamaged("the disk has gone\ncheck it")
        return read(self, picture, pts_ns)

    with monkeypatch.context() as patch:
        patch.setattr(PictureReader, "read", failing)
        with pytest.raises(SourceDamaged, match="the disk has gone"):
            process_many([str(cams / name)], tmp_path, settings, How())
    run = json.loads((tmp_path / "cam" / "run.json").read_text())
    assert run["interrupted"]
    assert 25 <= run["frames"] <= 45
    seen = [event.onset_ns for event in read_events(tmp_path / "cam" / "events.jsonl")]
    assert seen
    assert process_many([str(cams / name)], tmp_path, settings, How(resume=True)) == 0
    run = json.loads((tmp_path / "cam" / "run.json").read_text())
    assert (run["interrupted"], run["frames"]) == (False, 75)
    whole = [event.onset_ns for event in read_events(tmp_path / "cam" / "events.jsonl")]
    assert whole[: len(seen)] == seen
    assert len(whole) > len(seen)
