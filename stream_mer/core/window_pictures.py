"""The three pictures of a window: a face just before a supposed event, at its apex and just after."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from stream_mer.types import FaceCrop, ImageU8, Window

REFERENCE_NS = 80_000_000
"""How far before the onset and after the offset the neutral pictures may lie."""
GAP_FACTOR = 1.75
"""A distance between frames above this multiple of the usual one is a gap; one lost frame makes 2.0."""


def window_slots(
    pts_ns: NDArray[np.int64], centre_ns: int, duration_ns: int, reference_ns: int = REFERENCE_NS
) -> tuple[slice, slice, slice] | None:
    """Which frames form the pre, apex and post picture; None if one of them has no frame.

    Args:
        pts_ns: ``(T,)`` rising times.
        centre_ns: apex of the hypothesis.
        duration_ns: length of the hypothesis.
        reference_ns: reach of the neutral pictures.
    """
    onset, offset = centre_ns - duration_ns // 2, centre_ns + duration_ns // 2
    pre = slice(*np.searchsorted(pts_ns, (onset - reference_ns, onset + 1)))
    post = slice(*np.searchsorted(pts_ns, (offset, offset + reference_ns + 1)))
    third = duration_ns // 6
    apex = slice(*np.searchsorted(pts_ns, (centre_ns - third, centre_ns + third + 1)))
    if apex.start == apex.stop:
        right = int(np.searchsorted(pts_ns, centre_ns))
        near = [i for i in (right - 1, right) if 0 <= i < len(pts_ns) and onset < pts_ns[i] < offset]
        if not near:
            return None
        best = min(near, key=lambda i: abs(int(pts_ns[i]) - centre_ns))
        apex = slice(best, best + 1)
    if pre.start == pre.stop or post.start == post.stop:
        return None
    return pre, apex, post


def window_pictures(
    pts_ns: NDArray[np.int64],
    pictures: Sequence[ImageU8] | ImageU8,
    centre_ns: int,
    duration_ns: int,
    reference_ns: int = REFERENCE_NS,
) -> ImageU8 | None:
    """The three mean pictures of a window, ``(3, 128, 128, 3)`` uint8, or None if a slot is empty.

    Args:
        pts_ns: ``(T,)`` rising times of the pictures.
        pictures: ``T`` aligned faces, each ``(128, 128, 3)`` uint8.
        centre_ns: apex of the hypothesis.
        duration_ns: length of the hypothesis.
        reference_ns: reach of the neutral pictures before onset and after offset.
    """
    slots = window_slots(pts_ns, centre_ns, duration_ns, reference_ns)
    if slots is None:
        return None
    return np.stack([_mean(pictures[s]) for s in slots])


def _mean(pictures: Sequence[ImageU8] | ImageU8) -> ImageU8:
    if len(pictures) == 1:
        return pictures[0]
    total = np.zeros(pictures[0].shape, np.uint16)  # 257 pictures of 255 fit; a slot holds <= 0.1 s
    for picture in pictures:
        total += picture
    return ((total + len(pictures) // 2) // len(pictures)).astype(np.uint8)


def lay_window(
    crops: Sequence[FaceCrop],
    pts_ns: NDArray[np.int64],
    centre_ns: int,
    duration_ns: int,
    usual_ns: float,
    reference_ns: int = REFERENCE_NS,
) -> Window | None:
    """The window of a hypothesis on one face; None if a slot is empty or a gap lies within it.

    Args:
        crops: ``T`` crops of one unbroken stretch, each with its ``picture``.
        pts_ns: ``(T,)`` their rising times.
        centre_ns: apex of the hypothesis.
        duration_ns: length of the hypothesis.
        usual_ns: usual distance between frames.
        reference_ns: reach of the neutral pictures before onset and after offset.
    """
    slots = window_slots(pts_ns, centre_ns, duration_ns, reference_ns)
    if slots is None:
        return None
    inside = pts_ns[slots[0].start : slots[2].stop]
    if np.diff(inside).max() > GAP_FACTOR * usual_ns:
        return None
    shown = [[crops[i] for i in range(s.start, s.stop)] for s in slots]
    apex = shown[1][len(shown[1]) // 2]
    return Window(
        track_id=apex.track.track_id,
        segment=apex.track.segment,
        epoch=apex.epoch,
        centre_ns=centre_ns,
        duration_ns=duration_ns,
        pictures=np.stack([_mean([_picture(c) for c in some]) for some in shown]),
        face_px=apex.track.face_px,
        sr=apex.sr,
    )


def _picture(crop: FaceCrop) -> ImageU8:
    if crop.picture is None:
        raise ValueError("a crop without picture cannot enter a window")
    return crop.picture
