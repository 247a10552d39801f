"""What ``soak.py`` computes from what it has watched."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

ArrayF64 = NDArray[np.float64]
Scrape = dict[str, dict[str, float]]


def quantile(buckets: dict[str, float], share: float) -> float:
    """Upper estimate of a quantile from cumulative buckets, s, linear inside a bucket."""
    bounds = sorted((float(le), count) for le, count in buckets.items())
    wanted, below, start = share * bounds[-1][1], 0.0, 0.0
    for bound, count in bounds:
        if count >= wanted:
            return start + (bound - start) * (wanted - below) / max(1.0, count - below)
        below, start = count, bound
    return start


def process_figures(pid: int) -> tuple[float, int, int]:
    """Resident MB, threads and open descriptors of a process (Linux)."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    descriptors = len(list(Path(f"/proc/{pid}/fd").iterdir()))
    return int(status["VmRSS"].split()[0]) / 1024, int(status["Threads"]), descriptors


def growth(hours: ArrayF64, megabytes: ArrayF64) -> tuple[float, float]:
    """Slope in MB/h and its standard error, from the median of each minute.

    Scrapes follow one another so closely that they would pretend to a certainty nobody has; and the
    service hands freed memory back once a minute.
    """
    minute = (hours * 60).astype(int)
    at = np.array([np.median(hours[minute == m]) for m in np.unique(minute)])
    size = np.array([np.median(megabytes[minute == m]) for m in np.unique(minute)])
    if len(at) < 4:
        return float(np.polyfit(hours, megabytes, 1)[0]), float("inf")
    (slope, _), spread = np.polyfit(at, size, 1, cov=True)
    return float(slope), float(np.sqrt(spread[0, 0]))


def first_result_after(history: list[tuple[float, Scrape]], camera: str, back: float) -> float | None:
    """Time from a camera's return to its next result as seen by the scrapes; None if the run ended."""
    before = [c[camera]["processed"] for at, c in history if at <= back]
    for at, counts in history:
        if at > back and before and counts[camera]["processed"] > before[-1]:
            return at - back
    return None


def never_back(
    history: list[tuple[float, Scrape]], faults: list[dict[str, float]], patience_s: float
) -> list[dict[str, float]]:
    """The faults after which a camera gave no result although ``patience_s`` or more were left."""
    end = history[-1][0]
    return [
        fault
        for fault in faults
        if end - fault["back"] >= patience_s
        and first_result_after(history, f"{fault['camera']:.0f}", fault["back"]) is None
    ]
