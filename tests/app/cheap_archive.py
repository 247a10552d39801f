"""An archive run whose networks cost nothing: real manifest, real files, real merging, invented answers."""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from stream_mer.app.archive import Archive, Status, Watcher
from stream_mer.app.desk import Desk
from stream_mer.app.inputs import Input, name_outputs
from stream_mer.app.pieces import Piece
from stream_mer.app.status import Board
from stream_mer.config import Settings
from stream_mer.core.reading import Reading
from stream_mer.core.segments import SegmentResult
from stream_mer.pipeline.workers import in_turn
from stream_mer.runtime.calibration import ScoreCalibration
from stream_mer.sinks import manifest as manifest_module
from stream_mer.sinks.harvest import to_record
from stream_mer.sinks.manifest import MANIFEST, Manifest
from stream_mer.sinks.video import VideoWriter
from stream_mer.types import LABELS, Event

SECOND = 1_000_000_000
SETTINGS = Settings(overlay=False, segment_s=1, explain=True)
NETWORKS: Any = SimpleNamespace(
    way=("none", "f32"),
    super_resolver=SimpleNamespace(name="cheap"),
    calibration=ScoreCalibration(Reading(), 0.5),
    digests=lambda: {"cheap": "0" * 64},
    changes=lambda: (),
)


def film(path: Path, seconds: int, shade: int) -> Path:
    """A film with a key picture every second."""
    writer = VideoWriter(path, 32, 32, fps_hint=25)
    for n in range(25 * seconds):
        writer.write(np.full((32, 32, 3), (shade + n) % 256, np.uint8), n * SECOND // 25)
    writer.close()
    return path


def invented(piece: Piece, _: Callable[[int], None]) -> str:
    """What a segment "gives": a function of the file and the segment, faces and events at the borders too."""
    segment = piece.segment
    rng = random.Random(f"{piece.digest}:{segment.index}")
    result = SegmentResult(segment.index, frames=segment.frames, streamed_ns=segment.frames * 40_000_000)
    result.distances = {40: (segment.frames, segment.frames * 40_000_000)}
    result.tracks = [1, 2]
    for track in result.tracks:
        x = 100.0 * track
        result.entry[track] = {segment.start_ns - 40_000_000: (x, 0.0, x + 50, 50.0)}
        result.exit[track] = {(segment.stop_ns or 0) - 40_000_000: (x, 0.0, x + 50, 50.0)}
        for _ in range(3):
            apex = max(0, segment.start_ns + round(rng.uniform(-0.3, 1.3) * SECOND))
            result.events.append(
                Event(
                    "", "", 0, track, max(0, apex - 60_000_000), apex, apex + 60_000_000,
                    rng.choice(LABELS), 0.9, (0.9, 0.0, 0.0, 0.0, 0.0), 60.0, False,
                )
            )  # fmt: skip
    return json.dumps(to_record(result))


def run_cheaply(
    out: Path,
    films: list[Path],
    *,
    resume: bool = True,
    evidence: bool = False,
    work: Callable[[Piece, Callable[[int], None]], str] = invented,
    watcher: Watcher | None = None,
) -> list[Status]:
    """Everything that is missing in ``out``, in this process."""
    manifest = Manifest(out / MANIFEST)
    inputs = [Input(path, Path(path.name)) for path in films]
    names = name_outputs(inputs, {entry.path: entry.name for entry in manifest.files()})
    desk = Desk(out, names, manifest, SETTINGS, NETWORKS, "key", resume, evidence)
    try:
        archive = Archive(desk, watcher or Board({}, quiet=True))
        return archive.run(inputs, lambda next_job, report: in_turn(work, next_job, report))
    finally:
        manifest.close()


def run_and_die(out: Path, films: list[Path], step: int) -> None:
    """The same, killed by SIGKILL just before its ``step``-th step.

    A step is whatever reaches the disk or SQLite: an SQL statement, a file opened, synced, renamed,
    removed, a folder made.
    """
    left = [step]

    def count(*_: object) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, args: tuple[Any, ...]) -> None:
        written = event == "open" and str(out) in str(args[0])
        if written or event in ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "sqlite3.connect"):
            count()

    class Traced(sqlite3.Connection):
        def execute(self, *args: Any) -> sqlite3.Cursor:  # type: ignore[override]
            count()
            return super().execute(*args)

    real = sqlite3.connect
    manifest_module.sqlite3 = SimpleNamespace(  # type: ignore[attr-defined]
        **{name: getattr(sqlite3, name) for name in ("Connection", "OperationalError", "DatabaseError")},
        connect=lambda *a, **k: real(*a, factory=Traced, **k),
    )
    sync = os.fsync
    os.fsync = lambda fd: (count(), sync(fd))[1]  # type: ignore[assignment]
    sys.addaudithook(audit)
    run_cheaply(out, films)


def outputs(out: Path) -> dict[str, bytes]:
    """What must be the same after any history; run.json without its measured times."""
    found = {}
    for path in sorted(out.rglob("*")):
        # Killed as it ends, a run leaves SQLite's spent journal; the next one, which has nothing to do, too.
        if path.is_dir() or path.name in (MANIFEST, f"{MANIFEST}-journal"):
            continue
        content = path.read_bytes()
        if path.name == "run.json":
            run = json.loads(content)
            content = json.dumps({k: run[k] for k in ("frames", "events", "tracks", "duration_s")}).encode()
        found[path.relative_to(out).as_posix()] = content
    return found
