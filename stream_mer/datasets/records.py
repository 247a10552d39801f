"""One annotated expression in one clip, the same value whatever dataset it came from."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from stream_mer.errors import ConfigError

PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff")
UNLABELLED = "unlabelled"
KINDS = ("micro", "macro")
_UNIT = re.compile(r"^([LR]?)0*(\d{1,2})[A-E]?$")


@dataclass(frozen=True, slots=True)
class ClipRecord:
    """An expression that somebody has annotated.

    ``path`` is a video file or a folder of frames. ``onset``, ``apex`` and ``offset`` are frame
    numbers as the annotator wrote them: for a folder the numbers in the file names, for a video file
    counted from ``first_frame``. The offset frame is the last one of the movement. ``apex`` is None
    where nobody marked it. Action units look like ``12`` or ``L14`` (left side only). ``kind`` is
    ``micro`` or ``macro``; ``label`` is ``UNLABELLED`` where nobody named an emotion, and ``labels`` are
    all of them where a clip may carry several. ``row`` is the row of the table it came from, 1-based.
    """

    dataset: str
    subject: str
    clip: str
    path: Path
    fps: float
    onset: int
    apex: int | None
    offset: int
    label: str
    action_units: tuple[str, ...] = ()
    first_frame: int = 0
    kind: str = "micro"
    labels: tuple[str, ...] = ()
    row: int | None = None

    def __post_init__(self) -> None:
        if not self.fps > 0:
            raise ValueError(f"fps must be above 0, got {self.fps:g}")
        if self.onset < self.first_frame:
            raise ValueError(f"onset {self.onset} lies before the first frame, {self.first_frame}")
        if self.offset < self.onset:
            raise ValueError(f"offset {self.offset} lies before onset {self.onset}")
        if self.apex is not None and not self.onset <= self.apex <= self.offset:
            raise ValueError(f"apex {self.apex} lies outside {self.onset}..{self.offset}")
        if self.kind not in KINDS:
            raise ValueError(f"kind must be micro or macro, got {self.kind!r}")

    @property
    def middle(self) -> int:
        """The apex, or the middle frame where nobody marked one (as MEB does for SMIC)."""
        return self.apex if self.apex is not None else (self.onset + self.offset) // 2

    @property
    def duration_s(self) -> float:
        """Length of the movement, its last frame included."""
        return (self.offset + 1 - self.onset) / self.fps

    def span_ns(self) -> tuple[int, int | None, int]:
        """Onset, apex and end as nanoseconds since the clip's first frame; ``[onset, end)``."""

        def at(frame: int) -> int:
            return round((frame - self.first_frame) * 1_000_000_000 / self.fps)

        return at(self.onset), None if self.apex is None else at(self.apex), at(self.offset + 1)


def last_integer(name: str) -> int | None:
    """The number that orders a frame among its neighbours: the last one in its name.

    >>> last_integer("reg_img46.jpg"), last_integer("006_1_05562"), last_integer("cover.png")
    (46, 5562, None)
    """
    digits = re.findall(r"\d+", Path(name).stem)
    return int(digits[-1]) if digits else None


def frame_files(folder: Path) -> dict[int, Path]:
    """The frames of a clip by number, in order; other files are left alone.

    Raises:
        ConfigError: no frames there, or two that claim one number.
    """
    frames: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        number = last_integer(path.name)
        if path.suffix.lower() not in PICTURES or number is None or path.name.startswith("."):
            continue
        if number in frames:
            raise ConfigError(
                f"{folder} has two frames with the number {number}: {frames[number].name} and {path.name}\n"
                "the last number in a name orders the frames; rename or remove one"
            )
        frames[number] = path
    if not frames:
        raise ConfigError(
            f"{folder} has no frames\n"
            "put pictures there whose names end in their number: img1.jpg, img2.jpg, ..."
        )
    return dict(sorted(frames.items()))


def parse_action_units(text: str) -> tuple[str, ...]:
    """Action units as annotators write them, tidied: ``"4+R12"``, ``"AU1, AU2B"``, ``"L14"``.

    Intensities (``A`` to ``E``) are dropped. ``""``, ``"/"`` and ``"0"`` mean none was coded.

    Raises:
        ValueError: a part is not an action unit.

    >>> parse_action_units("AU4+AU07B；R12")
    ('4', '7', 'R12')
    """
    units = []
    for part in re.split(r"[+,;，；\s]+", text.strip()):
        if part in ("", "/", "0"):
            continue
        found = _UNIT.match(part.upper().replace("AU", ""))
        if found is None:
            raise ValueError(f"{part!r} is not an action unit such as 4 or R12")
        units.append(found[1] + found[2])
    return tuple(units)
