from __future__ import annotations

import csv
import errno
import io
import sys
import xml.etree.ElementTree as ET
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sink_samples import event, result

from stream_mer.errors import ConfigError, OutputError
from stream_mer.sinks.elan import to_elan
from stream_mer.sinks.event_log import EventLog, EventRecord
from stream_mer.sinks.export import COLUMNS, FORMATS, export, to_csv, to_srt, to_webvtt
from stream_mer.types import LABELS

RECORDS = [
    EventRecord(event(62_500, 120, "disgust", track_id=2), "2026-01-01T00:01:02.500Z"),
    EventRecord(event(1000, 80, "surprise")),
]

CSV = """\
id,source,epoch,track_id,onset_s,apex_s,offset_s,duration_ms,onset_utc,label,probability,\
p_happiness,p_surprise,p_disgust,p_repression,p_others,face_px,sr\r
1-1000,clip.mp4,0,1,1.000000000,1.040000000,1.080000000,80.0,,surprise,0.92,\
0.03,0.8,0.03,0.03,0.03,96.25,true\r
2-62500,clip.mp4,0,2,62.500000000,62.560000000,62.620000000,120.0,2026-01-01T00:01:02.500Z,disgust,0.92,\
0.03,0.03,0.8,0.03,0.03,96.25,true\r
"""
SRT = """\
1
00:00:01,000 --> 00:00:02,000
#1 surprise 92 % (80 ms)

2
00:01:02,500 --> 00:01:03,500
#2 disgust 92 % (120 ms)
"""
VTT = """\
WEBVTT

1-1000
00:00:01.000 --> 00:00:02.000
#1 surprise 92 % (80 ms)

2-62500
00:01:02.500 --> 00:01:03.500
#2 disgust 92 % (120 ms)
"""
EAF = """\
<?xml version="1.0" encoding="UTF-8"?>
<ANNOTATION_DOCUMENT xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" AUTHOR="stream_mer" \
DATE="1970-01-01T00:00:00+00:00" FORMAT="3.0" VERSION="3.0" \
xsi:noNamespaceSchemaLocation="http://www.mpi.nl/tools/elan/EAFv3.0.xsd">
    <HEADER MEDIA_FILE="" TIME_UNITS="milliseconds">
        <MEDIA_DESCRIPTOR MEDIA_URL="clip.mp4" MIME_TYPE="video/mp4" />
        <PROPERTY NAME="lastUsedAnnotationId">2</PROPERTY>
    </HEADER>
    <TIME_ORDER>
        <TIME_SLOT TIME_SLOT_ID="ts1" TIME_VALUE="1000" />
        <TIME_SLOT TIME_SLOT_ID="ts2" TIME_VALUE="1080" />
        <TIME_SLOT TIME_SLOT_ID="ts3" TIME_VALUE="62500" />
        <TIME_SLOT TIME_SLOT_ID="ts4" TIME_VALUE="62620" />
    </TIME_ORDER>
    <TIER LINGUISTIC_TYPE_REF="micro-expression" TIER_ID="person 1">
        <ANNOTATION>
            <ALIGNABLE_ANNOTATION ANNOTATION_ID="a1" CVE_REF="cveid_surprise" TIME_SLOT_REF1="ts1" \
TIME_SLOT_REF2="ts2">
                <ANNOTATION_VALUE>surprise</ANNOTATION_VALUE>
            </ALIGNABLE_ANNOTATION>
        </ANNOTATION>
    </TIER>
"""


def test_golden_csv() -> None:
    assert to_csv(RECORDS) == CSV


def test_golden_srt() -> None:
    assert to_srt(RECORDS) == SRT


def test_golden_webvtt() -> None:
    assert to_webvtt(RECORDS) == VTT


def test_golden_elan() -> None:
    assert to_elan(RECORDS).startswith(EAF)


def test_nothing_found_gives_valid_empty_files() -> None:
    assert to_csv([]) == ",".join(COLUMNS) + "\r\n"
    assert to_srt([]) == ""
    assert to_webvtt([]) == "WEBVTT\n"
    assert ET.fromstring(to_elan([])).findall("TIER") == []


def test_spreadsheets_run_no_formula() -> None:
    bad = EventRecord(replace(event(), id="=1+1", source="@cmd"))
    row = next(csv.DictReader(io.StringIO(to_csv([bad]))))
    assert row["id"] == "'=1+1"
    assert row["source"] == "'@cmd"


def elements(text: str) -> list[str]:
    return [child.tag for child in ET.fromstring(text)]


def test_elan_elements_stand_in_the_schemas_order() -> None:
    order = ["HEADER", "TIME_ORDER", "TIER", "LINGUISTIC_TYPE", "LANGUAGE", "CONTROLLED_VOCABULARY"]
    assert list(dict.fromkeys(elements(to_elan(RECORDS)))) == order


@given(
    st.lists(
        st.tuples(st.integers(0, 5000), st.integers(1, 900), st.integers(1, 3), st.integers(0, 1)),
        max_size=30,
    )
)
def test_elan_is_consistent_for_any_events(rows: list[tuple[int, int, int, int]]) -> None:
    events = [
        event(onset, max(2, length), track_id=track, epoch=epoch) for onset, length, track, epoch in rows
    ]
    root = ET.fromstring(to_elan([EventRecord(e) for e in events]))
    times = {s.get("TIME_SLOT_ID"): int(s.get("TIME_VALUE", "")) for s in root.iter("TIME_SLOT")}
    assert list(times.values()) == sorted(times.values())
    types = {t.get("LINGUISTIC_TYPE_ID") for t in root.iter("LINGUISTIC_TYPE")}
    entries = {e.get("CVE_ID"): e[0].text for e in root.iter("CV_ENTRY_ML")}
    assert list(entries.values()) == list(LABELS)
    seen = []
    for tier in root.iter("TIER"):
        assert tier.get("LINGUISTIC_TYPE_REF") in types
        end = -1
        for a in tier.iter("ALIGNABLE_ANNOTATION"):
            assert entries[a.get("CVE_REF")] == a[0].text
            begin, end_before = times[a.get("TIME_SLOT_REF1")], end
            end = times[a.get("TIME_SLOT_REF2")]
            assert end_before <= begin < end
            seen.append(begin)
    assert sorted(seen) == sorted(onset for onset, *_ in rows)
    ids = [a.get("ANNOTATION_ID") for a in root.iter("ALIGNABLE_ANNOTATION")]
    assert len(set(ids)) == len(ids) == len(rows)


def test_elan_stays_xml_with_any_source_name() -> None:
    odd = replace(event(), source='a<&">\x00\x1b\ud800.mov')
    root = ET.fromstring(to_elan([EventRecord(odd)]).encode())
    assert root.find(".//MEDIA_DESCRIPTOR").get("MEDIA_URL") == 'a<&">.mov'  # type: ignore[union-attr]


def make_run(folder: Path) -> Path:
    log = EventLog(folder / "events.jsonl", {"cnn": "ab" * 32}, utc=None)
    log.write(result(events=(event(1000, 80),)))
    log.close(None)
    return folder


@pytest.mark.parametrize("to", ["csv", "srt", "webvtt", "elan"])
def test_export_writes_beside_the_log_or_where_told(tmp_path: Path, to: str) -> None:
    run = make_run(tmp_path / "run")
    assert export(run, to) == run / FORMATS[to]
    assert export(run / "events.jsonl", to, tmp_path / "else" / "x") == tmp_path / "else" / "x"
    assert (run / FORMATS[to]).read_bytes() == (tmp_path / "else" / "x").read_bytes()
    assert b"surprise" in (run / FORMATS[to]).read_bytes()


def test_export_says_what_is_wrong(tmp_path: Path) -> None:
    run = make_run(tmp_path / "run")
    with pytest.raises(ConfigError, match=r"unknown export format 'xls'\nchoose one of csv, srt"):
        export(run, "xls")
    with pytest.raises(ConfigError, match="cannot read the event log"):
        export(tmp_path, "csv")
    with pytest.raises(OutputError, match="cannot write the csv file"):
        export(run, "csv", run / "events.jsonl" / "x.csv")


def test_parquet_without_pyarrow_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ConfigError, match=r"needs pyarrow.*\n.*pip install pyarrow"):
        export(make_run(tmp_path / "run"), "parquet")


def test_parquet_on_a_disk_that_takes_nothing_is_an_output_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor can what was begun be removed there."""
    pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    run = make_run(tmp_path / "run")
    (tmp_path / "run" / "events.parquet.part").mkdir()  # cannot be written, as a file cannot be there

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(path))

    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OutputError, match="cannot write"):
        export(run, "parquet")


def test_parquet_reads_back(tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet", reason="pyarrow is not installed")
    path = export(make_run(tmp_path / "run"), "parquet")
    (row,) = parquet.read_table(path).to_pylist()
    assert list(row) == list(COLUMNS)
    assert row["onset_s"] == 1.0
    assert row["sr"] is True
    assert row["onset_utc"] is None
