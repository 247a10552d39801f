"""``stream-mer bench``: the README's throughput table, measured on this machine.

Each row is a process of its own, so that peak memory and time to the first result are those of a
real run and no row warms the next one up.
"""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from stream_mer.capture.pyav import PyAvSource
from stream_mer.errors import SourceNotFound, StageError
from stream_mer.runtime.bicubic import BICUBIC
from stream_mer.runtime.machine import engine_threads, usable_cores
from stream_mer.runtime.manifest import list_manifests
from stream_mer.runtime.shipped import engines_root
from stream_mer.sinks.summary import write_text

STAGES = ("capture", "face", "infer", "overlay")


@dataclass(frozen=True, slots=True)
class Row:
    """One run: what was run, ``run.json``, and the process's peak memory in MB."""

    video: str
    size: str
    engine: str
    sr: str
    run: dict[str, object]
    peak_mb: float


def bench(videos: list[Path], out: Path | None, *, overlay: bool = True) -> int:
    """Process every video with every trained engine; print (and write) a Markdown table.

    Without ``overlay`` as archives are processed.
    """
    for video in videos:
        if not video.is_file():
            raise SourceNotFound(f"there is no file {video}.\nGive the videos to measure on.")
    engines = [m.name for m in list_manifests(engines_root()) if m.task == "super-resolution" and m.trained]
    settings = [("auto", "never"), *((name, "always") for name in [BICUBIC.name, *engines])]
    rows = []
    for video in videos:
        for engine, sr in settings:
            print(f"{video.name}: {engine if sr == 'always' else 'native crops'} ...", file=sys.stderr)
            rows.append(_measure(video, engine, sr, overlay))
    text = _markdown(rows, overlay)
    print(text)
    if out is not None:
        write_text(out, text, "the table")
    return 0


def _measure(video: Path, engine: str, sr: str, overlay: bool) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        command = [
            sys.executable, "-m", "stream_mer", "process", str(video), "--out", folder,
            "--engine", engine, "--sr", sr, *(() if overlay else ("--no-overlay",)),
        ]  # fmt: skip
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        assert process.stderr is not None
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            raise StageError(f"the run on {video.name} with {engine} failed:\n{said.strip()[-300:]}")
        (report,) = Path(folder).glob("*/run.json")
        run: dict[str, object] = json.loads(report.read_text(encoding="utf-8"))
    scale = 1024.0 if sys.platform != "darwin" else 1024.0**2
    return Row(video.name, picture_size(video), engine, sr, run, usage.ru_maxrss / scale)


def picture_size(video: Path) -> str:
    """``640x480``."""
    source = PyAvSource(video)
    source.close()
    return f"{source.info.width}x{source.info.height}"


def _markdown(rows: list[Row], overlay: bool) -> str:
    stages_shown = STAGES if overlay else STAGES[:-1]
    head = [
        "video",
        "size",
        "people",
        "faces through",
        "fps",
        *(f"{s} p50/p95/p99 ms" for s in stages_shown),
        "peak MB",
        "first result s",
    ]
    lines = [
        f"{platform.machine()}, {usable_cores()} cores; {'overlay' if overlay else 'no overlay'} written; "
        f"every stage in its own thread, {engine_threads()} for each network.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    for row in rows:
        stages = row.run["stages"]
        assert isinstance(stages, dict)
        cells = [
            row.video,
            row.size,
            f"{row.run['tracks']}",
            row.engine if row.sr == "always" else "native crop",
            f"{row.run['throughput_fps']}",
        ]
        for stage in stages_shown:
            times = stages.get(stage)
            cells.append("–" if not times else "/".join(f"{times[f'p{p}_ms']:.1f}" for p in (50, 95, 99)))
        cells += [f"{row.peak_mb:.0f}", f"{row.run['first_result_s']}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
