"""Training pictures for super-resolution: portraits cut once into canonical HR crops.

Cutting is slow (a detector and a sub-pixel warp per picture), training is long: so every portrait is
cut a few times with random small similarities into one ``pictures.npy``, and what is cheap (shift,
mirror, gain, gamma, the degradation itself) is drawn anew at every step, by ``sr_batch``.
"""

from __future__ import annotations

import csv
import hashlib
import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from math import cos, radians, sin
from pathlib import Path

import cv2
import numpy as np

from stream_mer.core.geometry import ANCHORS, pose_from_keypoints
from stream_mer.core.warp import sample
from stream_mer.errors import ConfigError, OutputError
from stream_mer.protocols import FaceDetector
from stream_mer.types import HR_SIZE, Detection, ImageU8, Similarity

log = logging.getLogger(__name__)

MARGIN = 8
"""Canonical px around the HR crop kept in a pack, so that shifts of up to this much cost nothing."""
PACK_SIZE = HR_SIZE + 2 * MARGIN
HELD_OUT_EVERY = 20
"""One training person in this many is kept for choosing models (never the validation people)."""
CROPS_EACH: Mapping[str, int] = {"london": 10, "canada": 10, "*": 4}
"""Varied crops per training portrait; more of the large pictures, which lose nothing by it."""
MIN_SCORE = 0.7
MAX_MISFIT_PX = 6.0
"""Largest rms distance of the four key points from their canonical places; profiles exceed it."""
MIN_SCALE = 0.8
"""Fewest portrait px per canonical px; below it the 'HR' crop would be an enlargement."""


@dataclass(frozen=True, slots=True)
class Portrait:
    """One line of ``index.csv``."""

    path: str
    person: str
    source: str
    split: str


@dataclass(frozen=True, slots=True)
class Pack:
    """HR crops of one split in memory (or mapped): ``pictures`` ``(M, S, S, 3)`` uint8, S >= 128."""

    pictures: ImageU8
    portraits: tuple[Portrait, ...]

    def __post_init__(self) -> None:
        if len(self.pictures) != len(self.portraits):
            raise ValueError(f"{len(self.pictures)} pictures but {len(self.portraits)} portraits")

    def select(self, keep: Callable[[Portrait], bool]) -> Pack:
        """The part of the pack whose portraits satisfy ``keep``."""
        chosen = [i for i, p in enumerate(self.portraits) if keep(p)]
        return Pack(self.pictures[chosen], tuple(self.portraits[i] for i in chosen))

    def hr(self) -> ImageU8:
        """The central 128x128 of every picture."""
        m = (self.pictures.shape[1] - HR_SIZE) // 2
        return self.pictures[:, m : m + HR_SIZE, m : m + HR_SIZE]


def read_index(faces: Path, split: str) -> list[Portrait]:
    """Portraits of ``split`` (``train`` or ``val``) listed in ``faces/index.csv``.

    Raises:
        ConfigError: there is no index there, it lacks a column, it has no such split, or somebody is in two.
    """
    index = faces / "index.csv"
    if not index.is_file():
        raise ConfigError(
            f"no portraits at {faces}: index.csv is missing\nGive the folder that holds index.csv."
        )
    everybody = _read_portraits(index)
    rows = [one for one in everybody if one.split == split]
    if not rows:
        raise ConfigError(f"{index} lists no portrait of split {split!r}")
    both = {one.person for one in rows} & {one.person for one in everybody if one.split != split}
    if both:
        raise ConfigError(
            f"{index}: {min(both)} is in split {split!r} and in another\nA person's pictures belong into one."
        )
    return rows


def held_out(person: str) -> bool:
    """Whether a training person is kept for choosing models; a digest, so it never changes."""
    return int(hashlib.sha256(person.encode()).hexdigest(), 16) % HELD_OUT_EVERY == 0


def kept_for_choosing(pack: Pack) -> Pack:
    """Of a pack the real people that no network is trained on (``held_out``), every portrait's exact crop.

    Raises:
        ConfigError: there is none of them.
    """
    kept = [i for i, p in enumerate(pack.portraits) if held_out(p.person) and p.source != "sfhq"]
    first = {pack.portraits[i].path: i for i in reversed(kept)}  # the first variant, see build_pack
    if not first:
        raise ConfigError(
            "nobody in the pack is held out to measure on\n"
            "One real person in 20 is, by a digest of the name; give portraits of more people."
        )
    places = sorted(first.values())
    return Pack(pack.pictures[places], tuple(pack.portraits[i] for i in places))


def frontal_pose(detections: Iterable[Detection]) -> Similarity | None:
    """Pose of the one confident, frontal, large enough face, or None if there is not exactly one."""
    confident = [d for d in detections if d.score >= MIN_SCORE]
    if len(confident) != 1:
        return None
    keypoints = confident[0].keypoints[:4]
    pose = pose_from_keypoints(confident[0].keypoints)
    misfit = np.sqrt((((pose.apply(ANCHORS) - keypoints) ** 2).sum(1)).mean()) / pose.scale
    return pose if misfit <= MAX_MISFIT_PX and pose.scale >= MIN_SCALE else None


def vary_pose(pose: Similarity, rng: np.random.Generator) -> Similarity:
    """``pose`` after a random turn (±8°) and scale (0.9-1.15) about the centre of the crop."""
    turn, scale = radians(rng.uniform(-8, 8)), 1 / rng.uniform(0.9, 1.15)
    return _about_centre(pose, scale * cos(turn), scale * sin(turn))


def cut(rgb: ImageU8, pose: Similarity) -> ImageU8:
    """The canonical HR crop with ``MARGIN`` px more on each side: ``(144, 144, 3)`` uint8."""
    return sample(rgb, _about_centre(pose, PACK_SIZE / HR_SIZE, 0.0), PACK_SIZE)


def read_rgb(path: Path) -> ImageU8:
    """A picture file as RGB uint8.

    Raises:
        ConfigError: missing, or not a picture.
    """
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ConfigError(f"{path}: not a readable picture, though the index lists it")
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)


def build_pack(
    faces: Path,
    split: str,
    out: Path,
    detector: FaceDetector,
    variants: Mapping[str, int] = CROPS_EACH,
    seed: int = 0,
) -> Pack:
    """Cut every usable portrait of a split and write ``out/pictures.npy`` and ``out/portraits.csv``.

    The first variant of a portrait is the exact canonical crop, the others are varied. Portraits
    without exactly one confident frontal face are left out (and counted in the log).

    Args:
        faces: folder with ``index.csv``.
        split: ``train`` or ``val``.
        out: folder to write; outside the repository, since it shows people.
        detector: any face detector.
        variants: crops per portrait by source; ``"*"`` for the rest. Validation takes one each.
        seed: of the random similarities.

    Raises:
        ConfigError: the index is wrong (``read_index``), or no portrait is usable.
        OutputError: the pack cannot be written.
    """
    rng = np.random.default_rng(seed)
    pictures: list[ImageU8] = []
    kept: list[Portrait] = []
    dropped = 0
    for portrait in read_index(faces, split):
        rgb = read_rgb(faces / portrait.path)
        pose = frontal_pose(detector.detect(rgb))
        if pose is None:
            dropped += 1
            continue
        for k in range(1 if split == "val" else variants.get(portrait.source, variants["*"])):
            pictures.append(cut(rgb, pose if k == 0 else vary_pose(pose, rng)))
            kept.append(portrait)
    log.info("%s: %d crops of %d portraits, %d left out", split, len(kept), len(set(kept)), dropped)
    if not kept:
        raise ConfigError(f"{faces}: none of {dropped} portraits of split {split!r} shows one frontal face")
    try:
        out.mkdir(parents=True, exist_ok=True)
        np.save(out / "pictures.npy", np.stack(pictures))
        with (out / "portraits.csv").open("w", newline="", encoding="utf-8") as lines:
            writer = csv.writer(lines)
            writer.writerow(["path", "person", "source", "split"])
            writer.writerows([p.path, p.person, p.source, p.split] for p in kept)
    except OSError as error:
        raise OutputError(f"{out}: cut pictures cannot be written: {error.strerror}") from error
    return load_pack(out, split)


def load_pack(folder: Path, split: str) -> Pack:
    """Read what ``build_pack`` wrote of ``split``; the pictures stay on disk until they are used.

    Raises:
        ConfigError: there is no whole pack, or it has people of another split.
    """
    portraits = tuple(_read_portraits(folder / "portraits.csv"))
    others = {one.split for one in portraits} - {split}
    if others:
        raise ConfigError(
            f"{folder} holds cut pictures of split {min(others)!r}, not {split!r} alone\nGive another folder."
        )
    try:
        return Pack(np.load(folder / "pictures.npy", mmap_mode="r"), portraits)
    except (OSError, ValueError) as error:
        raise ConfigError(f"{folder}: not a whole pack ({error})\nDelete it; it is cut anew.") from error


def _read_portraits(file: Path) -> list[Portrait]:
    """The rows of ``index.csv`` or ``portraits.csv``."""
    try:
        with file.open(newline="", encoding="utf-8") as lines:
            return [
                Portrait(row["path"], row["person"], row["source"], row["split"])
                for row in csv.DictReader(lines)
            ]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{file} cannot be read: {error}") from error
    except KeyError as error:
        raise ConfigError(f"{file} lacks {error}; path, person, source, split are needed") from None


def _about_centre(pose: Similarity, a: float, b: float) -> Similarity:
    """``pose`` after the canonical map ``z -> (a + ib)(z - c) + c`` with ``c`` the crop's centre."""
    c = HR_SIZE / 2
    tx, ty = c - a * c + b * c, c - b * c - a * c
    return Similarity(
        pose.a * a - pose.b * b,
        pose.b * a + pose.a * b,
        pose.a * tx - pose.b * ty + pose.tx,
        pose.b * tx + pose.a * ty + pose.ty,
    )
