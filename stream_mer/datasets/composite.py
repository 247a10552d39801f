"""Puts datasets together as benchmarks do: MEGC 2019's three classes, CD6ME's action units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stream_mer.datasets.findings import Dataset
from stream_mer.datasets.records import ClipRecord
from stream_mer.errors import ConfigError

CLASSES = ("negative", "positive", "surprise")
COMPOSITE_SETS = ("casme2", "smic-hs", "samm")
PUBLISHED = {"casme2": 145, "smic-hs": 164, "samm": 133}
"""Samples of each set in the composite, 442 in all, of 68 subjects. Source: MEGC 2019."""
TO_CLASS = {
    "casme2": {"happiness": 1, "surprise": 2, "disgust": 0, "repression": 0},
    "smic-hs": {"negative": 0, "positive": 1, "surprise": 2},
    "samm": {"happiness": 1, "surprise": 2}
    | dict.fromkeys(("anger", "contempt", "disgust", "fear", "sadness"), 0),
}
"""Emotion -> class; what is not named here is left out. Source: STSTNet's readme and MEB's datasets.py."""
LEFT_OUT = {("sub04", "EP12_01f"), ("sub05", "EP12_03f"), ("sub24", "EP02_07")}
"""Samples of CASME II that the composite leaves out. Source: MEB's datasets.py."""
CD6ME_SETS = ("casme", "casme2", "samm", "4dme", "mmew", "casme3-a")
CD6ME_UNITS = ("1", "2", "4", "5", "6", "7", "9", "10", "12", "14", "15", "17")
"""The twelve action units of CD6ME. Source: MEB."""


@dataclass(frozen=True, slots=True)
class Sample:
    """A clip in a benchmark; ``subject`` is unique over the sets."""

    record: ClipRecord
    subject: str
    label: int


def megc2019(sets: Mapping[str, Dataset]) -> tuple[list[Sample], list[str]]:
    """The composite's samples, and in words where a set differs from the published count.

    Args:
        sets: ``casme2``, ``smic-hs`` and ``samm`` as loaded.

    Raises:
        ConfigError: one of them is missing.
    """
    missing = [name for name in COMPOSITE_SETS if name not in sets]
    if missing:
        raise ConfigError(
            f"the composite needs {', '.join(missing)}, too\ngive all of {', '.join(COMPOSITE_SETS)}"
        )
    samples: list[Sample] = []
    remarks = []
    for name in COMPOSITE_SETS:
        chosen = [
            Sample(record, f"{name}/{record.subject}", TO_CLASS[name][record.label])
            for record in sets[name].records
            if record.label in TO_CLASS[name]
            and not (name == "casme2" and (record.subject, record.clip) in LEFT_OUT)
        ]
        if len(chosen) != PUBLISHED[name]:
            remarks.append(f"{name}: {len(chosen)} samples, the composite has {PUBLISHED[name]}")
        samples += chosen
    return samples, remarks


def cd6me(sets: Mapping[str, Dataset]) -> tuple[list[ClipRecord], list[str], NDArray[np.bool_]]:
    """Records, their datasets (the groups to leave out one by one) and ``(records, 12)`` action units.

    A unit counts whichever side it is on.

    Raises:
        ConfigError: fewer than two of the six sets.
    """
    names = [name for name in CD6ME_SETS if name in sets]
    if len(names) < 2:
        raise ConfigError(
            f"leaving one dataset out needs two or more of {', '.join(CD6ME_SETS)}\n"
            f"only {', '.join(names) or 'none'} was given"
        )
    records = [record for name in names for record in sets[name].records if record.kind == "micro"]
    return records, [record.dataset for record in records], units_of(records)


def units_of(records: Sequence[ClipRecord]) -> NDArray[np.bool_]:
    """``(records, 12)``: which of CD6ME's action units each one shows."""
    shown = [{unit.lstrip("LR") for unit in record.action_units} for record in records]
    return np.array([[unit in units for unit in CD6ME_UNITS] for units in shown], bool).reshape(
        -1, len(CD6ME_UNITS)
    )
