"""``stream-mer demo``: a clip whose micro-expressions are known, through the whole product."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from time import perf_counter

from rich.console import Console
from rich.progress import track
from rich.table import Table

from stream_mer.app.console import console
from stream_mer.app.outputs import require_writable
from stream_mer.app.recorded import process
from stream_mer.config import Settings
from stream_mer.core.metrics import count_spotting, match_intervals
from stream_mer.sinks.event_log import read_events
from stream_mer.sinks.summary import write_text
from stream_mer.sinks.video import VideoWriter
from stream_mer.synth.demo import DEMO_CREDIT, DEMO_SPEC, demo_clip
from stream_mer.synth.spec import TrueEvent
from stream_mer.types import Event

CLIP = "demo.mp4"


def demo(out: Path, settings: Settings) -> int:
    """Make the clip, process it, print what was there and what was found."""
    started = perf_counter()
    require_writable(out)
    Console(stderr=True).print(f"Making a labelled clip ({DEMO_CREDIT}) ...")
    truth = make_demo_clip(out / CLIP)
    summary = process(out / CLIP, out, settings, progress=True)
    folder = out / Path(CLIP).stem
    found = read_events(folder / "events.jsonl")
    print_comparison(truth, found)
    engines = ", ".join(summary.engines)
    print(
        f"{summary.frames} frames at {summary.throughput_fps:g} fps with {engines}; "
        f"{perf_counter() - started:.0f} s in all"
    )
    for warning in summary.warnings:
        print(f"note: {warning}")
    picture = folder / "overlay.mp4" if settings.overlay else out / CLIP
    print(f"Look at {picture}; the events are in {folder / 'events.jsonl'}")
    return 0


def make_demo_clip(path: Path) -> tuple[TrueEvent, ...]:
    """Render and encode the demo clip to ``path``, its truth to ``<stem>.truth.json`` beside it."""
    plan, frames = demo_clip()
    writer = VideoWriter(path, DEMO_SPEC.width, DEMO_SPEC.height, fps_hint=DEMO_SPEC.fps, threads=0)
    try:
        quiet = not sys.stderr.isatty()
        steps = zip(frames, plan.pts_ns.tolist(), strict=True)
        bar = track(steps, "rendering", len(plan.pts_ns), console=Console(stderr=True), disable=quiet)
        for frame, pts_ns in bar:
            writer.write(frame.rgb, pts_ns)
    finally:
        writer.close()
    truth = {"credit": DEMO_CREDIT, "events": [asdict(e) for e in plan.events]}
    write_text(path.with_suffix(".truth.json"), json.dumps(truth, indent=2) + "\n", "the clip's truth")
    return plan.events


def print_comparison(truth: Sequence[TrueEvent], found: Sequence[Event]) -> None:
    """A table of true against found events, and the counts."""
    true_spans = [(e.onset_ns, e.offset_ns) for e in truth]
    found_spans = [(e.onset_ns, e.offset_ns) for e in found]
    pairs = {j: i for i, j in match_intervals(found_spans, true_spans)}
    table = Table(title="true and found micro-expressions (matched where IoU >= 0.5)")
    for column in ("true", "from - to, s", "found", "from - to, s", "probability"):
        table.add_column(column)
    rows: list[tuple[int, tuple[str, ...]]] = []
    for j, event in enumerate(truth):
        hit = found[pairs[j]] if j in pairs else None
        answer = (hit.label, _span(hit), f"{hit.probability:.2f}") if hit else ("[red]missed", "", "")
        rows.append((event.onset_ns, (event.label, _span(event), *answer)))
    for i, extra in enumerate(found):
        if i not in pairs.values():
            false = ("[yellow]–", "", f"[yellow]{extra.label}", _span(extra), f"{extra.probability:.2f}")
            rows.append((extra.onset_ns, false))
    for _, cells in sorted(rows, key=lambda row: row[0]):
        table.add_row(*cells)
    console().print(table)
    count = count_spotting(found_spans, true_spans)
    right = sum(truth[j].label == found[i].label for j, i in pairs.items())
    print(
        f"{count.tp} of {len(truth)} found, {count.fp} false, {right} of the {count.tp} with the right class "
        f"(F1 {count.f1:.2f})"
    )


def _span(event: TrueEvent | Event) -> str:
    return f"{event.onset_ns / 1e9:.3f} - {event.offset_ns / 1e9:.3f}"
