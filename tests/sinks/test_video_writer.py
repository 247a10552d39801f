from __future__ import annotations

import contextlib
import os
import resource
import signal
import subprocess
import sys
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import cv2  # noqa: F401 - before av, or windows hang
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sink_samples import picture

from stream_mer.errors import OutputError
from stream_mer.sinks import video
from stream_mer.sinks.video import NO_OVERLAY, VideoWriter


def read_back(path: Path) -> tuple[list[Fraction], list[np.ndarray]]:
    with av.open(str(path)) as container:
        frames = [(f.pts * f.time_base, f.to_ndarray(format="rgb24")) for f in container.decode(video=0)]
    return [time for time, _ in frames], [rgb for _, rgb in frames]


def write_all(path: Path, times_ns: list[int], **options: object) -> None:
    writer = VideoWriter(path, 64, 48, **options)  # type: ignore[arg-type]
    for index, pts_ns in enumerate(times_ns):
        writer.write(picture(seed=index % 5), pts_ns)
    writer.close()


@pytest.mark.parametrize(
    "fps", [Fraction(25), Fraction(30), Fraction(30000, 1001), Fraction(60), Fraction(1000)]
)
def test_usual_rates_are_exact_over_a_long_file(tmp_path: Path, fps: Fraction) -> None:
    times = [round(i * 10**9 / fps) for i in range(500)]
    write_all(tmp_path / "v.mp4", times, fps_hint=float(fps))
    got, _ = read_back(tmp_path / "v.mp4")
    assert got == [i / fps for i in range(500)]


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(1_000_000, 3_000_000_000), min_size=1, max_size=40), st.integers(0, 10**15))
def test_any_timing_is_kept_to_half_a_tick(
    tmp_path_factory: pytest.TempPathFactory, steps: list[int], start: int
) -> None:
    times = list(np.cumsum([start, *steps]))
    path = tmp_path_factory.mktemp("vfr") / "v.mp4"
    write_all(path, [int(t) for t in times])
    got, _ = read_back(path)
    assert len(got) == len(times)
    for time, pts_ns in zip(got, times, strict=True):
        # the start is rounded once, each frame once
        assert abs(float(time) - (int(pts_ns) - start) / 1e9) <= 1 / 90_000


def test_every_frame_stays_when_time_stands_still_or_jumps_back(tmp_path: Path) -> None:
    times = [0, 40, 80, 80, 80.000001, 120, 5, 45, 85]
    write_all(tmp_path / "v.mp4", [round(t * 1e6) for t in times], fps_hint=25)
    got, _ = read_back(tmp_path / "v.mp4")
    assert len(got) == len(times)
    assert all(b > a for a, b in pairwise(got))
    assert got[-1] - got[-2] == Fraction(1, 25), "after the jump the source's own spacing goes on"


def test_last_frame_lasts_as_long_as_the_one_before(tmp_path: Path) -> None:
    write_all(tmp_path / "v.mp4", [0, 100_000_000, 200_000_000], fps_hint=10)
    with av.open(str(tmp_path / "v.mp4")) as container:
        stream = container.streams.video[0]
        assert stream.duration * stream.time_base == pytest.approx(0.3, abs=1e-4)


@pytest.mark.parametrize(("width", "height"), [(63, 48), (64, 47), (31, 33), (1, 1), (17, 9)])
def test_odd_sizes_are_padded_with_their_own_edge(tmp_path: Path, width: int, height: int) -> None:
    writer = VideoWriter(tmp_path / "v.mp4", width, height)
    rgb = picture(width, height)
    for index in range(3):
        writer.write(rgb, index * 40_000_000)
    writer.close()
    _, frames = read_back(tmp_path / "v.mp4")
    assert len(frames) == 3
    assert frames[0].shape[:2] == (height + height % 2, width + width % 2)
    assert np.abs(frames[2][:height, :width].astype(int) - rgb).mean() < 6


def test_colours_come_back(tmp_path: Path) -> None:
    colours = [(230, 40, 40), (40, 200, 60), (40, 60, 220), (240, 240, 240), (16, 16, 16), (200, 180, 30)]
    writer = VideoWriter(tmp_path / "v.mp4", 64, 48)
    for index, colour in enumerate(colours):
        writer.write(np.full((48, 64, 3), colour, np.uint8), index * 40_000_000)
    writer.close()
    with av.open(str(tmp_path / "v.mp4")) as container:
        frames = list(container.decode(video=0))
    for frame, colour in zip(frames, colours, strict=True):
        rgb = frame.reformat(format="rgb24", src_colorspace=1).to_ndarray()
        assert np.abs(rgb.mean((0, 1)) - colour).max() < 5
        assert frame.colorspace == 1, "BT.709 is said in the file"


def test_size_change_is_letterboxed_into_the_first_size(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "v.mp4", 64, 48)
    writer.write(picture(64, 48), 0)
    writer.write(np.full((40, 120, 3), 200, np.uint8), 40_000_000)
    writer.write(np.full((96, 30, 3), 200, np.uint8), 80_000_000)
    writer.close()
    _, frames = read_back(tmp_path / "v.mp4")
    assert [f.shape for f in frames] == [(48, 64, 3)] * 3
    assert frames[1][24, 32].min() > 180
    assert frames[1][2].max() < 40, "bars above a wide picture"
    assert frames[2][24, 32].min() > 180
    assert frames[2][:, 2].max() < 40, "bars beside a tall picture"


WRITE_UNTIL_KILLED = """
import sys
from stream_mer.sinks.video import VideoWriter
import numpy as np
writer = VideoWriter(sys.argv[1], 320, 240, fps_hint=25)
rng = np.random.default_rng(0)
base = rng.integers(0, 255, (240, 320, 3), np.uint8)
for index in range(100_000):
    writer.write(np.roll(base, index, 1), index * 40_000_000)
    print(index + 1, flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL is POSIX")
@pytest.mark.parametrize("kill_after", [150, 290])
def test_killed_recording_is_readable_under_its_final_name(tmp_path: Path, kill_after: int) -> None:
    path = tmp_path / "overlay.mp4"
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= kill_after:
                process.send_signal(signal.SIGKILL)
                break
        process.wait(20)
    times, _ = read_back(path)
    assert len(times) >= 0.8 * kill_after
    assert times == [Fraction(i, 25) for i in range(len(times))]


def test_a_file_without_any_picture_can_be_closed(tmp_path: Path) -> None:
    """Interrupted before the first picture; in a process of its own, since it crashed (SIGSEGV)."""
    code = (
        "import sys; from stream_mer.sinks.video import VideoWriter; VideoWriter(sys.argv[1], 64, 48).close()"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "v.mp4")], check=False)
    assert done.returncode == 0
    assert (tmp_path / "v.mp4").stat().st_size == 0


def test_closed_writer_refuses_more(tmp_path: Path) -> None:
    writer = VideoWriter(tmp_path / "v.mp4", 64, 48)
    writer.write(picture(), 0)
    writer.close()
    writer.close()
    with pytest.raises(OutputError, match="already closed"):
        writer.write(picture(), 1)


def test_unwritable_place_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot create the video") as plain:
        VideoWriter(tmp_path / "file" / "v.mp4", 64, 48)
    assert "run with" not in str(plain.value)
    with pytest.raises(OutputError, match="another folder with --out, or run with --no-overlay"):
        VideoWriter(tmp_path / "file" / "v.mp4", 64, 48, without=NO_OVERLAY)
    with pytest.raises(OutputError, match="cannot create the video"):
        VideoWriter(tmp_path, 64, 48)


def test_no_encoder_is_an_output_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "ENCODERS", (("no_such_encoder", {}),))
    with pytest.raises(OutputError, match=r"no H\.264"):
        VideoWriter(tmp_path / "v.mp4", 64, 48)


def test_encoder_of_second_choice_serves_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(video, "ENCODERS", (("no_such_encoder", {}), video.ENCODERS[0]))
    write_all(tmp_path / "v.mp4", [i * 40_000_000 for i in range(30)])
    times, _ = read_back(tmp_path / "v.mp4")
    assert times == [Fraction(i, 25) for i in range(30)]


def readable(path: Path) -> int:
    """Frames before the first damaged one."""
    count = 0
    with av.open(str(path)) as container, contextlib.suppress(av.error.InvalidDataError):
        for _ in container.decode(video=0):
            count += 1
    return count


def noise_until_full(path: Path) -> int:
    rng = np.random.default_rng(1)
    writer = VideoWriter(path, 320, 240, fps_hint=5)
    for index in range(400):
        writer.write(rng.integers(0, 255, (240, 320, 3), np.uint8), index * 200_000_000)
    writer.close()
    return writer.frames


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_no_more_room_is_an_output_error_and_leaves_a_readable_file(tmp_path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, hard))
    try:
        with pytest.raises(OutputError, match=r"(?s)video.*File too large.*free some space"):
            noise_until_full(tmp_path / "v.mp4")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert readable(tmp_path / "v.mp4") >= 20


def test_full_disk_is_an_output_error(tmp_path: Path) -> None:
    mounted = (
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=1500k", "tmpfs", str(tmp_path)],
            capture_output=True,
            check=False,
        )
        if os.name == "posix" and os.geteuid() == 0
        else None
    )
    if mounted is None or mounted.returncode:
        pytest.skip("cannot mount a small tmpfs here; the file size limit test covers the same path")
    try:
        with pytest.raises(OutputError, match=r"(?s)No space left.*free some space"):
            noise_until_full(tmp_path / "v.mp4")
        assert readable(tmp_path / "v.mp4") >= 20
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
