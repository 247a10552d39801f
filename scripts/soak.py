"""Runs ``stream-mer serve`` for minutes against simulated RTSP cameras that fail, and judges what it did.

At every scrape of /metrics: captured = processed + dropped + in flight, for each camera. Afterwards:
growth of memory, threads and descriptors left over, time from a camera's return to its first result,
and percentiles of the time from capture to result.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import defaultdict
from pathlib import Path

import numpy as np
from prometheus_client.parser import text_string_to_metric_families
from soak_figures import Scrape, first_result_after, growth, never_back, process_figures, quantile

CAMERAS_PROGRAM = Path(__file__).resolve().parents[1] / "tests" / "capture" / "rtsp_cameras.py"
SCRAPE_S = 0.25
WARM_S = 180.0
"""The first minutes are not judged for growth: caches fill. Of shorter runs, the first half."""
PATIENCE_S = 30.0
"""A camera that is back for so long and has given no result is lost, not late."""
MOST_MB_H = 60.0
"""Growth beyond this, and beyond twice the slope's own uncertainty, is a leak. A ten-minute run cannot
tell less from memory's own ups and downs."""


def scrape(url: str) -> tuple[Scrape, dict[str, dict[str, float]]]:
    """Per camera the frame counts, and the buckets of its latency; ``dropped`` is summed over causes."""
    text = urllib.request.urlopen(f"{url}metrics", timeout=10).read().decode()
    counts: Scrape = defaultdict(lambda: defaultdict(float))
    latency: dict[str, dict[str, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            camera = sample.labels.get("camera", "")
            if sample.name.startswith("stream_mer_frames_") and sample.name.endswith(("_total", "_flight")):
                name = sample.name.removeprefix("stream_mer_frames_").removesuffix("_total")
                counts[camera][name] += sample.value
            elif sample.name == "stream_mer_stage_seconds_bucket" and sample.labels["stage"] == "latency":
                latency[camera][sample.labels["le"]] = sample.value
            elif sample.name == "stream_mer_overload_level":
                counts[""]["level"] = sample.value
    return counts, latency


def main() -> int:
    """Run, judge, print; 1 if a promise was broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("film", type=Path)
    for flag, default in (("--minutes", 10.0), ("--cameras", 4), ("--faults", 200)):
        parser.add_argument(flag, type=type(default), default=default)
    args = parser.parse_args()
    seconds = 60 * args.minutes
    flags = f"--cameras {args.cameras} --faults {args.faults} --seconds {seconds}".split()
    command = [sys.executable, str(CAMERAS_PROGRAM), str(args.film), *flags]
    cameras = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert cameras.stdout is not None
    urls = json.loads(cameras.stdout.readline())["urls"]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "cameras.toml"
        entries = [f'[[camera]]\nname = "{n}"\nsource = "{url}"\n' for n, url in enumerate(urls)]
        config.write_text('web = "127.0.0.1:0"\ndetector = "short"\n' + "".join(entries))
        serve = [sys.executable, "-m", "stream_mer", "serve", "--config", str(config)]
        service = subprocess.Popen(serve, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        try:
            return judge(service, cameras, seconds)
        finally:
            service.kill()
            cameras.kill()


def judge(service: subprocess.Popen[str], cameras: subprocess.Popen[str], seconds: float) -> int:
    """Watch both programs for so long."""
    print("go", file=cameras.stdin, flush=True)
    url = next(line.split()[1] for line in service.stderr or () if line.startswith("dashboard: "))
    faults: list[dict[str, float]] = []
    threading.Thread(target=lambda: list(service.stderr or ()), daemon=True).start()
    told = (json.loads(line) for line in cameras.stdout or ())
    threading.Thread(target=lambda: faults.extend(told), daemon=True).start()
    history: list[tuple[float, Scrape]] = []
    figures, broken, level = [], 0, 0.0
    end = time.monotonic() + seconds
    while history == [] or time.monotonic() < end:
        counts, latency = scrape(url)
        history.append(((at := time.monotonic()), counts))
        level = max(level, counts.pop("")["level"])
        for c in counts.values():
            broken += c["captured"] != c["processed"] + c["dropped"] + c["in_flight"]
        figures.append((at, *process_figures(service.pid)))
        time.sleep(SCRAPE_S)
    service.terminate()
    service.wait(60)
    return report(history, faults, figures, broken, level, latency)


def report(history, faults, figures, broken, level, latency) -> int:  # type: ignore[no-untyped-def]
    """Print the figures; 1 if a promise was broken."""
    table = np.array(figures)
    late = table[table[:, 0] > table[0, 0] + min(WARM_S, (table[-1, 0] - table[0, 0]) / 2)]
    slope, error = growth((late[:, 0] - late[0, 0]) / 3600, late[:, 1])
    all_returns = [first_result_after(history, f"{fault['camera']:.0f}", fault["back"]) for fault in faults]
    returns = [r for r in all_returns if r is not None] or [float("nan")]
    half, p95 = np.median(returns), float(np.percentile(returns, 95))
    print(f"scrapes {len(history)}, equation broken {broken} times, highest overload level {level:.0f}")
    for name, c in sorted(history[-1][1].items()):
        shares = "/".join(f"{quantile(latency[name], q) * 1e3:.0f}" for q in (0.5, 0.95, 0.99))
        counted = ", ".join(f"{key} {value:.0f}" for key, value in sorted(c.items()))
        print(f"camera {name}: {counted}; capture to result p50/p95/p99 {shares} ms")
    minutes = (table[:, 0] - table[0, 0]) // 60
    course = "/".join(f"{np.median(table[minutes == m, 1]):.0f}" for m in np.unique(minutes))
    print(f"memory {course} MB (median of each minute), {slope:+.0f} +- {error:.0f} MB/h after the warm-up")
    ends = [(int(np.median(part[:, 2])), int(np.median(part[:, 3]))) for part in (late[:20], late[-20:])]
    print(f"threads {ends[0][0]} -> {ends[1][0]}, descriptors {ends[0][1]} -> {ends[1][1]}")
    back, lost = sum(r is not None for r in all_returns), len(never_back(history, faults, PATIENCE_S))
    print(
        f"faults {len(faults)}, came back {back}, first result {half:.2f}/{p95:.2f} s (p50/p95), lost {lost}"
    )
    grows = slope > MOST_MB_H + 2 * error
    return int(
        grows
        or broken > 0
        or lost > 0
        or p95 > 3
        or ends[1][0] > ends[0][0] + 2
        or ends[1][1] > ends[0][1] + 4
    )


if __name__ == "__main__":
    raise SystemExit(main())
