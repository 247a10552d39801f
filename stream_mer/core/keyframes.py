"""Follows one face from frame to frame without jumps: which key frame to trust, and how far.

The pose of a frame is ``fit o carry o anchor`` (each applied before the one on its left):

- ``fit`` registers the frame against the active key frame (``registration``);
- ``carry`` is the offset between key frames, measured on the frame where they change hands, so a
  change never shows as a jump; it melts away slowly, so a key frame that returns cures drift;
- what the active key frame leaves unexplained is learnt (``usual``), so that a part of the face may lose its
  vote for a moment, as the eyes do in a blink, without the rest being of another opinion;
- ``anchor`` is the slow mean of what the detector says, so the crop does not depend on the one frame
  in which the face was first seen.

``carry`` and ``anchor`` move far below 1.25 Hz, where no micro-expression lives.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import exp

import numpy as np

from stream_mer.core.geometry import compose
from stream_mer.core.registration import PIVOT, REACH, Fit, KeyFrame, coarser, key_frame, look, register
from stream_mer.core.warp import Patch
from stream_mer.types import ArrayF32, ArrayF64, ImageU8, Similarity

IDENTITY = Similarity(1.0, 0.0, 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class KeyFrameSettings:
    """When key frames change and how fast slow corrections act; seconds and canonical px."""

    keep: int = 6
    """Key frames remembered at most; the first one is never forgotten."""
    loss_factor: float = 2.5
    loss_margin: float = 0.01
    """A key frame is worn when ``1 - correlation`` exceeds factor x its best + margin."""
    patience_s: float = 0.1
    """Key frames change hands at most this often."""
    min_key_quality: float = 0.75
    """A face that resembles its key frame less than this does not become a key frame itself."""
    carry_s: float = 4.0
    """Time in which a carried offset melts to 1/e."""
    usual_s: float = 0.3
    """Time constant with which it is learnt how a face differs from its key frame: heads turn slower ..."""
    forget_s: float = 2.0
    """... and forgotten: what was learnt must not lead the crop away for good."""
    anchor_memory_s: float = 8.0
    """Span over which detections are averaged."""
    anchor_s: float = 2.0
    """Time constant with which the crop follows that average."""
    anchor_px_s: float = 0.4
    """Fastest movement of the crop by the anchor, canonical px a second."""
    anchor_clip_px: float = 6.0
    """A single detection counts as at most this far off."""


class FaceRegistration:
    """One face's registration: key frames, carried offset, anchor. Seeded by a detection's pose."""

    def __init__(self, rgb: ImageU8, pose: Similarity, settings: KeyFrameSettings) -> None:
        self._settings = settings
        self._keys: list[KeyFrame] = [key_frame(look(rgb, pose), pose)]
        self._used = [0]
        self._active = 0
        self._best = 1.0
        self._fresh = True
        self._usual: ArrayF32 | None = None
        self._carry = IDENTITY
        self._inner, self._turn = pose, (0.0, 0.0)
        self._anchor = np.zeros(4)
        self._detected = np.zeros(4)
        self._detections = 1
        self._since_change_s = 0.0
        self._clock = 0

    @property
    def pose(self) -> Similarity:
        """Pose of the last frame."""
        return compose(self._inner, fraction(self._anchor))

    def advance(self, rgb: ImageU8, start: Similarity, dt_s: float) -> tuple[Similarity, Fit]:
        """Register the next frame.

        Args:
            rgb: the frame.
            start: predicted pose (of the crop, as ``pose``).
            dt_s: time since the last frame.

        Returns:
            The new pose and the fit behind it; the caller judges whether it can be trusted.
        """
        s = self._settings
        self._clock += 1
        self._since_change_s += dt_s
        patch = look(rgb, start)
        inner_start = compose(start, fraction(self._anchor).inverse())
        fit = self._fit(patch, self._active, inner_start)
        if self._worn(fit):
            fit = self._search(patch, inner_start, fit)
        inner = compose(fit.pose, self._carry)
        if self._fresh:  # the first comparison tells how good this key frame can be
            self._best, self._fresh = fit.quality, False
        self._best = max(self._best, fit.quality)
        if self._worn(fit) and fit.inside > 0.9 and self._since_change_s >= s.patience_s:
            other = self._best_other(patch, inner, fit)
            if other is not None:
                self._active, fit = other
                self._usual = None
                self._carry = compose(fit.pose.inverse(), inner)
                self._best, self._since_change_s = fit.quality, 0.0
            elif fit.converged and fit.quality > s.min_key_quality:
                self._remember(key_frame(patch, inner))
                fit = replace(fit, turn=(0.0, 0.0), residual=np.zeros_like(fit.residual))
                self._since_change_s = 0.0
        self._learn(fit, dt_s)
        self._used[self._active], self._turn = self._clock, fit.turn
        if dt_s > 0:
            self._carry = fraction(deviation(self._carry) * exp(-dt_s / s.carry_s))
            move = (self._detected - self._anchor) * (1 - exp(-dt_s / s.anchor_s))
            limit = s.anchor_px_s * dt_s
            self._anchor = self._anchor + np.clip(move, -limit, limit)
        self._inner = inner
        return self.pose, fit

    def detected(self, pose: Similarity, dt_s: float, *, settle: bool) -> None:
        """Take the detector's word for where the face is in the frame just registered.

        Args:
            pose: the detector's pose.
            dt_s: time since the last detection.
            settle: jump to the mean at once (allowed while nothing has been shown yet).
        """
        s = self._settings
        offset = np.clip(
            deviation(compose(self._inner.inverse(), pose)) - self._detected,
            -s.anchor_clip_px,
            s.anchor_clip_px,
        )
        share = max(1.0 / (self._detections + 1), 1 - exp(-dt_s / s.anchor_memory_s))
        self._detections += 1
        self._detected = self._detected + offset * share
        if settle:
            self._anchor = self._detected.copy()

    def _learn(self, fit: Fit, dt_s: float) -> None:
        """Get used to what the fit left unexplained, but not to what moves on its own."""
        if fit.trust is None or not fit.converged or dt_s <= 0:
            return
        s = self._settings
        usual = np.zeros_like(fit.residual) if self._usual is None else self._usual
        usual = usual + (fit.residual - usual) * fit.trust * np.float32(1 - exp(-dt_s / s.usual_s))
        self._usual = usual * np.float32(exp(-dt_s / s.forget_s))

    def _worn(self, fit: Fit) -> bool:
        s = self._settings
        return 1 - fit.quality > s.loss_factor * (1 - self._best) + s.loss_margin

    def _fit(self, patch: Patch, i: int, inner: Similarity) -> Fit:
        start = compose(inner, self._carry.inverse())
        return register(patch, self._keys[i].fine, start, self._turn, self._usual)

    def _search(self, patch: Patch, inner_start: Similarity, fit: Fit) -> Fit:
        """The best of the active key frame's fits from further off: predicted and last pose, blurred."""
        blurred, key = coarser(patch, inner_start), self._keys[self._active]
        for inner in (inner_start, self._inner):
            rough = register(blurred, key.coarse, compose(inner, self._carry.inverse()), self._turn)
            other = register(patch, key.fine, rough.pose, rough.turn, self._usual)
            if other.quality > fit.quality + 1e-4:
                fit = other
        return fit

    def _best_other(self, patch: Patch, inner: Similarity, fit: Fit) -> tuple[int, Fit] | None:
        found: tuple[int, Fit] | None = None
        bar = fit.quality + 0.25 * (1 - fit.quality)
        for i, key in enumerate(self._keys):
            if i == self._active:
                continue
            other = register(patch, key.fine, inner)
            if other.quality > bar:
                found, bar = (i, other), other.quality
        return found

    def _remember(self, key: KeyFrame) -> None:
        if len(self._keys) >= self._settings.keep:
            oldest = min(range(1, len(self._keys)), key=lambda i: self._used[i])
            del self._keys[oldest], self._used[oldest]
        self._keys.append(key)
        self._used.append(self._clock)
        self._active = len(self._keys) - 1
        self._carry, self._fresh, self._usual = IDENTITY, True, None


def fraction(x: ArrayF64) -> Similarity:
    """Similarity near the identity from (scale, rotation, du, dv), all in canonical px about the pivot."""
    a, b, (pu, pv) = 1 + x[0] / REACH, x[1] / REACH, PIVOT
    return Similarity(
        float(a), float(b), float(pu - a * pu + b * pv + x[2]), float(pv - b * pu - a * pv + x[3])
    )


def deviation(small: Similarity) -> ArrayF64:
    """Inverse of ``fraction``."""
    pu, pv = PIVOT
    du = small.a * pu - small.b * pv + small.tx - pu
    dv = small.b * pu + small.a * pv + small.ty - pv
    return np.array([(small.a - 1) * REACH, small.b * REACH, du, dv])


def between(one: Similarity, two: Similarity) -> ArrayF64:
    """The step from ``one`` to ``two`` seen in ``one``'s crop: (scale, rotation, du, dv), canonical px."""
    return deviation(compose(one.inverse(), two))
