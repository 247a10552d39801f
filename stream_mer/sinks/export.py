"""Turns an event log into what annotators and analysts open: CSV, SRT, WebVTT, ELAN, Parquet."""

from __future__ import annotations

import csv
import importlib
import io
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from stream_mer.errors import ConfigError, OutputError
from stream_mer.sinks.elan import to_elan
from stream_mer.sinks.event_log import EventRecord, read_records
from stream_mer.sinks.summary import write_text
from stream_mer.types import LABELS, Event

FORMATS: dict[str, str] = {
    "csv": "events.csv",
    "srt": "events.srt",
    "webvtt": "events.vtt",
    "elan": "events.eaf",
    "parquet": "events.parquet",
}
"""Name of each format and of the file it is written to."""

COLUMNS: tuple[str, ...] = (
    *("id", "source", "epoch", "track_id", "onset_s", "apex_s", "offset_s", "duration_ms", "onset_utc"),
    *("label", "probability", *(f"p_{label}" for label in LABELS), "face_px", "sr"),
)
"""Columns of the tables (CSV and Parquet). Seconds carry nine decimals: nothing is lost to rounding."""

SUBTITLE_NS = 1_000_000_000
"""A caption stays at least this long; a fifth of a second cannot be read."""


def export(run: Path | str, to: str, out: Path | str | None = None) -> Path:
    """Write the events of a run in another format.

    Args:
        run: the folder of a run, or its ``events.jsonl``.
        to: one of ``FORMATS``.
        out: file to write; by default beside the log, under the name in ``FORMATS``.

    Returns:
        The file written.

    Raises:
        ConfigError: unknown format, no log there, a damaged log, or no pyarrow for Parquet.
        OutputError: the file cannot be written.
    """
    if to not in FORMATS:
        raise ConfigError(f"unknown export format {to!r}\nchoose one of {', '.join(FORMATS)}")
    log = Path(run)
    log = log / "events.jsonl" if log.is_dir() else log
    records = read_records(log)
    path = Path(out) if out is not None else log.with_name(FORMATS[to])
    if to == "parquet":
        write_parquet(path, records)
        return path
    writers = {"csv": to_csv, "srt": to_srt, "webvtt": to_webvtt, "elan": to_elan}
    write_text(path, writers[to](records), f"the {to} file")
    return path


def to_csv(records: Sequence[EventRecord]) -> str:
    """Events as RFC 4180 CSV with a header, one event a row, in time order.

    Text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for row in _rows(records):
        writer.writerow([_cell(row[column]) for column in COLUMNS])
    return text.getvalue()


def to_srt(records: Sequence[EventRecord]) -> str:
    """Events as SubRip subtitles: class, probability, person and true duration."""
    blocks = []
    for number, event in enumerate(_in_order(records), start=1):
        begin, end = _caption_span(event)
        times = f"{_stamp(begin, ',')} --> {_stamp(end, ',')}"
        blocks.append(f"{number}\n{times}\n{_caption(event)}\n")
    return "\n".join(blocks)


def to_webvtt(records: Sequence[EventRecord]) -> str:
    """Events as WebVTT, which browsers show as a track of a ``<video>``; cue ids are event ids."""
    blocks = ["WEBVTT\n"]
    for event in _in_order(records):
        begin, end = _caption_span(event)
        cue = "".join(c for c in event.id if c.isprintable()).replace("-->", "")
        blocks.append(f"{cue}\n{_stamp(begin, '.')} --> {_stamp(end, '.')}\n{_caption(event)}\n")
    return "\n".join(blocks)


def write_parquet(path: Path, records: Sequence[EventRecord]) -> None:
    """Events as a Parquet table with the columns of the CSV.

    Raises:
        ConfigError: pyarrow is not installed.
        OutputError: the file cannot be written.
    """
    try:
        pyarrow: Any = importlib.import_module("pyarrow")
        parquet: Any = importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise ConfigError(
            "exporting to parquet needs pyarrow, which is not installed\n"
            "run: python -m pip install pyarrow    (or export to csv)"
        ) from error
    text, whole = pyarrow.string(), pyarrow.int64()
    kinds = {"id": text, "source": text, "onset_utc": text, "label": text, "epoch": whole, "track_id": whole}
    kinds["sr"] = pyarrow.bool_()
    schema = pyarrow.schema([(column, kinds.get(column, pyarrow.float64())) for column in COLUMNS])
    table = pyarrow.Table.from_pylist([_numbers(row) for row in _rows(records)], schema=schema)
    part = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, part)
        part.replace(path)
    except OSError as error:
        with suppress(OSError):  # as the rest of a disk that takes nothing any more
            part.unlink(missing_ok=True)
        raise OutputError(f"cannot write {path}: {error}\nfree some space or choose another file") from error


def _in_order(records: Sequence[EventRecord]) -> list[Event]:
    events = [record.event for record in records]
    return sorted(events, key=lambda event: (event.epoch, event.onset_ns, event.track_id))


def _rows(records: Sequence[EventRecord]) -> list[dict[str, object]]:
    ordered = sorted(records, key=lambda r: (r.event.epoch, r.event.onset_ns, r.event.track_id))
    return [_row(record) for record in ordered]


def _row(record: EventRecord) -> dict[str, object]:
    event = record.event
    probabilities = {f"p_{name}": p for name, p in zip(LABELS, event.probabilities, strict=True)}
    return {
        "id": event.id,
        "source": event.source,
        "epoch": event.epoch,
        "track_id": event.track_id,
        "onset_s": _seconds(event.onset_ns),
        "apex_s": _seconds(event.apex_ns),
        "offset_s": _seconds(event.offset_ns),
        "duration_ms": round((event.offset_ns - event.onset_ns) / 1e6, 3),
        "onset_utc": record.onset_utc,
        "label": event.label,
        "probability": event.probability,
        **probabilities,
        "face_px": event.face_px,
        "sr": event.sr,
    }


def _numbers(row: dict[str, object]) -> dict[str, object]:
    return {key: float(str(row[key])) if key.endswith("_s") else row[key] for key in row}


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") and not _is_number(value):
        return "'" + value
    return value


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _seconds(ns: int) -> str:
    """Nanoseconds as exact decimal seconds."""
    sign, ns = ("-", -ns) if ns < 0 else ("", ns)
    return f"{sign}{ns // 10**9}.{ns % 10**9:09d}"


def _stamp(ns: int, point: str) -> str:
    milliseconds = max(0, ns) // 1_000_000
    seconds, milliseconds = divmod(milliseconds, 1000)
    return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}{point}{milliseconds:03d}"


def _caption_span(event: Event) -> tuple[int, int]:
    return event.onset_ns, max(event.offset_ns, event.onset_ns + SUBTITLE_NS)


def _caption(event: Event) -> str:
    milliseconds = (event.offset_ns - event.onset_ns) / 1e6
    return f"#{event.track_id} {event.label} {100 * event.probability:.0f} % ({milliseconds:.0f} ms)"
