"""``make_windows.py clips``: windows of synthetic clips of portraits."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TypeAlias

import numpy as np
from window_studio import (
    Studio,
    drawn_smile,
    h264,
    open_studio,
    people_of,
    picture,
    read_training_smiles,
    settings_of,
)

from stream_mer.core.splits import aside
from stream_mer.core.windowing import FRAMES_PER_EVENT
from stream_mer.synth.clip import Clip, render_clip
from stream_mer.synth.hands import cover, draw_hands
from stream_mer.synth.mesh import fit_mesh
from stream_mer.synth.pulse import Version
from stream_mer.synth.spec import ClipSpec, DistractorRates
from stream_mer.training import clf_data as data
from stream_mer.training.clf_measure import measure
from stream_mer.training.clf_pack import Origin, WindowPack, add_strip
from stream_mer.types import ArrayF64, Frame

Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
SEEDS = {"train": 10_000_000, "choose": 20_000_000, "val": 30_000_000, "hands": 40_000_000}
"""First seed of each part's clips; ``hands`` are more training clips, with hands before the faces."""
TRAINS = ("train", "hands")
"""Parts whose windows train."""
PACK = 25
"""Clips a file."""
MIN_FACE_SCORE = 0.9
HANDS_RATE = 45.0
"""Visits of a hand a minute in the clips of ``hands``."""


def add(kinds: Kinds) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = kinds.add_parser("clips", help="synthetic clips of portraits")
    parser.add_argument("--parts", nargs="+", default=list(SEEDS), choices=list(SEEDS))
    parser.set_defaults(run=make)
    return parser


def make(args: argparse.Namespace) -> None:
    """Write the packs that are missing."""
    studio, config = open_studio(args.assets), settings_of(args.config)["clips"]
    smiles = read_training_smiles(args.smiles, args.assets) if args.smiles else []
    for part in args.parts:
        rows, count = people(args.data, part), config.get(part, 0)
        for first in range(0, count, PACK):
            file, pack = args.out / f"{part}_{first:05d}.npz", WindowPack()
            if file.exists():
                continue
            for number in range(first, min(first + PACK, count)):
                rng = np.random.default_rng([SEEDS[part], number, config["seed"]])
                row = rows[int(rng.integers(len(rows)))]
                smile = drawn_smile(smiles, SEEDS[part], number) if part in TRAINS else None
                add_clip(pack, studio, args.data / row["path"], row["person"], part, number, rng, smile)
            pack.save(file)
            print(part, first, len(pack.raw), flush=True)


def people(folder: Path, part: str) -> list[dict[str, str]]:
    """Portraits of a part; ``choose`` are 15 % of the training people, drawn by name."""
    training = part in TRAINS
    wanted = [r for r in people_of(folder) if (r["split"] == "val") == (part == "val")]
    if part != "val":
        wanted = [r for r in wanted if aside(r["person"]) == (part == "choose")]
    return [r for r in wanted if training or r["source"] != "sfhq"]


def draw_spec(rng: np.random.Generator, version: Version) -> ClipSpec:
    """A clip's settings: frame rate, face size, motion, noise, lost and repeated frames."""
    fps = float(rng.choice([25, 30, 60, 120, 200, 240], p=[0.22, 0.3, 0.2, 0.13, 0.1, 0.05]))
    face_px = float(np.exp(rng.uniform(np.log(48), np.log(160))))
    side = int(face_px * rng.uniform(2.0, 2.8)) // 2 * 2
    shortest = max(0.04, 2.2 / fps) if rng.random() < 0.85 else 0.04
    return ClipSpec(
        duration_s=3.0 if fps < 100 else 1.6, fps=fps, width=side, height=side, face_px=face_px,
        event_rate=100 if fps < 100 else 150,
        event_durations_s=(shortest, 0.2) if rng.random() < 0.8 else (0.2, 0.45), event_peaks=(0.003, 0.03),
        rates=DistractorRates(25, 20, 8, 5, 8, 6),
        head_speed=float(np.exp(rng.uniform(np.log(0.03), np.log(0.4)))),
        shot_noise=float(rng.uniform(0, 0.06)), read_noise=float(rng.uniform(0.3, 2.5)),
        flicker=float(rng.choice([0, 0.003, 0.01])), drop_rate=0.02 if rng.random() < 0.15 else 0.0,
        repeat_rate=float(rng.uniform(0.03, 0.3)) if rng.random() < 0.2 else 0.0, version=version,
    )  # fmt: skip


def spans_of(clip: Clip) -> tuple[list[data.Span], list[data.Span]]:
    """The events of a clip, and what else happens: events that too few pictures show are unclear."""
    events: list[data.Span] = []
    others = [data.Span(d.onset_ns, d.offset_ns, d.kind) for d in clip.distractors]
    for e, frames in zip(clip.events, clip.shown, strict=True):
        if frames >= FRAMES_PER_EVENT:
            events.append(data.Span(e.onset_ns, e.offset_ns, e.label, e.apex_ns, e.peak))
        else:
            others.append(data.Span(e.onset_ns, e.offset_ns, data.UNCLEAR))
    return events, others


def add_clip(
    pack: WindowPack,
    studio: Studio,
    portrait_file: Path,
    person: str,
    part: str,
    number: int,
    rng: np.random.Generator,
    smile: ArrayF64 | None,
) -> None:
    """Render one clip and put its windows into the pack; a portrait without a clear face gives none."""
    portrait = picture(portrait_file)
    found = studio.detector.detect(portrait)
    if len(found) != 1:
        return
    mesh, score = fit_mesh(portrait, found[0].keypoints, studio.mesh)
    if score < MIN_FACE_SCORE:
        return
    seed, spec = SEEDS[part] + number, draw_spec(rng, "train" if part in TRAINS else "test")
    clip = render_clip(portrait, mesh, spec, seed, smile)
    events, others = spans_of(clip)
    frames = clip.frames
    if part == "hands":
        clear = [(e.onset_ns / 1e9, e.offset_ns / 1e9) for e in clip.events]
        visits = draw_hands(seed, spec.duration_s, HANDS_RATE, avoid_s=clear)
        others = [data.Span(round(v.onset_s * 1e9), round(v.offset_s * 1e9), "hand") for v in visits] + others
        shown = zip(frames, clip.pts_ns, clip.meshes, strict=True)
        frames = np.stack([cover(f, t / 1e9, m.astype(np.float64), visits) for f, t, m in shown])
    frames = h264(frames, int(rng.integers(18, 31))) if rng.random() < 0.5 else frames
    film = (Frame(i, int(t), f) for i, (t, f) in enumerate(zip(clip.pts_ns, frames, strict=True)))
    origin = Origin(f"{part}{number}", person, "train" if part in TRAINS else part, False, spec.fps)
    for strip in data.face_strips(film, studio.detector):
        items = data.hypotheses(strip.pts_ns, events, others, data.drawn_durations(rng))
        chosen = data.choose(items, data.Budget(4, 3, 5, 6), rng)
        for path in ("native", "sr" if number % 3 == 2 else "lr"):
            kept = [h for h in chosen if h.target != data.NONE or rng.random() < 0.6]
            add_strip(pack, origin, strip, kept, events, measure, {path: studio.paths[path]})
