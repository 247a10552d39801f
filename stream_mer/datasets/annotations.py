"""Reads what annotators wrote about a video, in ELAN (.eaf) or as CSV, as the truth to evaluate against."""

from __future__ import annotations

import csv
import io
import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

from stream_mer.datasets.annotated import SYNONYMS
from stream_mer.datasets.truth import ClipTruth, TruthSpan, read_truth
from stream_mer.errors import ConfigError

LABELS = frozenset({"happiness", "surprise", "disgust", "repression", "others"})
MOST_DIGITS = 9
"""Decimals of a second that matter: nanoseconds."""
_DISTRACTORS = frozenset({"blink", "gaze", "speech", "swallow", "macro", "light"})


def read_annotations(path: Path | str) -> ClipTruth:
    """The truth about a video from ``.eaf``, ``.csv`` or ``.json``, by the file's ending.

    Raises:
        ConfigError: it is not there, is none of these, or says something impossible; the message names
            the row or the annotation.
    """
    path = Path(path)
    readers = {".eaf": read_elan, ".csv": read_csv, ".json": read_truth}
    if path.suffix.lower() not in readers:
        raise ConfigError(
            f"{path} is no annotation\ngive an .eaf file of ELAN, a .csv table or a .json truth"
        )
    return readers[path.suffix.lower()](path)


def read_csv(path: Path) -> ClipTruth:
    """Events from a table with ``onset_s``, ``offset_s`` and ``label``, and if there is one ``apex_s``.

    ``onset_ns`` and so on serve as well. This is what ``stream-mer export --to csv`` writes, so an
    annotator can correct that file and give it back. The interval is half-open. Commas, semicolons and
    tabs separate. Rows with a distractor's name as label (blink, speech, ...) are no events.

    Raises:
        ConfigError: unreadable, a column missing, or a cell that cannot be right.
    """
    text = _text(path)
    first = text.split("\n", 1)[0]
    reader = csv.DictReader(io.StringIO(text), delimiter=max(",;\t", key=first.count))
    names = {(name or "").strip().lower(): name for name in reader.fieldnames or ()}
    for name in ("onset", "offset"):
        if f"{name}_s" not in names and f"{name}_ns" not in names:
            raise ConfigError(f"{path}, row 1: no column {name}_s\nlet it begin with onset_s,offset_s,label")
    if "label" not in names:
        raise ConfigError(f"{path}, row 1: no column label\nlet it begin with onset_s,offset_s,label")
    spans = []
    for row in reader:
        cells = {
            name: (row[key] or "").strip() for name, key in names.items() if isinstance(row[key], str | None)
        }
        if not any(cells.values()):
            continue
        where = f"{path}, row {reader.line_num}"
        times = [_cell_ns(cells, name, where) for name in ("onset", "apex", "offset")]
        if times[0] is None or times[2] is None:
            raise ConfigError(f"{where}: onset or offset is empty\nwrite seconds, such as 1.234")
        spans.append(_span(times[0], times[2], times[1], cells["label"], where))
    return _truth(path.stem, spans)


def read_elan(path: Path) -> ClipTruth:
    """Events from an ELAN document: every time-aligned annotation of every tier, its value the label.

    Annotations with an empty value, or a value that is neither a label nor a distractor's name, are
    refused: better none than a wrong truth. Tiers whose name begins with ``notes`` are passed over.

    Raises:
        ConfigError: unreadable, or an annotation that cannot be right.
    """
    try:
        root = ET.fromstring(_text(path))
    except ET.ParseError as error:
        raise ConfigError(f"{path} is no ELAN document: {error}\nsave it again in ELAN") from error
    if root.tag != "ANNOTATION_DOCUMENT":
        raise ConfigError(f"{path} is no ELAN document but <{root.tag}>\nsave it again in ELAN")
    units = root.find("HEADER")
    if units is not None and units.get("TIME_UNITS", "milliseconds") != "milliseconds":
        raise ConfigError(
            f"{path} counts in {units.get('TIME_UNITS')}\nset ELAN to milliseconds and save again"
        )
    slots = {slot.get("TIME_SLOT_ID"): slot.get("TIME_VALUE") for slot in root.iter("TIME_SLOT")}
    spans = []
    for tier in root.iter("TIER"):
        if (tier.get("TIER_ID") or "").lower().startswith("notes"):
            continue
        for one in tier.iter("ALIGNABLE_ANNOTATION"):
            where = f"{path}, tier {tier.get('TIER_ID')!r}, annotation {one.get('ANNOTATION_ID')}"
            begin, end = (slots.get(one.get(f"TIME_SLOT_REF{n}")) for n in (1, 2))
            if begin is None or end is None or not (begin.isdecimal() and end.isdecimal()):
                raise ConfigError(f"{where} has no time\nalign it in ELAN")
            value = one.findtext("ANNOTATION_VALUE") or ""
            spans.append(_span(int(begin) * 1_000_000, int(end) * 1_000_000, None, value, where))
    return _truth(path.stem, spans)


def _truth(clip: str, spans: list[TruthSpan]) -> ClipTruth:
    ordered = sorted(spans, key=lambda span: (span.onset_ns, span.offset_ns))
    events = tuple(span for span in ordered if span.label in LABELS)
    return ClipTruth(clip, events, tuple(span for span in ordered if span.label in _DISTRACTORS))


def _span(onset: int, offset: int, apex: int | None, label: str, where: str) -> TruthSpan:
    word = SYNONYMS.get(label.strip().lower(), label.strip().lower())
    if word not in LABELS | _DISTRACTORS:
        known = ", ".join(sorted(LABELS))
        raise ConfigError(
            f"{where}: unknown label {label!r}\nwrite one of {known} (or {', '.join(sorted(_DISTRACTORS))})"
        )
    try:
        return TruthSpan(onset, offset, word, apex)
    except ValueError as error:
        raise ConfigError(f"{where}: {error}\ncorrect the times") from error


def _cell_ns(cells: Mapping[str, str], name: str, where: str) -> int | None:
    """A time as nanoseconds, exact for decimals; None where the cell is empty."""
    if cells.get(f"{name}_ns"):
        text, digits = cells[f"{name}_ns"], 0
    else:
        text, digits = cells.get(f"{name}_s", "").replace(",", "."), MOST_DIGITS
    if not text:
        return None
    found = re.fullmatch(r"(\d+)(?:\.(\d*))?", text)
    if found is None or (digits == 0 and found[2]):
        raise ConfigError(f"{where}: {name} is {text!r}, no time\nwrite seconds, such as 1.234")
    return int(found[1] + (found[2] or "")[:digits].ljust(digits, "0"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is not UTF-8 text\nsave it as UTF-8") from error
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror or error}\ncheck the path") from error
