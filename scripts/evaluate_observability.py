"""``evaluate.py observability``: recall by duration and frame rate, as a table and a picture."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

import numpy as np

from stream_mer.app.material import LADDER_S, Material
from stream_mer.app.networks import pick_networks
from stream_mer.app.trial import WAYS, run_way, settings_of_way
from stream_mer.config import Settings
from stream_mer.core.windowing import duration_ladder, observable_rungs
from stream_mer.runtime.assets import AssetStore
from stream_mer.training.spotting_figures import draw_recall

FPS = (25.0, 30.0, 60.0, 120.0, 200.0)
AXES = ("frames a second", "duration of the event")
Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(kinds: Kinds) -> None:
    """Add the subcommand."""
    see = kinds.add_parser("observability", help="recall by duration and frame rate, as a picture")
    see.set_defaults(run=evaluate)
    see.add_argument("--data", type=Path, required=True, help="folder with faces/")
    see.add_argument("--cache", type=Path, required=True, help="folder that keeps what was watched")
    see.add_argument("--out", type=Path, required=True, help="folder for observability.md and .png")
    see.add_argument("--clips", type=int, default=20, help="events per duration and frame rate")
    see.add_argument("--classifier", default="auto")
    see.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")


def looked_for(duration_s: float, fps: float, settings: Settings) -> bool:
    """Whether any window laid at this frame rate is near enough to such an event to be counted as a hit."""
    ladder = duration_ladder(settings.min_duration_s, settings.max_duration_s)
    rungs = observable_rungs(ladder, 1e9 / fps, settings.max_duration_s * 1e9)
    return any(2 * min(d, 1e9 * duration_s) >= max(d, 1e9 * duration_s) for d in rungs)


def evaluate(args: argparse.Namespace) -> None:
    """Recall at the shipped threshold of clear events on native crops of validation people."""
    native = next(iter(WAYS))
    settings = Settings(engine="bicubic", classifier=args.classifier, assets=args.assets, threads=1)
    material = Material(args.data, args.cache, settings, AssetStore(args.assets))
    networks = pick_networks(settings_of_way(native, settings))
    threshold = networks.calibration.threshold
    there, found = (np.zeros((len(LADDER_S), len(FPS)), np.int64) for _ in range(2))
    for column, fps in enumerate(FPS):
        for trial in run_way(material.ladders("val", fps, args.clips), native, settings, networks):
            for event, truth in trial.matches(threshold):
                if truth is not None:
                    length = (truth.offset_ns - truth.onset_ns) / 1e9
                    rung = int(np.abs(np.array(LADDER_S) - length).argmin())
                    there[rung, column] += 1
                    found[rung, column] += event is not None
    shown = np.array([[looked_for(d, fps, settings) for fps in FPS] for d in LADDER_S])
    shares = np.where(shown, found / np.maximum(there, 1), np.nan)
    rows, columns = [f"{d * 1000:.0f} ms" for d in LADDER_S], [f"{fps:g}" for fps in FPS]
    args.out.mkdir(parents=True, exist_ok=True)
    title = f"recall of clear events (IoU >= 0.5), threshold {threshold:.3f}"
    draw_recall(args.out / "observability.png", shares, there, rows, columns, title, AXES)
    lines = [f"| duration | {' | '.join(c + ' fps' for c in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, values in zip(rows, shares, strict=True):
        cells = ["abstains" if np.isnan(v) else f"{v:.2f}" for v in values]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    unseen, hidden = int(found[~shown].sum()), int(there[~shown].sum())
    lines += [
        "",
        f"{int(there.sum())} events; {unseen} of {hidden} below what is looked for were found.",
    ]
    (args.out / "observability.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("\n".join(lines))
