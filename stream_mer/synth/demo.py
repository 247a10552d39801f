"""The clip that ``stream-mer demo`` runs on: one person, six known micro-expressions, twelve seconds.

Portrait: NASA astronaut Eileen Collins, 1999, photograph by NASA, public domain (the well-known
512 px copy of scikit-image's ``astronaut``, 256 px of it around the face).
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from io import BytesIO

import numpy as np

from stream_mer.synth.clip import iterate_clip
from stream_mer.synth.dense import decoded_png
from stream_mer.synth.plan import ClipPlan
from stream_mer.synth.render import RenderedFrame
from stream_mer.synth.spec import ClipSpec, DistractorSpec, EventSpec
from stream_mer.types import ArrayF64, ImageU8

DEMO_CREDIT = "Portrait of astronaut Eileen Collins: NASA, public domain"
"""To be shown wherever the demo's pictures are."""
DEMO_SEED = 2025
_MESH_UNITS_PER_PX = 64.0  # the stored mesh is in 1/64 px

DEMO_SPEC = ClipSpec(
    duration_s=12.0,
    fps=60.0,
    width=640,
    height=480,
    face_px=160.0,
    events=(
        EventSpec(1.2, 0.18, "surprise", ("1", "2"), 0.025),
        EventSpec(3.0, 0.2, "happiness", ("12",), 0.025),
        EventSpec(4.9, 0.18, "disgust", ("4", "9"), 0.025),
        EventSpec(6.3, 0.2, "others", ("4",), 0.025),
        EventSpec(8.9, 0.2, "repression", ("15",), 0.025),
        EventSpec(10.8, 0.16, "happiness", ("L12",), 0.03),
    ),
    distractors=(
        DistractorSpec("blink", 2.1, 0.2, 1.0),
        DistractorSpec("gaze", 3.8, 0.8, 0.12),
        DistractorSpec("blink", 5.7, 0.22, 1.0),
        DistractorSpec("macro", 7.0, 1.3, 0.04, ("6", "12")),
        DistractorSpec("blink", 9.7, 0.18, 0.95),
    ),
    head_speed=0.1,
    shot_noise=0.015,
    read_noise=0.8,
    flicker=0.001,
    gain_drift=0.01,
    version="test",
)
"""What the demo clip contains."""


def demo_portrait() -> tuple[ImageU8, ArrayF64]:
    """The demo's portrait, ``(256, 256, 3)`` uint8 RGB, and its ``(468, 3)`` face mesh in px."""
    folder = files("stream_mer.synth")
    portrait = decoded_png((folder / "astronaut.png").read_bytes())
    stored = np.load(BytesIO((folder / "astronaut_mesh.npy").read_bytes()), allow_pickle=False)
    return portrait, stored.astype(np.float64) / _MESH_UNITS_PER_PX


def demo_clip() -> tuple[ClipPlan, Iterator[RenderedFrame]]:
    """The demo clip: its plan with the true events, and its frames one by one."""
    portrait, mesh = demo_portrait()
    return iterate_clip(portrait, mesh, DEMO_SPEC, DEMO_SEED)
