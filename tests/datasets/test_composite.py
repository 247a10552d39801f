"""The benchmarks' own selections: 442 samples in three classes, and twelve action units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from stream_mer.datasets.composite import CD6ME_UNITS, cd6me, megc2019
from stream_mer.datasets.findings import Dataset
from stream_mer.datasets.records import ClipRecord
from stream_mer.errors import ConfigError


def dataset(name: str, clips: list[tuple[str, str, str]], units: tuple[str, ...] = ()) -> Dataset:
    records = tuple(
        ClipRecord(name, subject, clip, Path(clip), 100.0, 1, None, 9, label, units)
        for subject, clip, label in clips
    )
    return Dataset(name, Path(), None, records, (), (), len(records))


def published() -> dict[str, Dataset]:
    """Sets with as many clips of each emotion as their workbooks have."""

    def many(counts: dict[str, int]) -> list[tuple[str, str, str]]:
        labels = [label for label, count in counts.items() for _ in range(count)]
        return [(f"s{n % 20:02d}", f"c{n}", label) for n, label in enumerate(labels)]

    casme2 = {
        "happiness": 32,
        "surprise": 25,
        "disgust": 62,
        "repression": 26,
        "others": 99,
        "fear": 2,
        "sadness": 7,
    }
    gone = [
        ("sub04", "EP12_01f", "disgust"),
        ("sub05", "EP12_03f", "repression"),
        ("sub24", "EP02_07", "disgust"),
    ]
    samm = {"anger": 57, "contempt": 12, "disgust": 9, "fear": 8, "sadness": 6}
    samm |= {"happiness": 26, "surprise": 15, "others": 26}
    return {
        "casme2": dataset("casme2", many(casme2) + gone),
        "smic-hs": dataset("smic-hs", many({"negative": 70, "positive": 51, "surprise": 43})),
        "samm": dataset("samm", many(samm)),
    }


def test_442_samples_in_three_classes() -> None:
    samples, remarks = megc2019(published())
    assert len(samples) == 442
    assert remarks == []
    by_set = {
        name: np.bincount([s.label for s in samples if s.record.dataset == name]) for name in published()
    }
    assert by_set["smic-hs"].tolist() == [70, 51, 43]
    assert by_set["samm"].tolist() == [92, 26, 15]
    assert by_set["casme2"].tolist() == [88, 32, 25]
    assert sum(by_set.values()).tolist() == [250, 109, 83]  # as MEGC 2019 published them
    assert not {("sub04", "EP12_01f")} & {(s.record.subject, s.record.clip) for s in samples}


def test_subjects_of_different_sets_are_different_people() -> None:
    samples, _ = megc2019(published())
    assert len({s.subject for s in samples}) == 60  # 20 in each
    assert len({s.record.subject for s in samples}) == 20


def test_another_count_is_said() -> None:
    sets = published()
    sets["samm"] = dataset("samm", [("006", "a", "anger")])
    assert megc2019(sets)[1] == ["samm: 1 samples, the composite has 133"]
    del sets["samm"]
    with pytest.raises(ConfigError, match="needs samm, too"):
        megc2019(sets)


def test_cd6me_units_whichever_side() -> None:
    sets = {
        "casme2": dataset("casme2", [("s1", "a", "fear")], ("R12", "L4", "25")),
        "mmew": dataset("mmew", [("s1", "b", "fear"), ("s2", "c", "fear")], ()),
    }
    records, groups, units = cd6me(sets)
    assert groups == ["casme2", "mmew", "mmew"]
    assert [CD6ME_UNITS[k] for k in np.flatnonzero(units[0])] == ["4", "12"]
    assert not units[1:].any()
    assert len(records) == 3
    with pytest.raises(ConfigError, match="needs two or more of casme"):
        cd6me({"casme2": sets["casme2"]})
