"""``stream-mer bench --hours``: does memory stay the same however long a recording is?"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from stream_mer.errors import StageError
from stream_mer.sinks.loop import repeat
from stream_mer.sinks.summary import write_text


def bench_long(video: Path, hours: float, segment_s: float, out: Path | None) -> int:
    """Process a recording of so many hours, made of ``video`` repeated, and print memory over time.

    ``out`` is a Markdown file that gets the same text.

    Raises:
        OutputError: the recording cannot be made.
        StageError: the run failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        film = Path(folder) / "long.mkv"
        repeat(video, hours * 3600, film)
        print(f"{film.stat().st_size / 1e6:.0f} MB, {hours:g} h of {video.name}", file=sys.stderr)
        command = [
            *(sys.executable, "-m", "stream_mer", "process", str(film), "--out", f"{folder}/out"),
            *("--no-overlay", "--segment", f"{segment_s:g}"),
        ]
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        rows: list[tuple[float, float, int]] = []
        began = time.monotonic()
        assert child.stderr is not None
        frames = 0
        for line in child.stderr:
            found = re.search(r"(\d+) frames?", line)
            frames = int(found[1]) if found else frames
            megabytes = _resident_mb(child.pid)
            if found and megabytes is not None:
                rows.append((time.monotonic() - began, megabytes, frames))
        told = child.communicate()[0]
    if child.returncode != 0 or not rows:
        raise StageError(
            f"the run on {video.name} repeated failed (exit code {child.returncode}).\n{told[-300:]}"
        )
    text = f"{_markdown(rows)}\n\n{told.strip()}\n"
    print(text)
    if out is not None:
        write_text(out, text, "the table")
    return 0


def _markdown(rows: list[tuple[float, float, int]]) -> str:
    """Ten rows over the run, then the slope of memory over frames in its last three quarters."""
    lines = ["| after s | frames | resident MB |", "|---|---|---|"]
    picked = sorted({round(n) for n in np.linspace(0, len(rows) - 1, 10)})
    lines += [f"| {rows[n][0]:.0f} | {rows[n][2]} | {rows[n][1]:.0f} |" for n in picked]
    late = np.array(rows[len(rows) // 4 :])
    if len(late) > 2 and np.ptp(late[:, 2]) > 0:
        slope = np.polyfit(late[:, 2], late[:, 1], 1)[0] * 1e5
        lines += ["", f"growth over the last three quarters: {slope:+.1f} MB per 100,000 frames"]
    return "\n".join(lines)


def _resident_mb(pid: int) -> float | None:
    """Resident memory of a process, MB; None where the system does not tell or the process is gone."""
    try:
        text = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return None
    found = re.search(r"VmRSS:\s+(\d+) kB", text)
    return int(found[1]) / 1024 if found else None
