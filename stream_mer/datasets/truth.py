"""Reads the truth that lies beside a synthetic clip: ``<clip>.json`` with every event in it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_mer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TruthSpan:
    """Something that really happens in a clip, ``[onset_ns, offset_ns)`` since its first frame.

    ``label`` is the class of a micro-expression, or the kind of a distractor (``blink``, ``speech``, ...);
    distractors have no ``apex_ns``.
    """

    onset_ns: int
    offset_ns: int
    label: str
    apex_ns: int | None = None
    action_units: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.onset_ns < self.offset_ns:
            raise ValueError(f"onset {self.onset_ns} ns is not before offset {self.offset_ns} ns")
        if self.apex_ns is not None and not self.onset_ns <= self.apex_ns < self.offset_ns:
            raise ValueError(f"apex {self.apex_ns} ns lies outside {self.onset_ns}..{self.offset_ns}")


@dataclass(frozen=True, slots=True)
class ClipTruth:
    """All that is true about a clip. ``subject`` and ``fps`` are None where the file does not say.

    ``unclear`` events show too little to be asked for (``partly_visible`` in the file).
    """

    clip: str
    events: tuple[TruthSpan, ...]
    distractors: tuple[TruthSpan, ...] = ()
    subject: str | None = None
    fps: float | None = None
    seed: int | None = None
    unclear: tuple[TruthSpan, ...] = ()


def truth_path(clip: Path) -> Path:
    """Where the truth about a clip lies: the clip's name with ``.json``."""
    return clip.with_suffix(".json")


def read_truth(path: Path | str) -> ClipTruth:
    """Read a truth file; fields that are not known are left alone.

    Args:
        path: the JSON file, or the clip it belongs to.

    Raises:
        ConfigError: it is not there, or not such a file; the message names the event and the field.
    """
    path = Path(path)
    path = path if path.suffix == ".json" else truth_path(path)
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        events = tuple(_span(one, f"event {n}", "label") for n, one in enumerate(record["events"], 1))
        others = tuple(
            _span(one, f"distractor {n}", "kind") for n, one in enumerate(record.get("distractors", ()), 1)
        )
        hidden = record.get("partly_visible", ())
        unclear = tuple(_span(one, f"partly visible event {n}", "label") for n, one in enumerate(hidden, 1))
        rate = record.get("fps", record.get("spec", {}).get("fps"))
        return ClipTruth(
            clip=str(record.get("clip", path.stem)),
            events=events,
            distractors=others,
            subject=record.get("subject"),
            fps=None if rate is None else float(rate),
            seed=record.get("seed"),
            unclear=unclear,
        )
    except OSError as error:
        raise ConfigError(
            f"cannot read the truth {path}: {error.strerror or error}\n"
            "'stream-mer synth' writes one beside every clip"
        ) from error
    except KeyError as error:
        raise ConfigError(f"{path} is not a clip's truth: no {error}\nadd it, or make it anew") from error
    except (ValueError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is not a clip's truth: {error}\nmend it, or make it anew") from error


def _span(one: dict[str, Any], where: str, name: str) -> TruthSpan:
    missing = [field for field in ("onset_ns", "offset_ns", name) if field not in one]
    if missing:
        raise ValueError(f"{where} has no {', '.join(missing)}")
    try:
        apex = one.get("apex_ns")
        units = tuple(str(unit) for unit in one.get("action_units", ()))
        times = int(one["onset_ns"]), int(one["offset_ns"])
        return TruthSpan(*times, str(one[name]), None if apex is None else int(apex), units)
    except (ValueError, TypeError) as error:
        raise ValueError(f"{where}: {error}") from error
