"""Writes runs as one HTML page that needs nothing else: timeline, pictures, review of false alarms."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from stream_mer.sinks.report_pictures import FaceTriple, data_uri
from stream_mer.sinks.report_style import SCRIPT, STYLE
from stream_mer.types import LABELS, Event, RunSummary

HEAD = """<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="referrer" content="no-referrer">
"""  # noqa: E501 - one attribute


@dataclass(slots=True)
class Chapter:
    """One camera's (or file's) run. ``rejected`` holds the lines of ``rejected.jsonl``."""

    camera: str
    events: Sequence[Event]
    summary: RunSummary | None = None
    pictures: dict[str, FaceTriple] = field(default_factory=dict)
    rejected: Sequence[dict[str, object]] = ()
    place: str = ""
    why_bare: str = ""


def page(chapters: Sequence[Chapter], title: str) -> str:
    """The whole page.

    Args:
        chapters: in the order they are shown.
        title: of the page.
    """
    events = [event for chapter in chapters for event in chapter.events]
    seconds = sum(c.summary.duration_s for c in chapters if c.summary)
    counts = Counter(event.label for event in events)
    legend = "".join(
        f'<span class="key"><i class="{label}"></i>{label} {counts[label]}</span>' for label in LABELS
    )
    rate = f"{60 * len(events) / seconds:.2f} a minute" if seconds else ""
    body = [
        f"<h1>{escape(title)}</h1>",
        f'<p class="facts">{len(chapters)} recordings, {_clock(seconds)} h, {len(events)} events, {rate}</p>',
        '<p class="facts">A micro-expression is a short movement of the face. It is not a lie. '
        "Every event here is a machine's guess until somebody has looked at it.</p>",
        f'<p class="legend">{legend}</p>',
        '<p class="bar"><button id="save">Save the review</button> <span id="tally"></span>'
        '<label>show <select id="show"><option value="">all</option><option>unseen</option>'
        "<option>true</option><option>false alarm</option><option>unsure</option></select></label></p>",
        _timeline(chapters),
        *(_chapter(chapter) for chapter in chapters),
    ]
    return (
        f"{HEAD}<title>{escape(title)}</title>\n<style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(body)
        + f"\n<script>{SCRIPT}</script>\n</body></html>\n"
    )


def _timeline(chapters: Sequence[Chapter]) -> str:
    """All recordings on one time axis, one lane each, a mark an event."""
    span = max([c.summary.duration_s for c in chapters if c.summary] or [0.0])
    span = max(span, *(e.offset_ns / 1e9 for c in chapters for e in c.events), 1.0)
    height, left, width = 26, 160, 1000
    total = height * len(chapters) + 24
    parts = [f'<svg class="timeline" viewBox="0 0 {left + width + 10} {total}" role="img">']
    for row, chapter in enumerate(chapters):
        y = row * height
        length = chapter.summary.duration_s if chapter.summary else span
        parts.append(
            f'<text x="{left - 8}" y="{y + 17}" text-anchor="end">{escape(chapter.camera[-24:])}</text>'
        )
        parts.append(
            f'<rect class="lane" x="{left}" y="{y + 4}" width="{width * length / span:.2f}" '
            f'height="{height - 8}"/>'
        )
        for event in chapter.events:
            x = left + width * event.apex_ns / 1e9 / span
            words = f"{_clock(event.apex_ns / 1e9)} {event.label} {event.probability:.2f}"
            parts.append(
                f'<a href="#e{escape(event.id)}"><rect class="{event.label}" x="{x - 1.5:.2f}" y="{y + 2}" '
                f'width="3" height="{height - 4}"><title>{escape(words)}</title></rect></a>'
            )
    for tick in range(6):
        x = left + width * tick / 5
        anchor = "end" if tick == 5 else "middle"
        parts.append(f'<text x="{x}" y="{total - 4}" text-anchor="{anchor}">{_clock(span * tick / 5)}</text>')
    return "".join(parts) + "</svg>"


def _chapter(chapter: Chapter) -> str:
    facts = []
    if chapter.summary is not None:
        run = chapter.summary
        facts = [
            f"{run.frames} frames, {_clock(run.duration_s)}, {run.fps_effective:g} fps",
            f"classified {run.coverage:.0%} of the time",
            f"engines {', '.join(f'{n} {d[:12]}' for n, d in run.engines.items())}",
            f"threshold {run.settings.get('threshold')}",
            f"stream-mer {run.version}",
            str(run.observability.get("verdict", "")),
        ]
        if run.source_sha256:
            facts.append(f"sha256 {run.source_sha256[:16]}")
    if chapter.place:
        facts.append(chapter.place)
    if chapter.why_bare:
        facts.append(chapter.why_bare)
    cards = "".join(_card(chapter, event) for event in chapter.events) or "<p>no events</p>"
    told = " · ".join(escape(fact) for fact in facts)
    return (
        f"<section><h2>{escape(chapter.camera)}</h2><p class='facts'>{told}</p>"
        f"<div class='cards'>{cards}</div>{_rejected(chapter)}</section>"
    )


def _card(chapter: Chapter, event: Event) -> str:
    length_ms = (event.offset_ns - event.onset_ns) / 1e6
    bars = "".join(
        f'<span class="p"><i class="{label}" style="width:{100 * p:.1f}%"></i>{label} {p:.2f}</span>'
        for label, p in zip(LABELS, event.probabilities, strict=True)
    )
    return (
        f'<article id="e{escape(event.id)}" data-id="{escape(event.id)}" '
        f'data-camera="{escape(chapter.camera)}" '
        f'data-onset="{event.onset_ns}" data-label="{event.label}" data-p="{event.probability:.6f}">'
        f'<h3><i class="{event.label}"></i>{event.label} <b>{event.probability:.2f}</b> '
        f"<span>{_clock(event.apex_ns / 1e9)}</span></h3>"
        f"{_strip(chapter.pictures.get(event.id))}"
        f'<p class="facts">{length_ms:.0f} ms, face {event.face_px:.0f} px'
        f"{', through SR' if event.sr else ''}, #{event.track_id}, {escape(event.id)}</p>{bars}"
        '<p class="review"><button>true</button><button>false alarm</button><button>unsure</button></p>'
        "</article>"
    )


def _strip(pictures: FaceTriple | None) -> str:
    if pictures is None:
        return ""
    rows = "".join(
        f"<tr><th>{escape(name)}</th>"
        + "".join(f'<td><img alt="{escape(name)}" src="{data_uri(one)}"></td>' for one in some)
        + "</tr>"
        for name, some in pictures.rows()
    )
    return f'<table class="strip"><tr><th></th><th>onset</th><th>apex</th><th>offset</th></tr>{rows}</table>'


def _rejected(chapter: Chapter) -> str:
    if not chapter.rejected:
        return ""
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td>{escape(str(cell))}</td>"
            for cell in (
                _clock(float(str(line["apex_ns"])) / 1e9),
                f"#{line['track_id']}",
                line["label"],
                line["probability"],
                line["reason"],
                line.get("detail", ""),
            )
        )
        + "</tr>"
        for line in chapter.rejected
    )
    title = f"{len(chapter.rejected)} candidates turned down"
    return f"<details><summary>{title}</summary><table>{rows}</table></details>"


def _clock(seconds: float) -> str:
    """``0:01:02.345``; whole hours and minutes always shown."""
    milliseconds = round(seconds * 1000)
    rest, milliseconds = divmod(milliseconds, 1000)
    minutes, rest = divmod(rest, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}.{milliseconds:03d}"
