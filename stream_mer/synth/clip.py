"""A whole synthetic clip in one call, or frame by frame when it would not fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.synth.plan import ClipPlan, plan_clip
from stream_mer.synth.render import RenderedFrame, Renderer
from stream_mer.synth.spec import ClipSpec, Distractor, TrueEvent
from stream_mer.types import ArrayF64, ImageU8, Similarity


@dataclass(frozen=True, slots=True)
class Clip:
    """A rendered clip with the truth about it.

    ``frames`` ``(T, H, W, 3)`` uint8 RGB, ``pts_ns`` ``(T,)`` int64 strictly increasing, ``poses`` one
    canonical crop a frame (rigid head only), ``meshes`` ``(T, 468, 2)`` float32 points in frame px,
    ``shown`` in how many frames each event shows (``frames_of``).
    """

    frames: NDArray[np.uint8]
    pts_ns: NDArray[np.int64]
    events: tuple[TrueEvent, ...]
    distractors: tuple[Distractor, ...]
    poses: tuple[Similarity, ...]
    meshes: NDArray[np.float32]
    spec: ClipSpec
    seed: int
    shown: tuple[int, ...]


def render_clip(
    portrait: ImageU8, mesh: ArrayF64, spec: ClipSpec, seed: int, smile: ArrayF64 | None = None
) -> Clip:
    """Render a clip of the person in ``portrait``.

    Args:
        portrait: ``(H, W, 3)`` uint8 RGB, from the front.
        mesh: ``(468, 2 or 3)`` face mesh in px of the portrait, see ``mesh.fit_mesh``.
        spec: what to put in.
        seed: non-negative; the same arguments give the same bytes.
        smile: as in ``plan_clip``.

    Returns:
        The clip; memory is T * H * W * 3 bytes (see ``iterate_clip``).
    """
    plan, frames = iterate_clip(portrait, mesh, spec, seed, smile)
    count = len(plan.pts_ns)
    pictures = np.empty((count, spec.height, spec.width, 3), np.uint8)
    meshes = np.empty((count, len(mesh), 2), np.float32)
    poses = []
    for number, frame in enumerate(frames):
        pictures[number], meshes[number] = frame.rgb, frame.mesh
        poses.append(frame.pose)
    truth = plan.events, plan.distractors
    return Clip(pictures, plan.pts_ns, *truth, tuple(poses), meshes, spec, seed, frames_of(plan))


def iterate_clip(
    portrait: ImageU8, mesh: ArrayF64, spec: ClipSpec, seed: int, smile: ArrayF64 | None = None
) -> tuple[ClipPlan, Iterator[RenderedFrame]]:
    """Like ``render_clip``, but gives the plan (with the truth) at once and the frames one by one."""
    plan = plan_clip(spec, seed, smile)
    return plan, Renderer(portrait, mesh, plan).frames()


def truth_of(plan: ClipPlan) -> dict[str, object]:
    """Everything true about a planned clip, ready for JSON: spec, seed, frame times, events, distractors.

    Every event says in how many frames it shows: at a low rate, or where frames are lost or repeated, in few
    or in none.
    """
    shown = frames_of(plan)
    return {
        "seed": plan.seed,
        "spec": asdict(plan.spec),
        "frames": len(plan.pts_ns),
        "pts_ns": plan.pts_ns.tolist(),
        "repeated": np.flatnonzero(plan.repeats).tolist(),
        "events": [{**asdict(e), "frames": n} for e, n in zip(plan.events, shown, strict=True)],
        "distractors": [asdict(one) for one in plan.distractors],
    }


def frames_of(plan: ClipPlan) -> tuple[int, ...]:
    """In how many frames each event shows; a frame that repeats the picture before it shows nothing new."""
    new = plan.pts_ns[~plan.repeats]
    return tuple(int(((new >= e.onset_ns) & (new < e.offset_ns)).sum()) for e in plan.events)
