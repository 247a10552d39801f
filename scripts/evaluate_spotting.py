"""``evaluate.py spotting``: real video with injected events, and synthetic clips, from one command."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import TypeAlias

from stream_mer.app.folds import run_folds
from stream_mer.app.material import Material, read_split
from stream_mer.app.networks import Networks, pick_networks
from stream_mer.app.spotting_report import (
    FLOW,
    clip_table,
    confusion_of,
    difference,
    real_table,
)
from stream_mer.app.trial import WAYS, Trial, count_trials, run_flow, run_way, settings_of_way
from stream_mer.app.watched import Watched
from stream_mer.config import Settings
from stream_mer.core.operating import THRESHOLDS, recall
from stream_mer.errors import ConfigError
from stream_mer.runtime.assets import AssetStore
from stream_mer.training.spotting_figures import Curve, draw_confusion, draw_operating_curves

FPS = (30.0, 60.0, 120.0, 200.0)
NATIVE, BICUBIC, SR = WAYS
SMALL_PX = 64.0
LOOKS = "final-looks.md"
"""Beside the split: every evaluation of the final half leaves a line there."""
Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(kinds: Kinds) -> None:
    """Add the subcommand."""
    spot = kinds.add_parser("spotting", help="real video with injected events, and synthetic clips")
    spot.set_defaults(run=evaluate)
    spot.add_argument("--data", type=Path, required=True, help="folder with faces/ and videos/")
    spot.add_argument("--cache", type=Path, required=True, help="folder that keeps what was watched")
    spot.add_argument("--out", type=Path, required=True, help="folder for spotting.md and the pictures")
    spot.add_argument(
        "--part", choices=("tune", "final"), help="half of the real videos; neither unless said"
    )
    spot.add_argument("--folds", type=Path, help="engines trained without the people they judge; for 'tune'")
    spot.add_argument("--split", type=Path, default=Path("calibration/score/videos.toml"))
    spot.add_argument("--seeds", type=int, default=6, help="injections per video")
    spot.add_argument(
        "--clip-seconds", type=float, default=600.0, help="synthetic clips per frame rate; 0: none"
    )
    spot.add_argument("--engine", default="rrdb-light-x4", help="super-resolution engine of the SR rows")
    spot.add_argument("--classifier", default="auto")
    spot.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")


def evaluate(args: argparse.Namespace) -> None:
    """The pair that counts, and the clips; tables to stdout and a file, pictures beside it."""
    settings = Settings(engine=args.engine, classifier=args.classifier, assets=args.assets, threads=1)
    material = Material(args.data, args.cache, settings, AssetStore(args.assets))
    networks = {way: pick_networks(settings_of_way(way, settings)) for way in WAYS}
    threshold = networks[NATIVE].calibration.threshold
    args.out.mkdir(parents=True, exist_ok=True)
    parts = [f"Threshold {threshold:.4f}; IoU >= 0.5; 95 % intervals over people in brackets.", ""]
    if args.part:
        parts += real(args, material, settings, networks, threshold)
    if args.clip_seconds > 0:
        parts += clips(args, material, settings, networks, threshold)
    report = "\n".join(parts) + "\n"
    (args.out / "spotting.md").write_text(report, encoding="utf-8")
    print(report)


def real(
    args: argparse.Namespace,
    material: Material,
    settings: Settings,
    networks: dict[str, Networks],
    threshold: float,
) -> list[str]:
    """Real videos as they are and with injected events, in every way, beside the baseline."""
    people = read_split(args.split, args.part)
    if args.part == "tune" and args.folds is None:
        raise ConfigError(
            "the classifier was trained on the people of 'tune'.\n"
            "Give --folds: the folder with the networks that did not see them."
        )

    def judged(way: str, chosen: Sequence[int]) -> list[Trial]:
        if args.part == "tune":
            watch = partial(material.videos, seeds=chosen)
            return run_folds(watch, args.split, args.folds, way, settings, networks[way])
        return run_way(material.videos(people, chosen), way, settings, networks[way])

    if args.part == "final":
        with (args.split.parent / LOOKS).open("a", encoding="utf-8") as file:
            digest = networks[NATIVE].classifier.sha256[:12]
            file.write(
                f"- {datetime.now(timezone.utc):%Y-%m-%d %H:%M} UTC: {digest}, threshold {threshold:.4f}\n"
            )
    seeds = range(1, args.seeds + 1)
    rows: dict[str, tuple[Sequence[Trial], Sequence[Trial]]] = {}
    for way in WAYS:
        rows[way] = judged(way, (0,)), judged(way, seeds)
    curves = {way: Curve(count_trials(t, THRESHOLDS), threshold) for way, (_, t) in rows.items()}
    rows[FLOW] = tuple(run_flow(material.videos(people, s), settings) for s in ((0,), seeds))  # type: ignore[assignment]
    curves[FLOW] = Curve(count_trials(rows[FLOW][1], THRESHOLDS))
    draw_operating_curves(args.out / f"curve-{args.part}.png", curves, f"real video, {args.part} half")
    draw_confusion(
        args.out / f"confusion-{args.part}.png", confusion_of(rows[NATIVE][1], threshold), "injected, native"
    )
    lines = [f"## Real video, {args.part} half", "", real_table(rows, threshold), ""]
    for one, other in ((SR, BICUBIC), (SR, NATIVE)):
        d, low, high = difference(rows[one][1], rows[other][1], recall, threshold)
        lines.append(f"Recall, {one} minus {other}: {d:+.3f} [{low:+.3f}, {high:+.3f}]")
    plain = rows[NATIVE][0]
    covered = sum(t.coverage * t.minutes for t in plain) / sum(t.minutes for t in plain)
    minutes = sum(t.minutes for t in plain)
    return [*lines, f"{minutes:.2f} minutes of {len(people)} people, {covered:.0%} of it classified.", ""]


def clips(
    args: argparse.Namespace,
    material: Material,
    settings: Settings,
    networks: dict[str, Networks],
    threshold: float,
) -> list[str]:
    """Synthetic clips of validation people."""
    rows: dict[str, list[Trial]] = {}
    hits: list[Trial] = []
    for fps in FPS:
        for way in WAYS:
            widths: list[float] = []
            watched = _noting(material.clips("val", fps, args.clip_seconds), widths)
            trials = run_way(watched, way, settings, networks[way])
            rows[f"{fps:g} fps, {way}"] = trials
            small = [t for t, w in zip(trials, widths, strict=True) if w <= SMALL_PX]
            rows.setdefault(f"faces <= {SMALL_PX:g} px, {way}", []).extend(small)
            rows.setdefault(f"all, {way}", []).extend(trials)
            hits += trials if way == NATIVE else []
    draw_confusion(
        args.out / "confusion-clips.png", confusion_of(hits, threshold), "validation clips, native"
    )
    return ["## Synthetic clips of validation people", "", clip_table(rows, threshold), ""]


def _noting(clips: Iterable[Watched], widths: list[float]) -> Iterator[Watched]:
    """The clips, one at a time in memory; the mean width of each one's face goes into ``widths``."""
    for clip in clips:
        faces = [c.track.face_px for item in clip.frames for c in item.crops]
        widths.append(sum(faces) / len(faces) if faces else 0.0)
        yield clip
