"""Chooses the crops that int8 ranges are found on, and lists them so that anybody can cut them again.

The list names pictures by path and digest and says what was done with each; it holds no picture. Crops for
the ranges are of training people, crops to judge by are of validation people.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from stream_mer.core.degradation import paper, sensor_noise
from stream_mer.core.warp import sample
from stream_mer.errors import ConfigError, OutputError
from stream_mer.protocols import FaceDetector
from stream_mer.training.sr_data import Portrait, frontal_pose, read_index, read_rgb
from stream_mer.types import HR_SIZE, LR_SIZE, ImageU8, Similarity

KINDS: tuple[str, ...] = ("crop", "paper", "dark", "noisy")
"""The product's crop as it is; the paper's degradation of the HR crop; under-exposed; with sensor noise."""
DARK_GAIN, NOISE_LEVELS = 0.4, 4.0
ROLES: tuple[str, ...] = ("range", "judge")
ALIKE_SHARE = 0.5
"""At least so many crops of a list must be the same to the last bit, see ``require_alike``."""
HELD_SHARE = 0.5
"""Crops to judge by for every crop that ranges are found on."""
FEWEST = 8
"""Crops of each role: ranges of fewer fit nobody else, and fewer show not even every kind of crop twice."""


@dataclass(frozen=True, slots=True)
class SampleRow:
    """One crop of the list.

    Args:
        role: one of ``ROLES``.
        path: of the picture, in the folder of faces.
        person: whose.
        source: which collection.
        kind: one of ``KINDS``.
        seed: of the noise.
        picture_sha256: of the file; empty before it was read.
        crop_sha256: of the ``(32, 32, 3)`` uint8 crop; empty before it was cut.
    """

    role: str
    path: str
    person: str
    source: str
    kind: str
    seed: int
    picture_sha256: str = ""
    crop_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Samples:
    """Rows with their crops: ``lr`` ``(N, 32, 32, 3)``, ``hr`` ``(N, 128, 128, 3)``, uint8 RGB."""

    rows: tuple[SampleRow, ...]
    lr: ImageU8
    hr: ImageU8

    def part(self, role: str) -> Samples:
        """The rows of one role."""
        chosen = [i for i, row in enumerate(self.rows) if row.role == role]
        return Samples(tuple(self.rows[i] for i in chosen), self.lr[chosen], self.hr[chosen])


def choose_samples(faces: Path, count: int, seed: int) -> tuple[SampleRow, ...]:
    """Rows, evenly over collections and kinds, no person twice while there are others.

    Args:
        faces: folder with ``index.csv``.
        count: crops to find ranges on; half as many more are chosen to judge by.
        seed: of the choice.
    """
    rows: list[SampleRow] = []
    for role, split, wanted in (("range", "train", count), ("judge", "val", round(count * HELD_SHARE))):
        piles = _piles(read_index(faces, split), np.random.default_rng([seed, len(rows)]))
        for number in range(wanted):
            pile = piles[number % len(piles)]
            one = pile[(number // len(piles)) % len(pile)]
            kind = KINDS[(number // len(piles)) % len(KINDS)]
            rows.append(SampleRow(role, one.path, one.person, one.source, kind, seed + number))
    return tuple(rows)


def _piles(portraits: Sequence[Portrait], rng: np.random.Generator) -> list[list[Portrait]]:
    """Per collection, in random order but every person once before anybody comes again."""
    piles = []
    for source in sorted({one.source for one in portraits}):
        own = [one for one in portraits if one.source == source]
        mixed = [own[i] for i in rng.permutation(len(own))]
        seen: dict[str, int] = {}
        turns = []
        for one in mixed:
            turns.append(seen.setdefault(one.person, 0))
            seen[one.person] += 1
        piles.append([mixed[i] for i in np.argsort(turns, kind="stable")])
    return piles


def cut_samples(faces: Path, rows: Sequence[SampleRow], detector: FaceDetector) -> Samples:
    """Cut the crops of a list with the product's own crop; pictures without one frontal face fall out.

    Args:
        faces: folder the rows' paths are in.
        rows: from ``choose_samples`` or ``read_samples``.
        detector: any face detector.

    Raises:
        ConfigError: a picture is missing or is another one than the list says.
    """
    kept, low, high = [], [], []
    for row in rows:
        path = faces / row.path
        rgb = read_rgb(path)
        digest = sha256(path.read_bytes()).hexdigest()
        if row.picture_sha256 not in ("", digest):
            raise ConfigError(f"{path}: sha256 {digest[:12]} is not the listed {row.picture_sha256[:12]}")
        pose = frontal_pose(detector.detect(rgb))
        if pose is None:
            continue
        lr, hr = _degraded(rgb, pose, row), sample(rgb, pose, HR_SIZE)
        low.append(lr)
        high.append(hr)
        kept.append(replace(row, picture_sha256=digest, crop_sha256=sha256(lr.tobytes()).hexdigest()))
    if not kept:
        raise ConfigError(f"{faces}: no listed picture shows one frontal face")
    return Samples(tuple(kept), np.stack(low), np.stack(high))


def require_enough(rows: Sequence[SampleRow]) -> None:
    """Refuse a list that is too short to find ranges on or to judge by.

    Raises:
        ConfigError: with the numbers there are.
    """
    counts = {role: sum(row.role == role for row in rows) for role in ROLES}
    if min(counts.values()) < FEWEST:
        raise ConfigError(
            f"{counts['range']} crops to find ranges on and {counts['judge']} to judge by are too few: "
            f"at least {FEWEST} of each are needed.\n"
            f"Use --count {2 * FEWEST} or more, or more portraits; delete an old samples.csv to choose anew."
        )


def require_alike(listed: Sequence[SampleRow], found: Sequence[SampleRow]) -> int:
    """How many crops are the listed ones to the last bit, if they are cut as they were.

    A detector's last bits differ between processors, which moves a value over the edge between two levels
    in a few crops (2 of 92, measured); another way of cutting changes nearly all.

    Raises:
        ConfigError: a picture fell out, or more than half of the crops are others.
    """
    if not listed:
        raise ConfigError("there is no samples.csv to check; calibrate first")
    gone = len(listed) - len(found)
    if gone:
        raise ConfigError(
            f"{gone} of {len(listed)} listed pictures show no frontal face now; calibrate again"
        )
    alike = sum(one == other for one, other in zip(listed, found, strict=True))
    if alike < ALIKE_SHARE * len(listed):
        changed = len(listed) - alike
        raise ConfigError(f"{changed} of {len(listed)} crops are cut otherwise now; calibrate again")
    return alike


def _degraded(rgb: ImageU8, pose: Similarity, row: SampleRow) -> ImageU8:
    if row.kind == "paper":
        return paper(sample(rgb, pose, HR_SIZE))
    lr = sample(rgb, pose, LR_SIZE)
    if row.kind == "dark":
        return np.asarray(np.rint(lr * DARK_GAIN), np.uint8)
    if row.kind == "noisy":
        noisy = sensor_noise(lr.astype(np.float64), NOISE_LEVELS, np.random.default_rng(row.seed))
        return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)
    return lr


def write_samples(path: Path, rows: Sequence[SampleRow]) -> None:
    """Write the list.

    Raises:
        OutputError: it cannot be written.
    """
    names = [one.name for one in fields(SampleRow)]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", newline="", encoding="utf-8") as lines:
            writer = csv.writer(lines, lineterminator="\n")
            writer.writerow(names)
            writer.writerows([getattr(row, name) for name in names] for row in rows)
    except OSError as error:
        raise OutputError(f"{path}: {error.strerror}") from error


def read_samples(path: Path) -> tuple[SampleRow, ...]:
    """Read a list.

    Raises:
        ConfigError: it is not one.
    """
    try:
        with path.open(newline="", encoding="utf-8") as lines:
            rows: list[dict[str, Any]] = [{**row, "seed": int(row["seed"])} for row in csv.DictReader(lines)]
        return tuple(SampleRow(**row) for row in rows)
    except (OSError, TypeError, ValueError, KeyError) as error:
        raise ConfigError(f"{path}: not a list of samples: {error}\ndelete it to choose anew") from error
