"""What a synthetic clip should contain, and what it then truly contains."""

from __future__ import annotations

from dataclasses import dataclass, field

from stream_mer.errors import ConfigError
from stream_mer.synth.action_units import CLASS_ACTION_UNITS, known_units
from stream_mer.synth.pulse import Version
from stream_mer.types import LABELS

DISTRACTOR_KINDS = ("blink", "gaze", "speech", "swallow", "macro", "light")
"""Everything with a beginning and an end that must not be flagged."""


@dataclass(frozen=True, slots=True)
class EventSpec:
    """One micro-expression to put into a clip.

    ``peak`` is the largest displacement of any pixel at the apex, in face widths. ``apex_share`` is
    where the apex lies in the interval, 0..0.5; None draws it.
    """

    onset_s: float
    duration_s: float
    label: str
    action_units: tuple[str, ...]
    peak: float = 0.01
    apex_share: float | None = None

    def __post_init__(self) -> None:
        if self.label not in LABELS:
            raise ConfigError(f"unknown label {self.label!r}: one of {', '.join(LABELS)}")
        if not 0.02 <= self.duration_s <= 1.0 or self.onset_s < 0:
            raise ConfigError(f"an event of {self.duration_s} s at {self.onset_s} s is no micro-expression")
        if not 0 < self.peak <= 0.1:
            raise ConfigError(f"peak must be in (0, 0.1] face widths, got {self.peak}")
        if self.apex_share is not None and not 0.05 <= self.apex_share <= 0.5:
            raise ConfigError(f"apex_share must be in [0.05, 0.5], got {self.apex_share}")
        known_units(self.action_units)


@dataclass(frozen=True, slots=True)
class DistractorSpec:
    """Something to put into a clip that is no micro-expression.

    ``size``: blinks 0..1 closure; gaze in eye widths; speech, swallowing and macro-expressions peak
    displacement in face widths; light as a share of the brightness. ``action_units`` only for ``macro``.
    """

    kind: str
    onset_s: float
    duration_s: float
    size: float
    action_units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.kind not in DISTRACTOR_KINDS:
            raise ConfigError(f"unknown distractor {self.kind!r}: one of {', '.join(DISTRACTOR_KINDS)}")
        if self.duration_s <= 0 or self.onset_s < 0:
            raise ConfigError(f"{self.kind} of {self.duration_s} s at {self.onset_s} s: impossible")
        if (self.kind == "macro") != bool(self.action_units):
            raise ConfigError("a macro-expression needs action_units, other distractors have none")
        known_units(self.action_units)


@dataclass(frozen=True, slots=True)
class DistractorRates:
    """How often distractors happen, per minute."""

    blink: float = 15.0
    gaze: float = 15.0
    speech: float = 3.0
    swallow: float = 1.5
    macro: float = 2.0
    light: float = 2.0


NO_DISTRACTORS = DistractorRates(0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""Rates of a clip in which nothing happens but its events."""


@dataclass(frozen=True, slots=True)
class ClipSpec:
    """A synthetic clip. Lengths in s, rates per minute, face sizes in px of the frame.

    ``events`` and ``distractors``: exact lists, or None to draw them at ``event_rate`` and ``rates``.
    ``event_durations_s``, ``event_peaks`` (face widths, log-uniform) and ``labels`` steer the draw;
    ``one_sided`` is the share 0..1 of drawn events on one side only, where all their units can be.
    ``face_px`` is the width of the face as ``FaceTrack.face_px`` has it (2.3 eye distances).
    ``head_speed`` is in eye distances a second. ``shot_noise`` is the variance per grey level,
    ``read_noise`` the deviation at black in grey levels. ``flicker`` and ``gain_drift`` are shares of
    the brightness. ``drop_rate`` and ``repeat_rate`` are shares of the frames.
    """

    duration_s: float = 10.0
    fps: float = 60.0
    width: int = 320
    height: int = 320
    face_px: float = 128.0
    events: tuple[EventSpec, ...] | None = None
    event_rate: float = 12.0
    event_durations_s: tuple[float, float] = (0.04, 0.2)
    event_peaks: tuple[float, float] = (0.0015, 0.03)
    labels: tuple[str, ...] = LABELS
    one_sided: float = 0.0
    distractors: tuple[DistractorSpec, ...] | None = None
    rates: DistractorRates = field(default_factory=DistractorRates)
    head_speed: float = 0.18
    shot_noise: float = 0.02
    read_noise: float = 1.0
    flicker: float = 0.003
    gain_drift: float = 0.02
    drop_rate: float = 0.0
    repeat_rate: float = 0.0
    version: Version = "train"

    def __post_init__(self) -> None:
        _between("duration_s", self.duration_s, 0.1, 3600.0)
        _between("fps", self.fps, 5.0, 1000.0)
        if self.duration_s * self.fps < 1:
            raise ConfigError(f"a clip of {self.duration_s:g} s at {self.fps:g} fps has not one frame")
        _between("face_px", self.face_px, 24.0, 1000.0)
        _between("width", self.width, 64, 8192)
        _between("height", self.height, 64, 8192)
        _between("head_speed", self.head_speed, 0.0, 2.0)
        for name in ("drop_rate", "repeat_rate"):
            _between(name, getattr(self, name), 0.0, 0.5)
        for name in ("event_rate", "shot_noise", "read_noise", "flicker", "gain_drift"):
            _between(name, getattr(self, name), 0.0, 1000.0)
        _between("one_sided", self.one_sided, 0.0, 1.0)
        low, high = self.event_durations_s
        if not 0.02 <= low <= high <= 1.0:
            raise ConfigError(f"event_durations_s must rise within 0.02..1 s, got {low, high}")
        low, high = self.event_peaks
        if not 0 < low <= high <= 0.1:
            raise ConfigError(f"event_peaks must rise within (0, 0.1] face widths, got {low, high}")
        if not self.labels or any(label not in CLASS_ACTION_UNITS for label in self.labels):
            raise ConfigError(f"labels must be some of {', '.join(LABELS)}, got {self.labels}")
        if self.version not in ("train", "test"):
            raise ConfigError(f"version must be 'train' or 'test', got {self.version!r}")
        for event in self.events or ():
            if event.onset_s + event.duration_s > self.duration_s:
                raise ConfigError(f"the event at {event.onset_s} s ends after the clip's {self.duration_s} s")


@dataclass(frozen=True, slots=True)
class TrueEvent:
    """A micro-expression that a clip contains: ``[onset_ns, offset_ns)`` with its apex, exactly.

    ``peak`` is the largest displacement at the apex in face widths, ``track`` which face it is on.
    """

    onset_ns: int
    apex_ns: int
    offset_ns: int
    label: str
    action_units: tuple[str, ...]
    peak: float
    track: int = 0


@dataclass(frozen=True, slots=True)
class Distractor:
    """Something else that a clip contains, ``[onset_ns, offset_ns)``; ``size`` as in the spec."""

    kind: str
    onset_ns: int
    offset_ns: int
    size: float
    action_units: tuple[str, ...] = ()


def _between(name: str, value: float, low: float, high: float) -> None:
    if not low <= value <= high:
        raise ConfigError(f"{name} must be between {low:g} and {high:g}, got {value:g}")
