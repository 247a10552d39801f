"""Writes events as an ELAN annotation document (``.eaf``), for the tool many annotators code faces in."""

from __future__ import annotations

import mimetypes
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from pathlib import PurePath

from stream_mer.sinks.event_log import EventRecord
from stream_mer.types import LABELS, Event

SCHEMA = "http://www.mpi.nl/tools/elan/EAFv3.0.xsd"
"""The document's format. Source: EAF 3.0, Max Planck Institute for Psycholinguistics."""
_XSI = "http://www.w3.org/2001/XMLSchema-instance"
_TYPE, _VOCABULARY, _LANGUAGE = "micro-expression", "micro-expressions", "und"
_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def to_elan(records: Sequence[EventRecord]) -> str:
    """Events as an EAF 3.0 document: a tier for each person, an annotation for each event.

    Labels form a controlled vocabulary, so that an annotator corrects them from a list. ELAN counts
    whole milliseconds; times are rounded to the nearest, an event keeps at least one. A tier cannot
    hold overlapping annotations: those of one person go to a second tier.

    Args:
        records: as read from a log; their sources become the document's media.

    Returns:
        The XML text. The same events give the same text, hence the fixed date.
    """
    ET.register_namespace("xsi", _XSI)
    head = {"AUTHOR": "stream_mer", "DATE": "1970-01-01T00:00:00+00:00", "FORMAT": "3.0", "VERSION": "3.0"}
    root = ET.Element("ANNOTATION_DOCUMENT", {**head, f"{{{_XSI}}}noNamespaceSchemaLocation": SCHEMA})
    header = ET.SubElement(root, "HEADER", {"MEDIA_FILE": "", "TIME_UNITS": "milliseconds"})
    for source in sorted({record.event.source for record in records}):
        ET.SubElement(header, "MEDIA_DESCRIPTOR", _media(source))
    tiers = _tiers([record.event for record in records])
    total = str(sum(len(events) for events in tiers.values()))
    ET.SubElement(header, "PROPERTY", {"NAME": "lastUsedAnnotationId"}).text = total
    times = sorted({ms for events in tiers.values() for event in events for ms in _span(event)})
    slots = {ms: f"ts{number}" for number, ms in enumerate(times, start=1)}
    order = ET.SubElement(root, "TIME_ORDER")
    for ms, slot in slots.items():
        ET.SubElement(order, "TIME_SLOT", {"TIME_SLOT_ID": slot, "TIME_VALUE": str(ms)})
    number = 0
    for name, events in tiers.items():
        tier = ET.SubElement(root, "TIER", {"LINGUISTIC_TYPE_REF": _TYPE, "TIER_ID": name})
        for event in events:
            number += 1
            begin, end = _span(event)
            place = {
                "ANNOTATION_ID": f"a{number}",
                "CVE_REF": _entry_id(event.label),
                "TIME_SLOT_REF1": slots[begin],
                "TIME_SLOT_REF2": slots[end],
            }
            holder = ET.SubElement(ET.SubElement(tier, "ANNOTATION"), "ALIGNABLE_ANNOTATION", place)
            ET.SubElement(holder, "ANNOTATION_VALUE").text = event.label
    _add_vocabulary(root)
    ET.indent(root, "    ")
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ET.tostring(root, encoding="unicode") + "\n"


def _add_vocabulary(root: ET.Element) -> None:
    """The annotation type and the list of labels; their order in the document is the schema's."""
    kind = {"LINGUISTIC_TYPE_ID": _TYPE, "TIME_ALIGNABLE": "true", "GRAPHIC_REFERENCES": "false"}
    ET.SubElement(root, "LINGUISTIC_TYPE", {**kind, "CONTROLLED_VOCABULARY_REF": _VOCABULARY})
    ET.SubElement(root, "LANGUAGE", {"LANG_ID": _LANGUAGE, "LANG_LABEL": "undetermined (und)"})
    vocabulary = ET.SubElement(root, "CONTROLLED_VOCABULARY", {"CV_ID": _VOCABULARY})
    ET.SubElement(vocabulary, "DESCRIPTION", {"LANG_REF": _LANGUAGE})
    for label in LABELS:
        entry = ET.SubElement(vocabulary, "CV_ENTRY_ML", {"CVE_ID": _entry_id(label)})
        ET.SubElement(entry, "CVE_VALUE", {"LANG_REF": _LANGUAGE, "DESCRIPTION": ""}).text = label


def _entry_id(label: str) -> str:
    return f"cveid_{label}"


def _media(source: str) -> dict[str, str]:
    kind = mimetypes.guess_type(PurePath(source).name)[0]
    return {"MEDIA_URL": _NOT_XML.sub("", source), "MIME_TYPE": kind or "unknown"}


def _span(event: Event) -> tuple[int, int]:
    begin, end = round(event.onset_ns / 1e6), round(event.offset_ns / 1e6)
    return begin, max(end, begin + 1)


def _tiers(events: Sequence[Event]) -> dict[str, list[Event]]:
    """Events by tier name, in time order and free of overlap inside a tier."""
    tiers: dict[str, list[Event]] = {}
    for event in sorted(events, key=lambda e: (e.epoch, e.track_id, e.onset_ns)):
        person = f"person {event.track_id}" + (f", epoch {event.epoch}" if event.epoch else "")
        name, again = person, 2
        while name in tiers and _span(tiers[name][-1])[1] > _span(event)[0]:
            name, again = f"{person} ({again})", again + 1
        tiers.setdefault(name, []).append(event)
    return tiers
