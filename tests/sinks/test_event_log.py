from __future__ import annotations

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sink_samples import event, result

from stream_mer.errors import ConfigError, OutputError
from stream_mer.sinks.event_log import EventLog, EventRecord, from_line, read_events, read_records, to_line
from stream_mer.types import LABELS, Event

ENGINES = {"rrdb": "0123456789abcdef" * 4, "cnn": "f" * 64}


def test_line_holds_exactly_the_documented_fields_in_order(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "events.jsonl", ENGINES, utc=None)
    log.write(result(30, events=(event(),)))
    log.close(None)
    fields = json.loads((tmp_path / "events.jsonl").read_text())
    assert list(fields) == [
        *("id", "source", "epoch", "track_id", "onset_ns", "apex_ns", "offset_ns"),
        *("label", "probability", "probabilities", "face_px", "sr", "engines"),
    ]
    assert list(fields["probabilities"]) == list(LABELS)
    assert fields["engines"] == {"cnn": "ffffffffffff", "rrdb": "0123456789ab"}
    assert fields["onset_ns"] == 1_000_000_000


def test_onset_utc_only_for_live_sources(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "e.jsonl", {}, utc=lambda ns: f"2026-01-01T00:00:{ns / 1e9:06.3f}Z")
    log.write(result(events=(event(1500),)))
    log.close(None)
    (record,) = read_records(tmp_path / "e.jsonl")
    assert record.onset_utc == "2026-01-01T00:00:01.500Z"


def test_each_event_is_on_disk_before_write_returns(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "e.jsonl", {}, utc=None)
    for index in range(3):
        log.write(result(index, events=(event(1000 * (index + 1)),)))
        assert len(read_events(tmp_path / "e.jsonl")) == index + 1
    log.close(None)


def test_no_events_leave_an_empty_file_and_an_old_log_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "e.jsonl"
    path.parent.mkdir()
    path.write_text("old\n")
    EventLog(path, {}, utc=None).close(None)
    assert path.read_bytes() == b""
    assert read_events(path) == []


def test_torn_last_line_is_left_out_at_every_cut(tmp_path: Path) -> None:
    path = tmp_path / "e.jsonl"
    whole = to_line(EventRecord(event(1000))).encode() + to_line(EventRecord(event(2000))).encode()
    first = whole.index(b"\n") + 1
    for cut in range(first, len(whole) - 1):
        path.write_bytes(whole[:cut])
        assert [e.onset_ns for e in read_events(path)] == [1_000_000_000], cut


@pytest.mark.parametrize("bad", ["{}", "not json", "[1]", '{"id": 1}', "\xff"])
def test_damage_in_the_middle_is_named(tmp_path: Path, bad: str) -> None:
    path = tmp_path / "e.jsonl"
    good = to_line(EventRecord(event()))
    path.write_bytes(good.encode() + bad.encode("latin-1") + b"\n" + good.encode())
    with pytest.raises(ConfigError, match="line 2 is not an event"):
        read_events(path)


def test_missing_log_is_a_config_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot read the event log .*No such file"):
        read_events(tmp_path / "none.jsonl")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this system")
def test_full_disk_is_an_output_error() -> None:
    log = EventLog("/dev/full", {}, utc=None)
    with pytest.raises(OutputError, match=r"(?s)No space left.*free some space"):
        log.write(result(events=(event(),)))
    log.close(None)


@pytest.mark.skipif(sys.platform == "win32", reason="file size limits are POSIX")
def test_line_that_does_not_fit_is_cut_off_again(tmp_path: Path) -> None:
    import resource

    path = tmp_path / "e.jsonl"
    log = EventLog(path, {}, utc=None)
    log.write(result(events=(event(1000),)))
    size = path.stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))  # room for a part of the next line
    try:
        with pytest.raises(OutputError, match="cannot append"):
            log.write(result(events=(event(2000),)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.close(None)
    assert path.stat().st_size == size
    assert len(read_events(path)) == 1


def test_unwritable_folder_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(OutputError, match="cannot write the event log"):
        EventLog(tmp_path / "file" / "e.jsonl", {}, utc=None)
    if os.geteuid() != 0:
        (tmp_path / "locked").mkdir(mode=0o500)
        with pytest.raises(OutputError, match="Permission denied"):
            EventLog(tmp_path / "locked" / "e.jsonl", {}, utc=None)


text = st.text(st.characters(exclude_categories=("Cs",)), max_size=30)
probability = st.floats(0, 1).map(lambda p: round(p, 6))


@given(
    text,
    text,
    st.integers(0, 9),
    st.lists(st.integers(0, 10**18), min_size=3, max_size=3, unique=True),
    st.sampled_from(LABELS),
    st.tuples(*[probability] * 5),
    probability,
    st.booleans(),
)
def test_any_event_survives_the_round_trip(
    id_: str, source: str, epoch: int, times: list[int], label: str, ps: tuple[float, ...], p: float, sr: bool
) -> None:
    onset, apex, offset = sorted(times)
    record = EventRecord(
        Event(id_, source, epoch, 3, onset, apex, offset, label, p, ps, 48.5, sr), None, {"a": "b"}
    )
    line = to_line(record)
    assert line.count("\n") == 1
    assert line.endswith("\n")
    assert from_line(line) == record


def test_an_event_names_only_the_engines_its_face_went_through(tmp_path: Path) -> None:
    log = EventLog(tmp_path / "e.jsonl", {"rrdb": "a" * 64, "cnn": "b" * 64}, utc=None, super_resolver="rrdb")
    log.write(result(1, events=(event(10), replace(event(900), sr=False))))
    log.close(None)
    through, native = (json.loads(line)["engines"] for line in log.path.read_text().splitlines())
    assert set(through) == {"rrdb", "cnn"}
    assert set(native) == {"cnn"}
