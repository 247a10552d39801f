"""``evaluate.py sr-auto``: native crop against LR + bicubic against LR + SR, by size of the face."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

import numpy as np

from stream_mer.app.material import Material
from stream_mer.app.networks import pick_networks
from stream_mer.app.trial import WAYS, count_trials, run_way, settings_of_way
from stream_mer.app.watched import Watched
from stream_mer.config import Settings
from stream_mer.core.operating import THRESHOLDS, CountTable, alarms, bootstrap, f1, recall, threshold_for
from stream_mer.errors import ConfigError, OutputError
from stream_mer.face.mediapipe import MediaPipeDetector
from stream_mer.runtime.assets import AssetStore
from stream_mer.training.sr_data import build_pack, kept_for_choosing, load_pack
from stream_mer.training.sr_evaluate import BASELINES, Upscaler
from stream_mer.training.sr_motion import Motion
from stream_mer.training.sr_sizes import motion_by_size

SIZES = (48.0, 64.0, 96.0, 160.0)
"""Face widths, px of the frame."""
ALARMS = 2.0
"""False events a minute at which recalls are compared; a way has one threshold, for all its sizes."""
FACES = 10
LEAST_PX = 24.0
"""The narrowest face that clips are made of (``synth.spec``)."""
Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"


def add(kinds: Kinds) -> None:
    """Add the subcommand."""
    sizes = kinds.add_parser("sr-auto", help="which faces should go through LR and SR")
    sizes.set_defaults(run=evaluate)
    sizes.add_argument("--data", type=Path, required=True, help="folder with faces/index.csv")
    sizes.add_argument("--cache", type=Path, required=True, help="folder for clips that were watched")
    sizes.add_argument("--out", type=Path, required=True, help="Markdown file")
    sizes.add_argument(
        "--pack", type=Path, help="cut training pictures of train_sr.py (default: in the cache)"
    )
    sizes.add_argument("--part", choices=("tune", "val"), default="tune", help="whose clips; rules use tune")
    sizes.add_argument("--engine", default="auto", help="super-resolution engine, by name")
    sizes.add_argument("--sizes", type=float, nargs="+", default=SIZES, help="face widths, px of the frame")
    sizes.add_argument("--fps", type=float, default=30.0)
    sizes.add_argument("--seconds", type=float, default=96.0, help="of clips for each size")
    sizes.add_argument("--assets", type=Path, help="folder with the MediaPipe models (default: fetched)")


def evaluate(args: argparse.Namespace) -> None:
    """Measure motion and spotting for every size and way; print and write the tables."""
    if min(args.sizes) < LEAST_PX:
        raise ConfigError(f"--sizes: faces are at least {LEAST_PX:g} px wide, not {min(args.sizes):g}")
    try:
        args.out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OutputError(f"{args.out}: cannot be written: {error.strerror}") from error
    store = AssetStore(args.assets)
    settings = Settings(engine=args.engine, assets=args.assets, threads=1)
    engine = pick_networks(settings_of_way("LR 32, SR", settings)).super_resolver.name
    parts = [f"SR is `{engine}`."]
    parts.append(_motion_lines(motion_by_size(_faces(args, store), tuple(args.sizes), _upscalers(settings))))
    _write(parts, args.out)  # the other half takes minutes
    material = Material(args.data, args.cache, settings, store)
    clips = {
        px: list(material.clips(args.part, args.fps, args.seconds, face_px=(px, px))) for px in args.sizes
    }
    parts.append(_spotting_lines({way: _count(way, clips, settings) for way in WAYS}, clips))
    _write(parts, args.out)


def _write(parts: list[str], file: Path) -> None:
    print(parts[-1], flush=True)
    file.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


def _faces(args: argparse.Namespace, store: AssetStore) -> np.ndarray:
    """One crop each of some training people that no engine was trained on."""
    folder = args.pack or args.cache / "sr-pack"
    if not (folder / "portraits.csv").exists():
        detector = MediaPipeDetector(store.path("face_detection_short_range.tflite"))
        build_pack(args.data / "faces", "train", folder, detector)
    pack = kept_for_choosing(load_pack(folder, "train"))
    first = {p.person: i for i, p in reversed(list(enumerate(pack.portraits)))}
    return np.ascontiguousarray(pack.hr()[sorted(first.values())[:FACES]])


def _upscalers(settings: Settings) -> dict[str, Upscaler]:
    """Bicubic and the chosen engine, as the product opens them."""
    engine = pick_networks(settings_of_way("LR 32, SR", settings)).open_super_resolver()
    return {
        "LR 32, bicubic": BASELINES["bicubic"],
        "LR 32, SR": lambda lr: np.asarray(engine.run(lr)[0], np.uint8),
    }


def _count(way: str, clips: dict[float, list[Watched]], settings: Settings) -> dict[float, CountTable]:
    networks = pick_networks(settings_of_way(way, settings))
    return {
        px: count_trials(run_way(watched, way, settings, networks), THRESHOLDS)
        for px, watched in clips.items()
    }


def _motion_lines(found: dict[float, dict[str, Motion]]) -> str:
    lines = [
        "| face px | shown | slope | floor, LR px | smallest, LR px | tOF, LR px |",
        "|---|---|---|---|---|---|",
    ]
    for px, rows in found.items():
        for way, m in rows.items():
            figures = f"{m.slope:.2f} | {m.floor:.3f} | {m.smallest:.3f} | {m.flow:.3f}"
            lines.append(f"| {px:.0f} | {way} | {figures} |")
    return "\n".join(lines)


def _spotting_lines(tables: dict[str, dict[float, CountTable]], clips: dict[float, list[Watched]]) -> str:
    lines = [
        f"| face px | shown | recall at {ALARMS:g}/min | 95 % | false/min | F1 there | best F1 | events |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for px, watched in clips.items():
        events = sum(len(w.truth) for w in watched)
        for way, by_size in tables.items():
            table = by_size[px]
            at = table.at(threshold_for(_pooled(list(by_size.values())), ALARMS))
            low, high = bootstrap(table, recall)[:, at]
            figures = f"{recall(table)[at]:.2f} | {low:.2f}-{high:.2f} | {alarms(table)[at]:.1f}"
            scores = f"{f1(table)[at]:.2f} | {np.nanmax(f1(table)):.2f}"
            lines.append(f"| {px:.0f} | {way} | {figures} | {scores} | {events} |")
    return "\n".join(lines)


def _pooled(tables: list[CountTable]) -> CountTable:
    return CountTable(
        THRESHOLDS,
        np.concatenate([t.counts for t in tables]),
        np.concatenate([t.minutes for t in tables]),
        tuple(p for t in tables for p in t.people),
    )
