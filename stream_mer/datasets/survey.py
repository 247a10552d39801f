"""Compares a dataset as found on disk with what was published about it, and says whether it can be used."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from stream_mer.datasets.catalogue import LONG_VIDEOS, Published
from stream_mer.datasets.findings import Dataset

ENOUGH = 0.95
"""A copy is usable when this share of its rows, and of the published clips, became records."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the survey. ``agrees`` is None where nothing was published to compare with."""

    what: str
    found: str
    published: str = ""
    agrees: bool | None = None


@dataclass(frozen=True, slots=True)
class Survey:
    """The lines, and the verdict in words."""

    title: str
    checks: tuple[Check, ...]
    usable: bool
    verdict: str


def survey(dataset: Dataset, known: Published, *, partial: bool = False) -> Survey:
    """Count a dataset and compare.

    Args:
        dataset: as loaded.
        known: what was published about it.
        partial: the copy is meant to be a part; only its own rows must be in order.
    """
    records = dataset.records
    micro = [record for record in records if record.kind == "micro"]
    macro = len(records) - len(micro)
    videos = {record.path for record in records}
    labels = Counter(record.label for record in micro)
    checks = [
        Check("rows read", f"{len(records)} of {dataset.rows}", "", len(records) == dataset.rows),
        _ranged("micro-expressions", len(micro), known.clips),
    ]
    if macro or known.macro:
        checks.append(_ranged("macro-expressions", macro, known.macro))
    if dataset.name in LONG_VIDEOS:
        checks.append(_ranged("videos with annotations", len(videos), known.videos))
    people = (known.subjects, known.subjects) if known.subjects else None
    checks.append(_ranged("subjects", len(dataset.subjects), people))
    for label in sorted({*labels, *known.labels}):
        number = known.labels.get(label)
        checks.append(_ranged(f"  {label}", labels[label], None if number is None else (number, number)))
    checks += [
        Check("without apex", str(sum(record.apex is None for record in records))),
        _none("frames missing inside a clip", _count(dataset, r"\d+ of the frames")),
        _none("apex outside onset..offset", _count(dataset, r"apex \S+ lies outside")),
        _none("unknown labels", _count(dataset, "unknown label")),
        Check("corrected (errata and slips)", str(len(dataset.corrections))),
    ]
    usable, verdict = _verdict(dataset, known, len(micro), partial)
    return Survey(known.title, tuple(checks), usable, verdict)


def _verdict(dataset: Dataset, known: Published, micro: int, partial: bool) -> tuple[bool, str]:
    total, lost = dataset.rows, len(dataset.left_out)
    if not dataset.records:
        return False, f"not usable: none of {total} rows became a record\nmend what is listed above"
    if lost > (1 - ENOUGH) * max(total, 1):
        return False, (
            f"not usable: {lost} of {total} rows had to be left out, more than {1 - ENOUGH:.0%}\n"
            "mend what is listed above"
        )
    if known.clips and micro < ENOUGH * known.clips[0] and not partial:
        return False, (
            f"not usable for published figures: {micro} of at least {known.clips[0]} micro-expressions\n"
            "copy the rest, or say --partial if a part is meant"
        )
    rest = f"; {lost} rows left out" if lost else ""
    return True, f"usable: {len(dataset.records)} records of {len(dataset.subjects)} subjects{rest}"


def _ranged(what: str, found: int, known: tuple[int, int] | None) -> Check:
    if known is None:
        return Check(what, str(found))
    low, high = known
    return Check(what, str(found), str(low) if low == high else f"{low} to {high}", low <= found <= high)


def _none(what: str, found: int) -> Check:
    return Check(what, str(found), "0" if found else "", None if not found else False)


def _count(dataset: Dataset, begins: str) -> int:
    return sum(re.match(begins, problem.what) is not None for problem in dataset.problems)
