from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from stream_mer.datasets.truth import ClipTruth, TruthSpan, read_truth, truth_path
from stream_mer.errors import ConfigError

EVENT = {
    "onset_ns": 1000,
    "apex_ns": 1500,
    "offset_ns": 2000,
    "label": "surprise",
    "action_units": ["1", "2"],
}
BLINK = {"kind": "blink", "onset_ns": 50, "offset_ns": 90, "size": 1.0}


def write(folder: Path, record: Any) -> Path:
    path = folder / "clip_0001.json"
    path.write_text(record if isinstance(record, str) else json.dumps(record))
    return path


def test_reads_what_lies_beside_a_clip(tmp_path: Path) -> None:
    record = {"clip": "clip_0001.mp4", "subject": "anna", "seed": 7, "spec": {"fps": 30.0}, "events": [EVENT]}
    hidden = {"onset_ns": 3000, "offset_ns": 3500, "label": "others"}
    more = {"distractors": [BLINK], "partly_visible": [hidden], "pts_ns": [0, 1], "new_field": 1}
    write(tmp_path, record | more)
    expected = ClipTruth(
        "clip_0001.mp4",
        (TruthSpan(1000, 2000, "surprise", 1500, ("1", "2")),),
        (TruthSpan(50, 90, "blink"),),
        "anna",
        30.0,
        7,
        (TruthSpan(3000, 3500, "others"),),
    )
    assert read_truth(tmp_path / "clip_0001.mp4") == expected
    assert read_truth(truth_path(tmp_path / "clip_0001.mp4")) == expected


def test_smallest_truth(tmp_path: Path) -> None:
    assert read_truth(write(tmp_path, {"fps": 25, "events": []})) == ClipTruth("clip_0001", (), fps=25.0)


@pytest.mark.parametrize(
    ("record", "message"),
    [
        ("{", "is not a clip's truth"),
        ("[]", "is not a clip's truth"),
        ({"fps": 25}, "no 'events'"),
        (
            {"events": [EVENT, {**EVENT, "offset_ns": 900}]},
            "event 2: onset 1000 ns is not before offset 900",
        ),
        ({"events": [{**EVENT, "apex_ns": 2000}]}, "event 1: apex 2000 ns lies outside 1000..2000"),
        ({"events": [{"onset_ns": 1}]}, "event 1 has no offset_ns, label"),
        ({"events": [{**EVENT, "onset_ns": "x"}]}, "event 1: invalid literal"),
        ({"events": [], "distractors": [{**BLINK, "onset_ns": None}]}, "distractor 1:"),
    ],
)
def test_message_names_file_event_and_field(tmp_path: Path, record: Any, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"clip_0001\.json .*{message}"):
        read_truth(write(tmp_path, record))


def test_missing_truth(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the truth .*clip\.json: No such file"):
        read_truth(tmp_path / "clip.mp4")
