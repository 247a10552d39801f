"""The values that travel through the product: frozen, slotted, each checks its own shape.

What is seen lies in ``stream_mer.pictures``, what is concluded from it here; import both from here.
Units are in the names: ``_ns`` integer nanoseconds since the source's first frame, ``_s`` seconds,
``_px`` pixels of the picture the value belongs to. Arrays are RGB ``uint8`` of shape ``(H, W, 3)``.
Intervals of time are half-open, ``[onset, offset)``.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_mer.pictures import (
    HR_SIZE,
    LABELS,
    LR_SIZE,
    ArrayF32,
    ArrayF64,
    Box,
    Detection,
    FaceCrop,
    FaceTrack,
    Frame,
    ImageU8,
    Similarity,
    SourceInfo,
    require_picture,
)

__all__ = [
    "HR_SIZE",
    "LABELS",
    "LR_SIZE",
    "REASONS",
    "REPEAT",
    "SECOND_LOOK",
    "USUAL",
    "ArrayF32",
    "ArrayF64",
    "Box",
    "Detection",
    "Event",
    "FaceCrop",
    "FaceTrack",
    "Frame",
    "FrameFaces",
    "ImageU8",
    "Rejection",
    "Result",
    "RunSummary",
    "Score",
    "Similarity",
    "SourceInfo",
    "Window",
    "require_picture",
]

REASONS: tuple[str, ...] = ("blink", "head motion", "speech", "cut", "gap", "light", "edge", "lost")
"""Why a candidate may be turned down, see ``core.vetoes``; each can be switched on and off."""
REPEAT = "same event"
"""Why a candidate is always turned down: it is only the rest of the event before it ..."""
USUAL = "usual"
"""... or this face gives as much evidence without any event ..."""
SECOND_LOOK = "second look"
"""... or within its measured limits the classifier does not see it again."""


@dataclass(frozen=True, slots=True)
class Window:
    """Pictures of one face before, at and after the apex of an event that may be there.

    ``pictures`` is ``(3, 128, 128, 3)`` uint8: the mean picture just before the supposed onset,
    around the supposed apex, and just after the supposed offset. ``centre_ns`` is the apex of the
    hypothesis and ``duration_ns`` its length, so onset = centre - duration/2.
    """

    track_id: int
    segment: int
    epoch: int
    centre_ns: int
    duration_ns: int
    pictures: ImageU8
    face_px: float = 0.0
    sr: bool = False

    def __post_init__(self) -> None:
        if len(self.pictures) != 3:
            raise ValueError(f"Window.pictures must be three pictures, got {len(self.pictures)}")
        for picture in self.pictures:
            require_picture(picture, "Window.pictures", HR_SIZE)


@dataclass(frozen=True, slots=True)
class Score:
    """The classifier's answer to one window: a probability per label; the rest is 'no event'."""

    track_id: int
    segment: int
    epoch: int
    centre_ns: int
    duration_ns: int
    probabilities: tuple[float, ...]
    face_px: float = 0.0
    sr: bool = False

    def __post_init__(self) -> None:
        if len(self.probabilities) != len(LABELS):
            raise ValueError(f"Score needs {len(LABELS)} probabilities, got {len(self.probabilities)}")

    @property
    def event_probability(self) -> float:
        """Probability that any micro-expression is there, 0..1."""
        return float(sum(self.probabilities))


@dataclass(frozen=True, slots=True)
class Event:
    """A micro-expression found in one track, times in nanoseconds of the source's clock."""

    id: str
    source: str
    epoch: int
    track_id: int
    onset_ns: int
    apex_ns: int
    offset_ns: int
    label: str
    probability: float
    probabilities: tuple[float, ...]
    face_px: float
    sr: bool

    def __post_init__(self) -> None:
        if not self.onset_ns <= self.apex_ns < self.offset_ns:
            raise ValueError(f"event times out of order: {self.onset_ns, self.apex_ns, self.offset_ns}")
        if self.label not in LABELS:
            raise ValueError(f"unknown label {self.label!r}")


@dataclass(frozen=True, slots=True)
class Rejection:
    """A candidate that passed the threshold and was turned down: ``reason`` is in ``REASONS``, ``REPEAT``,
    ``USUAL`` or ``SECOND_LOOK``.

    ``detail`` says what was measured and the limit, for people.
    """

    track_id: int
    epoch: int
    onset_ns: int
    apex_ns: int
    offset_ns: int
    label: str
    probability: float
    reason: str
    detail: str = ""

    def __post_init__(self) -> None:
        if not self.onset_ns <= self.apex_ns < self.offset_ns:
            raise ValueError(f"rejection times out of order: {self.onset_ns, self.apex_ns, self.offset_ns}")
        if self.label not in LABELS:
            raise ValueError(f"unknown label {self.label!r}")
        if self.reason not in (*REASONS, REPEAT, USUAL, SECOND_LOOK):
            raise ValueError(f"unknown reason {self.reason!r}")


@dataclass(frozen=True, slots=True)
class FrameFaces:
    """A frame with the faces found in it, as the face stage hands it on.

    ``veiled`` are boxes to be made unrecognisable wherever the frame is shown, followed or not.
    """

    frame: Frame
    crops: tuple[FaceCrop, ...]
    veiled: tuple[Box, ...] = ()


@dataclass(frozen=True, slots=True)
class Result:
    """Everything known when one frame has gone through the pipeline.

    ``events`` are those decided now, ``rejected`` the candidates turned down now; their times lie before
    ``frame.pts_ns``. When the stream ends
    with events still open, one more result carries them: ``repeated`` is then true and its frame,
    the last one once more, must be neither counted nor written again.
    """

    frame: Frame
    tracks: tuple[FaceTrack, ...]
    crops: tuple[FaceCrop, ...] = ()
    scores: tuple[Score, ...] = ()
    events: tuple[Event, ...] = ()
    veiled: tuple[Box, ...] = ()
    repeated: bool = False
    rejected: tuple[Rejection, ...] = ()


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What ``run.json`` holds; see the README for each field."""

    source: str
    frames: int
    frames_dropped: dict[str, int]
    duration_s: float
    fps_nominal: float | None
    fps_effective: float
    coverage: float
    tracks: int
    events: int
    throughput_fps: float
    stages: dict[str, dict[str, float]]
    engines: dict[str, str]
    observability: dict[str, float | str | None]
    settings: dict[str, object]
    version: str
    warnings: tuple[str, ...] = field(default=())
    first_result_s: float | None = None
    interrupted: bool = False
    source_sha256: str = ""
