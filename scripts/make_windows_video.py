"""``make_windows.py video``: windows of real video, as it is and with events injected into its frames.

Nothing in the videos is labelled, so every window without an injected event counts as 'none'. Events are
put into the frames before anything looks at them, so registration meets them as it would meet real ones.
"""

from __future__ import annotations

import argparse
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import numpy as np
from window_studio import (
    Studio,
    drawn_smile,
    h264,
    open_studio,
    read_training_smiles,
    resized,
    settings_of,
)

from stream_mer.app.injection import MeshFollower, clear_events, whole_face
from stream_mer.app.material import read_split
from stream_mer.capture.pyav import PyAvSource
from stream_mer.core.windowing import duration_ladder
from stream_mer.synth.hands import cover, draw_hands
from stream_mer.synth.inject import Injector, draw_injections, injected
from stream_mer.synth.pulse import Version
from stream_mer.training import clf_data as data
from stream_mer.training.clf_measure import measure
from stream_mer.training.clf_pack import Origin, WindowPack, add_strip
from stream_mer.types import ArrayF64, Frame

Kinds: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
VERSION: Version = "train"
"""Warps and pulses that judge are of the other version."""
EVENT_RATE = 60.0
KEPT = 0.6
"""Share of a video's quiet windows that each path keeps."""
SIZES = (0.5, 1.4)
"""What passes do to a video's size, log-uniform."""
TEMPO = (0.8, 1.25)
"""... and how much slower or faster they play it."""
HANDS_RATE = 20.0
"""Visits of a hand a minute, in every third pass."""
SMILES = 13
"""Key of the draw of a smile, apart from all others of a pass."""
REST_RATE = 8.0
"""Quiet windows a second of an injected pass."""


def add(kinds: Kinds) -> argparse.ArgumentParser:
    """Add the subcommand."""
    parser = kinds.add_parser("video", help="real video, as it is and with injected events")
    parser.add_argument("--split", type=Path, default=Path("calibration/score/videos.toml"))
    parser.set_defaults(run=make)
    return parser


def make(args: argparse.Namespace) -> None:
    """Write the packs that are missing; only the tuning half of the videos is ever opened here."""
    studio, config = open_studio(args.assets), settings_of(args.config)["videos"]
    smiles = read_training_smiles(args.smiles, args.assets) if args.smiles else []
    for person, names in read_split(args.split, "tune").items():
        for name in names:
            turns = range(-1, config["passes"])
            files = {turn: args.out / f"real_{Path(name).stem}_{turn + 1:02d}.npz" for turn in turns}
            if all(file.exists() for file in files.values()):
                continue
            film = read(args.data / name, studio)
            for turn, file in files.items():
                if not file.exists():
                    pack = WindowPack()
                    add_pass(pack, film, studio, person, turn, config["seed"], smiles)
                    pack.save(file)
                    print(file.name, len(pack.raw), flush=True)


@dataclass(frozen=True, slots=True)
class Film:
    """A whole video in memory, with the mesh of its strongest face in every frame that has one."""

    name: str
    frames: list[Frame]
    meshes: list[ArrayF64 | None]

    @property
    def fps(self) -> float:
        """Frames a second, from the median distance."""
        return float(1e9 / np.median(np.diff([f.pts_ns for f in self.frames])))


def read(file: Path, studio: Studio) -> Film:
    """Decode a video and follow its face."""
    frames = list(PyAvSource(file))
    follower = MeshFollower(studio.detector, studio.mesh)
    return Film(file.name, frames, [follower.mesh(frame) for frame in frames])


def variant(film: Film, size: float, tempo: float) -> Film:
    """The film at another size and another speed."""
    if size == tempo == 1.0:
        return film
    frames = [replace(f, pts_ns=round(f.pts_ns * tempo), rgb=resized(f.rgb, size)) for f in film.frames]
    (high, wide), (tall, broad) = frames[0].rgb.shape[:2], film.frames[0].rgb.shape[:2]
    ratio = np.array([wide / broad, high / tall, wide / broad])
    return Film(film.name, frames, [None if m is None else m * ratio[: m.shape[1]] for m in film.meshes])


def inject(
    film: Film, seed: int, band: tuple[float, float], smile: ArrayF64 | None
) -> tuple[Film, list[data.Span], list[data.Span]]:
    """The film with events in it, what they are, and when something shows that nobody can be sure of."""
    seconds = (film.frames[-1].pts_ns - film.frames[0].pts_ns) / 1e9
    drawn = draw_injections(seed, seconds, EVENT_RATE, durations_s=band, peaks=(0.004, 0.03), version=VERSION)
    times, there = np.array([f.pts_ns for f in film.frames]), [m is not None for m in film.meshes]
    spans_ns = [(round(e.onset_s * 1e9), round((e.onset_s + e.duration_s) * 1e9)) for e in drawn]
    faces = [e for e, span in zip(drawn, spans_ns, strict=True) if whole_face(times, there, span)]
    injector = Injector(faces, seed, VERSION, smile=smile)
    pairs = list(injected(zip(film.frames, film.meshes, strict=True), injector))
    shown = injector.shown([taken_ns for _, taken_ns in pairs if taken_ns is not None])
    clear = clear_events(shown, [(frame.pts_ns, taken_ns) for frame, taken_ns in pairs])
    spans = [data.Span(e.onset_ns, e.offset_ns, e.label, e.apex_ns, e.peak) for e in clear]
    unclear = [data.Span(e.onset_ns, e.offset_ns, data.UNCLEAR) for e in shown if e not in clear]
    return replace(film, frames=[frame for frame, _ in pairs]), spans, unclear


def with_hands(film: Film, seed: int, events: Sequence[data.Span]) -> tuple[Film, list[data.Span]]:
    """The film with hands before the face now and then, never over an event, and when."""
    clear = [(e.onset_ns / 1e9, e.offset_ns / 1e9) for e in events]
    visits = draw_hands(seed, film.frames[-1].pts_ns / 1e9, HANDS_RATE, avoid_s=clear)
    frames = [
        f if mesh is None else replace(f, rgb=cover(f.rgb, f.pts_ns / 1e9, mesh, visits))
        for f, mesh in zip(film.frames, film.meshes, strict=True)
    ]
    spans = [data.Span(round(v.onset_s * 1e9), round(v.offset_s * 1e9), "hand") for v in visits]
    return replace(film, frames=frames), spans


def through_codec(film: Film, crf: int) -> Film:
    """The film after H.264."""
    coded = h264(np.stack([f.rgb for f in film.frames]), crf)
    return replace(film, frames=[replace(f, rgb=rgb) for f, rgb in zip(film.frames, coded, strict=True)])


def add_pass(
    pack: WindowPack,
    film: Film,
    studio: Studio,
    person: str,
    turn: int,
    base_seed: int,
    smiles: Sequence[ArrayF64 | None],
) -> None:
    """One run over a video: as it is (``turn`` -1), or varied, and with events of its own."""
    seed = int(hashlib.sha256(f"{film.name} {turn} {base_seed}".encode()).hexdigest()[:8], 16)
    rng, quiet = np.random.default_rng(seed), turn < 0
    events: list[data.Span] = []
    others: list[data.Span] = []
    if not quiet:
        film = variant(film, *(float(np.exp(rng.uniform(*np.log(span)))) for span in (SIZES, TEMPO)))
    origin = Origin(film.name if quiet else f"{film.name}@{turn}", person, "train", True, film.fps)
    if not quiet:
        band = (max(0.04, 2.2 / film.fps), 0.2) if turn % 5 else (0.2, 0.45)
        film, events, others = inject(film, seed, band, drawn_smile(smiles, seed, SMILES))
        if turn % 3 == 1:
            film, hands = with_hands(film, seed, events)
            others += hands
        if rng.random() < 0.6:
            film = through_codec(film, int(rng.integers(18, 31)))
    ladder = duration_ladder(0.04, 0.2)
    longer = (*ladder, *(round(1.25 * d) for d in ladder))
    for strip in data.face_strips(film.frames, studio.detector):
        lengths = longer if quiet else data.drawn_durations(rng)
        items = list(data.hypotheses(strip.pts_ns, events, others, lengths))
        if not quiet:
            rest = round(REST_RATE * (strip.pts_ns[-1] - strip.pts_ns[0]) / 1e9)
            items = data.choose(items, data.Budget(4, 3, rest // 2, rest), rng)
        paths = ("native", "lr", "sr") if quiet else ("native", "sr" if turn % 3 == 2 else "lr")
        for path in paths:
            kept = [h for h in items if rng.random() < KEPT] if quiet else items
            add_strip(pack, origin, strip, kept, events, measure, {path: studio.paths[path]})
