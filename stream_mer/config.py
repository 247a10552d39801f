"""What a user may set, checked once, before anything is opened."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import inf
from pathlib import Path

from stream_mer.errors import ConfigError
from stream_mer.types import REASONS

SR_MODES = ("auto", "always", "never")
DETECTORS = ("auto", "short", "full", "tiled")
DEVICES = ("auto", "cpu", "cuda")
BACKENDS = ("auto", "openvino", "onnxruntime", "tensorrt", "tensorrt-rtx")
MOST_THREADS = 512
"""More than the cores of any machine this is for; the libraries would really start a hundred thousand."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Settings of one run; the defaults are the product's.

    Args:
        engine: super-resolution engine by name, or ``auto`` (measured choice).
        sr: ``always`` sends every face through 32x32 and up again (the paper), ``never`` shows the
            classifier the native face, ``auto`` decides by the face's size.
        classifier: classifier engine by name.
        detector: ``short`` (webcam), ``full`` (small faces), ``tiled`` (the same in big frames) or ``auto``.
        min_duration_s: shortest micro-expression looked for.
        max_duration_s: longest micro-expression looked for.
        threshold: probability above which a candidate is an event; None takes the engine's own.
        far: the threshold that gave so many false alarms a minute when it was calibrated; instead of
            ``threshold``.
        vetoes: what turns candidates down: ``default``, ``all``, ``none``, reasons, with commas between.
        explain: write the candidates that were turned down, with the reason, to ``rejected.jsonl``.
        device: where networks run.
        backend: which library runs them.
        threads: CPU threads per engine, 1 to ``MOST_THREADS``; None: all cores for live video, for recordings
            at most four, and one of each worker's cores is left to the other stages.
        overlay: write ``overlay.mp4``.
        redact: blur faces in every picture written.
        assets: folder with the detector's model files; None fetches and caches them.
        max_faces: most faces followed at once.
        min_face_px: width of the smallest face looked for, px of the frame; smaller costs more.
        gate: look for faces only where something moved, while nobody is there.
        segment_s: recordings are judged in pieces of about this length, which can be resumed and shared
            out; those up to one and a half of it in one go.
    """

    engine: str = "auto"
    sr: str = "auto"
    classifier: str = "auto"
    detector: str = "auto"
    min_duration_s: float = 0.04
    max_duration_s: float = 0.2
    threshold: float | None = None
    far: float | None = None
    vetoes: str = "default"
    explain: bool = False
    device: str = "auto"
    backend: str = "auto"
    threads: int | None = None
    overlay: bool = True
    redact: bool = False
    assets: Path | None = None
    max_faces: int = 16
    min_face_px: float = 32.0
    gate: bool = True
    segment_s: float = 300.0

    def __post_init__(self) -> None:
        _one_of("--sr", self.sr, SR_MODES)
        _one_of("--detector", self.detector, DETECTORS)
        _one_of("--device", self.device, DEVICES)
        _one_of("--backend", self.backend, BACKENDS)
        if not (0 < self.min_duration_s < inf):
            raise ConfigError(
                f"--min-duration {self.min_duration_s:g} is not a length of time.\n"
                "Give seconds above 0, for example --min-duration 0.04."
            )
        if not self.max_duration_s >= self.min_duration_s:
            raise ConfigError(
                f"--min-duration {self.min_duration_s:g} is longer than --max-duration "
                f"{self.max_duration_s:g}: no event could be both.\n"
                "Swap them, or leave both out for 0.04 to 0.2 s."
            )
        if self.max_duration_s > 1.0:
            raise ConfigError(
                f"--max-duration {self.max_duration_s:g} is no micro-expression any more.\n"
                "Give at most 1 s; the usual upper limits are 0.2 and 0.5 s."
            )
        if self.threshold is not None and not 0 < self.threshold < 1:
            raise ConfigError(
                f"--threshold {self.threshold:g} is not possible.\nGive a probability above 0 and below 1."
            )
        if self.far is not None and not 0 < self.far < inf:
            raise ConfigError(
                f"--far {self.far:g} is not possible.\nGive false alarms a minute, above 0: --far 1.0."
            )
        if self.far is not None and self.threshold is not None:
            raise ConfigError(
                f"--far {self.far:g} and --threshold {self.threshold:g} both set the threshold.\n"
                "Give one of them: --far in false alarms a minute, --threshold as a probability."
            )
        if self.vetoes not in ("default", "all", "none"):
            for name in self.vetoes.split(","):
                _one_of("--vetoes", name.strip(), ("default", "all", "none", *REASONS))
        if self.threads is not None and not 1 <= self.threads <= MOST_THREADS:
            raise ConfigError(f"--threads {self.threads} is not possible.\nGive 1 to {MOST_THREADS}.")
        if self.max_faces < 1:
            raise ConfigError(f"--max-faces {self.max_faces} is not possible.\nGive 1 or more.")
        if not 12 <= self.min_face_px <= 2000:
            raise ConfigError(
                f"--min-face {self.min_face_px:g} is not possible.\n"
                "Give the width of the smallest face in px, 12 or more; below 28 little can be told."
            )
        if not 1 <= self.segment_s < inf:
            raise ConfigError(f"--segment {self.segment_s:g} is not possible.\nGive seconds, 1 or more.")

    def describe(self) -> dict[str, object]:
        """The settings as plain values for ``run.json``; paths are left out."""
        plain: dict[str, object] = asdict(self)
        del plain["assets"]
        return plain


def _one_of(flag: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ConfigError(f"{flag} {value} is not known.\nChoose one of: {', '.join(allowed)}.")
