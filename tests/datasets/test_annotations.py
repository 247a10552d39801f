"""Annotations from ELAN and CSV as truth, and the way from a run's export back."""

from __future__ import annotations

import json
from pathlib import Path

import evaluate
import pytest

from stream_mer.datasets.annotations import read_annotations
from stream_mer.datasets.truth import TruthSpan
from stream_mer.errors import ConfigError
from stream_mer.sinks.event_log import EventLog
from stream_mer.sinks.export import export
from stream_mer.types import LABELS, Event, Frame, Result

MS = 1_000_000


def elan(
    path: Path, rows: list[tuple[int, int, str]], tier: str = "person 1", units: str = "milliseconds"
) -> Path:
    """A document as ELAN itself writes it: slots in order of time, some without a value in between."""
    slots, body = [], []
    for n, (begin, end, value) in enumerate(rows):
        slots += [f'<TIME_SLOT TIME_SLOT_ID="ts{2 * n}" TIME_VALUE="{begin}"/>']
        slots += [f'<TIME_SLOT TIME_SLOT_ID="ts{2 * n + 1}" TIME_VALUE="{end}"/>']
        body.append(
            f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="a{n}" TIME_SLOT_REF1="ts{2 * n}" '
            f'TIME_SLOT_REF2="ts{2 * n + 1}"><ANNOTATION_VALUE>{value}</ANNOTATION_VALUE>'
            "</ALIGNABLE_ANNOTATION></ANNOTATION>"
        )
    path.write_text(
        f'<?xml version="1.0" encoding="UTF-8"?><ANNOTATION_DOCUMENT><HEADER TIME_UNITS="{units}"/>'
        f"<TIME_ORDER>{''.join(slots)}</TIME_ORDER>"
        f'<TIER TIER_ID="{tier}" LINGUISTIC_TYPE_REF="x">{"".join(body)}</TIER></ANNOTATION_DOCUMENT>',
        encoding="utf-8",
    )
    return path


def test_elan(tmp_path: Path) -> None:
    path = elan(tmp_path / "v.eaf", [(900, 1020, "Surprise"), (100, 250, "blink"), (300, 420, " Other ")])
    truth = read_annotations(path)
    assert truth.events == (
        TruthSpan(300 * MS, 420 * MS, "others"),
        TruthSpan(900 * MS, 1020 * MS, "surprise"),
    )
    assert truth.distractors == (TruthSpan(100 * MS, 250 * MS, "blink"),)
    assert truth.clip == "v"


def test_tiers_of_notes_are_passed_over(tmp_path: Path) -> None:
    assert read_annotations(elan(tmp_path / "v.eaf", [(1, 2, "whatever")], tier="Notes 2")).events == ()


@pytest.mark.parametrize(
    ("rows", "options", "message"),
    [
        ([(5, 9, "joy")], {}, "tier 'person 1', annotation a0: unknown label 'joy'\nwrite one of disgust"),
        ([(5, 9, "")], {}, "annotation a0: unknown label ''"),
        ([(9, 9, "disgust")], {}, "onset 9000000 ns is not before offset"),
        ([(5, 9, "disgust")], {"units": "PAL"}, "counts in PAL"),
    ],
)
def test_elan_that_cannot_be_right(rows, options, message, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read_annotations(elan(tmp_path / "v.eaf", rows, **options))


def test_no_elan(tmp_path: Path) -> None:
    path = tmp_path / "v.eaf"
    for text, message in (("<x", "is no ELAN document: "), ("<x/>", "is no ELAN document but <x>")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=message):
            read_annotations(path)
    bad = elan(path, [(1, 2, "disgust")]).read_text().replace(' TIME_VALUE="1"', "")
    path.write_text(bad)
    with pytest.raises(ConfigError, match="annotation a0 has no time"):
        read_annotations(path)
    path.write_text(bad.replace('"ts0"', '"ts0" TIME_VALUE="soon"'))
    with pytest.raises(ConfigError, match="annotation a0 has no time"):
        read_annotations(path)
    with pytest.raises(ConfigError, match="cannot read"):
        read_annotations(tmp_path / "gone.eaf")
    with pytest.raises(ConfigError, match="is no annotation\ngive an"):
        read_annotations(tmp_path / "v.txt")


def test_csv_in_seconds_or_nanoseconds(tmp_path: Path) -> None:
    path = tmp_path / "v.csv"
    path.write_text(
        "\ufeffLabel;ONSET_S;offset_s;apex_s\r\nHappy;1,5;1.7;1.6\r\n;;;\r\nblink;3;3.2;\r\n", "utf-8"
    )
    truth = read_annotations(path)
    assert truth.events == (TruthSpan(1500 * MS, 1700 * MS, "happiness", 1600 * MS),)
    assert len(truth.distractors) == 1
    path.write_text("onset_ns,offset_ns,label\n1,1000000007,disgust\n")
    assert read_annotations(path).events == (TruthSpan(1, 1_000_000_007, "disgust"),)
    path.write_text("onset_s,offset_s,label\n0.123456789,0.2,disgust\n")
    assert read_annotations(path).events[0].onset_ns == 123_456_789, "no rounding through floats"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "row 1: no column onset_s"),
        ("onset_s,offset_s\n1,2\n", "row 1: no column label"),
        ("onset_s,offset_s,label\n1,2,joy\n", "row 2: unknown label 'joy'"),
        ("onset_s,offset_s,label\n1,2,disgust\nx,2,disgust\n", "row 3: onset is 'x', no time"),
        ("onset_s,offset_s,label\n1,,disgust\n", "row 2: onset or offset is empty"),
        ("onset_s,offset_s,label\n2,1,disgust\n", "row 2: onset 2000000000 ns is not before"),
        ("onset_ns,offset_ns,label\n1.5,2,disgust\n", "row 2: onset is '1.5', no time"),
    ],
)
def test_csv_that_cannot_be_right(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "v.csv").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_annotations(tmp_path / "v.csv")


def event(onset_ms: int, offset_ms: int, label: str) -> Event:
    chances = tuple(0.9 if name == label else 0.025 for name in LABELS)
    times = (onset_ms * MS, (onset_ms + 1) * MS, offset_ms * MS)
    return Event(f"e{onset_ms}", "v.mp4", 0, 1, *times, label, 0.9, chances, 90.0, False)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A run with three events."""
    import numpy as np

    folder = tmp_path / "run"
    log = EventLog(folder / "events.jsonl", {"cnn": "ab" * 32}, utc=None)
    events = (event(100, 220, "surprise"), event(900, 1000, "disgust"), event(2000, 2100, "others"))
    frame = Frame(0, 0, np.zeros((4, 4, 3), np.uint8))
    log.write(Result(frame, (), events=events))
    log.close(None)
    return folder


@pytest.mark.parametrize("to", ["csv", "elan"])
def test_what_a_run_exports_is_a_truth_it_agrees_with(run: Path, to: str, capsys) -> None:
    assert evaluate.main(["events", str(run), "--truth", str(export(run, to))]) == 0
    said = capsys.readouterr().out
    assert "| run | 3 | 0 | 0 | 1.000 | 1.000 | 1.000 |" in said
    assert "right class: 3 of 3 hits; analysis F1 1.000, STRS 1.000" in said


def test_what_is_only_partly_visible_is_neither_missed_nor_wrong(run: Path, tmp_path: Path, capsys) -> None:
    clear = {"onset_ns": 100 * MS, "offset_ns": 220 * MS, "label": "surprise"}
    hidden = [{"onset_ns": t * MS, "offset_ns": (t + 80) * MS, "label": "disgust"} for t in (890, 4000)]
    truth = tmp_path / "v.json"
    truth.write_text(json.dumps({"events": [clear], "partly_visible": hidden}))
    assert evaluate.main(["events", str(run), "--truth", str(truth)]) == 0
    assert "| all | 1 | 1 | 0 | 0.500 | 1.000 | 0.667 |" in capsys.readouterr().out


def test_exported_elan_opens_in_pympi(run: Path) -> None:
    pympi = pytest.importorskip("pympi")
    document = pympi.Elan.Eaf(str(export(run, "elan")))
    assert list(document.get_tier_names()) == ["person 1"]
    found = [row[:3] for row in document.get_annotation_data_for_tier("person 1")]
    assert found == [(100, 220, "surprise"), (900, 1000, "disgust"), (2000, 2100, "others")]
    assert "micro-expressions" in document.get_controlled_vocabulary_names()


def test_corrected_in_pympi_and_read_back(run: Path, tmp_path: Path, capsys) -> None:
    # An annotator removes one event, adds one that was missed, and saves with another tool.
    pympi = pytest.importorskip("pympi")
    document = pympi.Elan.Eaf(str(export(run, "elan")))
    document.remove_annotation("person 1", 2050)
    document.add_annotation("person 1", 3000, 3150, "happiness")
    corrected = tmp_path / "corrected.eaf"
    document.to_file(str(corrected))
    truth = read_annotations(corrected)
    assert [e.label for e in truth.events] == ["surprise", "disgust", "happiness"]
    assert evaluate.main(["events", str(run), "--truth", str(corrected)]) == 0
    assert "| all | 2 | 1 | 1 | 0.667 | 0.667 | 0.667 |" in capsys.readouterr().out


def test_arguments_that_do_not_fit(run: Path, capsys) -> None:
    assert evaluate.main(["events", str(run), str(run), "--truth", str(run / "x.csv")]) == 2
    assert "2 runs but 1 truths" in capsys.readouterr().err
    assert evaluate.main(["events", str(run), "--truth", "x.csv", "--min-iou", "0"]) == 2


def test_a_class_the_product_does_not_know_is_refused(run: Path, tmp_path: Path, capsys) -> None:
    text = '{"events": [{"onset_ns": 0, "offset_ns": 5, "label": "contempt"}]}'
    (tmp_path / "v.json").write_text(text, encoding="utf-8")
    assert evaluate.main(["events", str(run), "--truth", str(tmp_path / "v.json")]) == 2
    assert "v.json: unknown label 'contempt'\nwrite one of happiness" in capsys.readouterr().err
