"""Measures how late the window of ``stream-mer live`` is: from a frame's capture until it is on the screen.

Each film is made into one of exactly so many frames a second (played forwards and backwards, so that
there is no cut) and watched as if it were a camera, on so many cores, in a virtual display of its own.
Decoding is not in the figure: a webcam's driver does that.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from stream_mer.capture.pyav import PyAvSource
from stream_mer.runtime.machine import cpu_model, is_busy
from stream_mer.sinks.video import VideoWriter

MOST_MS = 50.0
SECOND = 1_000_000_000
AT_MOST_FRAMES = 300
"""Pictures of the film that are used: they are held in memory."""


@dataclass(frozen=True, slots=True)
class Delays:
    """What one run said about itself; ``level`` is the highest step of overload it took."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    frames: int
    lost: int
    level: int


def retimed(film: Path, out: Path, fps: int, seconds: float) -> None:
    """Write the film's pictures forwards and backwards until ``seconds`` are full, ``fps`` a second."""
    with closing(PyAvSource(film)) as source:
        pictures = [frame.rgb for frame, _ in zip(source, range(AT_MOST_FRAMES), strict=False)]
    height, width, _ = pictures[0].shape
    course = [*pictures, *pictures[-2:0:-1]]
    with closing(VideoWriter(out, width, height, fps_hint=fps)) as writer:
        for index in range(round(seconds * fps)):
            writer.write(course[index % len(course)], index * SECOND // fps)


def read_delays(said: str) -> Delays:
    """Find the figures in what ``live`` printed.

    Raises:
        ValueError: they are not there, so the run failed.
    """
    times = re.search(r"camera to screen: p50 (\d+) ms, p95 (\d+) ms, p99 (\d+) ms", said)
    counts = re.search(r"(\d+) frames, (\d+) lost", said)
    if times is None or counts is None:
        raise ValueError(f"the run gave no figures:\n{said.strip()[-500:]}")
    half, most, worst = (float(t) for t in times.groups())
    level = max((int(step) for step in re.findall(r"overload level (\d+)", said)), default=0)
    return Delays(half, most, worst, int(counts[1]), int(counts[2]), level)


@contextmanager
def display() -> Iterator[str]:
    """A screen that nobody sees, and its name."""
    read, write = os.pipe()
    command = ["Xvfb", "-displayfd", str(write), "-screen", "0", "1600x1200x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write], stderr=subprocess.DEVNULL)
    os.close(write)
    try:
        with os.fdopen(read) as answer:
            yield f":{answer.readline().strip()}"
    finally:
        server.terminate()
        server.wait()


def watch(film: Path, screen: str, cores: Sequence[int], flags: Sequence[str]) -> Delays:
    """Run ``live`` on the film to its end."""
    command = [sys.executable, "-m", "stream_mer", "live", "--source", str(film), *flags]
    environment = {**os.environ, "DISPLAY": screen}
    environment.pop("WAYLAND_DISPLAY", None)
    done = subprocess.run(
        command,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: os.sched_setaffinity(0, cores),
    )
    return read_delays(done.stdout + done.stderr)


def main() -> int:
    """Measure, print a table; 1 if any p99 is over the aim."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("films", nargs="+", type=Path, help="with one face, for the aim")
    for flag, default in (("--fps", 30), ("--seconds", 60.0), ("--cores", 2)):
        parser.add_argument(flag, type=type(default), default=default)
    args = parser.parse_args()
    cores = sorted(os.sched_getaffinity(0))[: args.cores]
    print(f"{cpu_model()}, {len(cores)} cores, load before {os.getloadavg()[0]:.1f}")
    print("| film | faces through | p50/p95/p99 ms | frames | lost | overload level |")
    print("|---|---|---|---|---|---|")
    late = False
    with tempfile.TemporaryDirectory() as folder, display() as screen:
        for film in args.films:
            made = Path(folder) / f"{film.stem}.mp4"
            retimed(film, made, args.fps, args.seconds)
            for name, flags in (("native crop", ()), ("super-resolution", ("--sr", "always"))):
                d = watch(made, screen, cores, flags)
                times = f"{d.p50_ms:.0f}/{d.p95_ms:.0f}/{d.p99_ms:.0f}"
                print(f"| {film.name} | {name} | {times} | {d.frames} | {d.lost} | {d.level} |", flush=True)
                late |= d.p99_ms > MOST_MS
    if is_busy():
        print(f"load afterwards {os.getloadavg()[0]:.1f}; others used the machine if it exceeds the cores")
    return int(late)


if __name__ == "__main__":
    raise SystemExit(main())
