"""Whether super-resolution keeps small motions: displacements put in against displacements found.

A small part of a face (brow, mouth corner, lip) is moved by a known sub-pixel amount, both pictures
are degraded and enlarged, and the motion is read off again by Lucas-Kanade. A slope of one is
faithful. The noise floor is what is read off a face that does not move at all, with sensor noise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np

from stream_mer.core.degradation import Degradation, sensor_noise
from stream_mer.training.sr_temporal import Sequence, follow, moving
from stream_mer.types import HR_SIZE, LR_SIZE, ArrayF64, ImageU8

PLACES: ArrayF64 = np.array(
    [[42.0, 34.0], [86.0, 34.0], [55.0, 35.0], [73.0, 35.0], [47.0, 89.0], [81.0, 89.0], [64.0, 84.0]]
)
"""Canonical px: outer and inner brows, mouth corners, upper lip."""
SPREAD = 7.0
"""Sigma of the moved part, canonical px (0.17 eye distances)."""
STEPS: ArrayF64 = np.array([0.05, 0.1, 0.2, 0.3, 0.4, 0.5])
"""Displacements put in, LR px."""
LR_PX = HR_SIZE / LR_SIZE
NOISE_LEVELS = 2.0
"""Sensor noise of the still face on the LR crop, grey levels: a webcam's noise after area averaging."""


@dataclass(frozen=True, slots=True)
class Motion:
    """Figures of one upscaler. Displacements in LR px.

    ``slope`` of found against put-in displacement, ``correlation`` of the two (0 if nothing moves);
    ``floor`` rms found on a still noisy face; ``smallest`` the displacement that is found three floors
    high; ``luma`` temporal standard
    deviation of a pixel's luma on the still face, grey levels; ``flow`` (tOF) and ``warping`` (error, grey
    levels) on a moving noisy face, see ``sr_temporal``.
    """

    slope: float
    correlation: float
    floor: float
    smallest: float
    luma: float
    flow: float
    warping: float


def moved(hr: ImageU8, place: ArrayF64, shift: ArrayF64) -> ImageU8:
    """``hr`` with the part around ``place`` displaced by ``shift`` (HR px), Gaussian fall-off.

    The picture is enlarged four times first, so that the warp's 1/32 px grid is 1/128 px here.
    """
    fine = cv2.resize(hr, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    ys, xs = np.mgrid[:HR_SIZE, :HR_SIZE] + 0.5
    weight = fall_off(xs, ys, place)
    map_x, map_y = (4 * (c - weight * s) - 0.5 for c, s in ((xs, shift[0]), (ys, shift[1])))
    return np.asarray(
        cv2.remap(fine, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR,
                  borderMode=cv2.BORDER_REPLICATE),
        np.uint8,
    )  # fmt: skip


def fall_off(x: ArrayF64, y: ArrayF64, place: ArrayF64) -> ArrayF64:
    """How much of the displacement a canonical point gets, 0..1."""
    return np.asarray(np.exp(-((x - place[0]) ** 2 + (y - place[1]) ** 2) / (2 * SPREAD**2)))


def found_motion(before: ImageU8, after: ImageU8, place: ArrayF64) -> ArrayF64:
    """Mean displacement ``(2,)`` in HR px around ``place``, divided by what the fall-off leaves of it."""
    grey = [cv2.cvtColor(p, cv2.COLOR_RGB2GRAY) for p in (before, after)]
    offsets = np.array([[x, y] for y in (-4, 0, 4) for x in (-4, 0, 4)])
    points = (place - 0.5 + offsets).astype(np.float32)[:, None]
    criteria = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 20, 0.001)
    ends, _, _ = cv2.calcOpticalFlowPyrLK(
        grey[0], grey[1], points, np.empty_like(points), winSize=(15, 15), maxLevel=1, criteria=criteria
    )
    left = fall_off(offsets[:, 0] + place[0], offsets[:, 1] + place[1], place).mean()
    return np.asarray((ends - points)[:, 0].mean(0, dtype=np.float64) / left)


def measure_motion(
    faces: ImageU8,
    degrade: Degradation | None,
    upscalers: Mapping[str, Callable[[ImageU8], ImageU8]],
    seed: int = 0,
) -> dict[str, Motion]:
    """Motion figures of every upscaler on the same faces, displacements and noise.

    Args:
        faces: ``(N, 128, 128, 3)`` uint8 HR crops.
        degrade: HR to LR; None leaves the pictures at HR, which tells what the motion reader itself
            loses (then upscalers get HR pictures).
        upscalers: by name.
        seed: of directions and noise.
    """
    rng = np.random.default_rng(seed)
    low = [hr if degrade is None else degrade(hr, rng) for hr in faces]
    cases = []
    for i, hr in enumerate(faces):
        for place in PLACES:
            angle = rng.uniform(0, 2 * np.pi)
            way, size = np.array([np.cos(angle), np.sin(angle)]), rng.choice(STEPS)
            after = moved(hr, place, way * size * LR_PX)
            before = moved(hr, place, np.zeros(2))  # the same resampling, so that only motion differs
            pair = [p if degrade is None else degrade(p, rng) for p in (before, after)]
            cases.append((i, place, way, size, np.stack(pair)))
    still = [[_noisy(p, rng) for _ in range(6)] for p in low]
    sequences = [moving(hr, degrade or (lambda picture, _: picture), NOISE_LEVELS, rng) for hr in faces]
    return {name: _one(upscale, cases, still, sequences) for name, upscale in upscalers.items()}


def _one(
    upscale: Callable[[ImageU8], ImageU8],
    cases: list[tuple[int, ArrayF64, ArrayF64, float, ImageU8]],
    still: list[list[ImageU8]],
    sequences: list[Sequence],
) -> Motion:
    put_in, found = [], []
    for _, place, way, size, pair in cases:
        before, after = upscale(pair)
        put_in.append(size)
        found.append(float(found_motion(before, after, place) @ way) / LR_PX)
    slope = float(np.dot(put_in, found) / np.dot(put_in, put_in))
    spread, luma = [], []
    for frames in still:
        shown = upscale(np.stack(frames))
        luma.append(np.mean(np.std(shown.astype(np.float64) @ [0.299, 0.587, 0.114], axis=0, ddof=1)))
        for other in shown[1:]:
            spread += [found_motion(shown[0], other, place) / LR_PX for place in PLACES]
    floor = float(np.sqrt(np.mean(np.square(spread))))
    correlation = float(np.corrcoef(put_in, found)[0, 1]) if np.ptp(found) > 0 else 0.0
    smallest = 3 * floor / max(slope, 1e-6)
    return Motion(slope, correlation, floor, smallest, float(np.mean(luma)), *follow(upscale, sequences))


def _noisy(picture: ImageU8, rng: np.random.Generator) -> ImageU8:
    noisy = sensor_noise(picture.astype(np.float64), NOISE_LEVELS, rng)
    return np.asarray(np.clip(np.rint(noisy), 0, 255), np.uint8)


def motion_table(rows: Mapping[str, Motion], reader: float) -> str:
    """Markdown: a line per upscaler; ``reader`` is the slope found on HR pictures themselves.

    The motion reader averages over a window and so finds a little less than was put in, on any
    picture; ``faithful`` is the slope with that taken out, one for an upscaler that loses nothing.
    """
    head = [
        "| | slope | faithful | correlation | floor, LR px | smallest, LR px | luma noise, levels "
        "| tOF, LR px | warping error, levels |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    lines = []
    for name, m in rows.items():
        slopes = f"{m.slope:.2f} | {m.slope / reader:.2f} | {m.correlation:.2f}"
        still = f"{m.floor:.4f} | {m.smallest:.3f} | {m.luma:.2f}"
        lines.append(f"| {name} | {slopes} | {still} | {m.flow:.3f} | {m.warping:.2f} |")
    return "\n".join(head + lines)
