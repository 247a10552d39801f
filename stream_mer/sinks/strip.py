"""The score strip along the bottom: the last seconds of every face's event probability.

One lane a face. The right edge is now; scores and events stand at the times they are about, so what
is not decided yet is an empty stretch at the right end, and a gap in the coverage is a gap in the line.
The line is what the classifier says at first sight; a dot stands where it put a candidate in the end, and
counts by the dashed threshold.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from stream_mer.sinks import canvas
from stream_mer.sinks.history import SECOND, History, Mark
from stream_mer.sinks.style import LABEL_COLOURS, Layout, clock_text
from stream_mer.types import ImageU8, Rejection

GAP_NS = 300_000_000
"""Scores further apart than this are not joined: between them nothing was classified."""
_FAINT = (84, 90, 100)
_DIM = (128, 136, 148)


def draw_strip(img: ImageU8, history: History, layout: Layout) -> None:
    """Draw the strip into rows ``layout.bottom`` and below."""
    top, height = layout.bottom, layout.height
    if top == height:
        return  # too small a picture
    faces = history.faces
    shown = faces[: layout.lanes]
    left, right = float(round(layout.text * 2.2)), float(layout.width - layout.pad)
    canvas.panel(img, 0, top, layout.width, height)
    _draw_axis(img, history, layout, (left, right), (top, height - layout.axis))
    if not shown:
        canvas.text(img, left, top + layout.lane * 0.65, "no face", layout.text, canvas.GREY)
    for row, face in enumerate(shown):
        ceiling, floor = top + row * layout.lane + 1.0, top + (row + 1) * layout.lane - 1.0
        _draw_lane(_Lane(img, history, layout, (left, right), ceiling, floor), face.track.track_id)
    if len(faces) > len(shown):
        more = f"+{len(faces) - len(shown)}"
        canvas.text(img, layout.pad, height - layout.text * 0.3, more, layout.text * 0.8, canvas.GREY)


def _column(history: History, ns: int, span: tuple[float, float]) -> float:
    left, right = span
    return right - (history.now_ns - ns) / (history.settings.strip_s * SECOND) * (right - left)


@dataclass(frozen=True, slots=True)
class _Lane:
    """One face's part of the strip: where in the picture times and probabilities stand, px."""

    img: ImageU8
    history: History
    layout: Layout
    span: tuple[float, float]
    ceiling: float
    floor: float

    def column(self, ns: int) -> float:
        """Where a time stands; it may lie left of ``span``."""
        return _column(self.history, ns, self.span)

    def level(self, probability: float) -> float:
        """Where a probability stands."""
        return self.floor - min(max(probability, 0.0), 1.0) * (self.floor - self.ceiling)


def _draw_axis(
    img: ImageU8, history: History, layout: Layout, span: tuple[float, float], rows: tuple[float, float]
) -> None:
    """A faint line each whole second, written out where there is room."""
    size = layout.text * 0.8
    first = history.now_ns - round(history.settings.strip_s * SECOND)
    for second in range(max(0, first // SECOND + 1), history.now_ns // SECOND + 1):
        x = _column(history, second * SECOND, span)
        canvas.fill(img, x, rows[0], x + 1, rows[1], _FAINT)
        words = clock_text(second * SECOND)[:-4]
        if x + canvas.text_width(words, size) < span[1]:
            canvas.text(img, x + 2, rows[1] + size, words, size, canvas.GREY)


def _draw_lane(lane: _Lane, track_id: int) -> None:
    img, layout, (left, right) = lane.img, lane.layout, lane.span
    marks = [mark for mark in lane.history.marks if mark.event.track_id == track_id]
    events, turned_down = [m for m in marks if not m.rejected], [m for m in marks if m.rejected]
    for mark in (*turned_down, *events):
        _draw_mark(lane, mark)
    threshold = lane.level(lane.history.settings.threshold)
    for x in np.arange(left, right, 8.0):
        canvas.fill(img, x, threshold, min(x + 4, right), threshold + 1, canvas.GREY)
    canvas.fill(img, left, lane.floor, right, lane.floor + 1, _FAINT)
    for points in _pieces(lane, track_id):
        canvas.area(img, points, lane.floor, canvas.WHITE, 0.28)
        canvas.lines(img, points, canvas.WHITE, (layout.line + 1) // 2)
    for mark in (*turned_down, *events):
        _draw_dot(lane, mark)
    named: list[tuple[float, float]] = []
    for mark in (*events, *turned_down):
        _name_mark(lane, mark, named)
    middle = (lane.ceiling + lane.floor) / 2 + layout.text * 0.35
    canvas.text(img, layout.pad, middle, f"#{track_id}", layout.text * 0.92, bold=True)


def _pieces(lane: _Lane, track_id: int) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """The score curve as polylines in picture px, broken at gaps and cut at the strip's left end."""
    pieces: list[list[tuple[float, float]]] = []
    last_ns: int | None = None
    for ns, probability in lane.history.curve(track_id):
        x = lane.column(ns)
        if x < lane.span[0]:
            continue
        if last_ns is None or ns - last_ns > GAP_NS:
            pieces.append([])
        pieces[-1].append((x, lane.level(probability)))
        last_ns = ns
    # A lone score would be invisible as a line of no length.
    return [
        np.array(piece if len(piece) > 1 else [*piece, (piece[0][0] + 1, piece[0][1])]) for piece in pieces
    ]


def _draw_mark(lane: _Lane, mark: Mark) -> None:
    """An event as a band from onset to offset with its apex; a rejected candidate as a dim outline."""
    img, ceiling, floor, line = lane.img, lane.ceiling, lane.floor, lane.layout.line
    x0 = max(lane.column(mark.onset_ns), lane.span[0])
    x1 = lane.column(mark.offset_ns)
    if x1 <= lane.span[0]:
        return
    x1 = max(x1, x0 + 2)
    if mark.rejected:
        outline = np.array([[x0, ceiling], [x1, ceiling], [x1, floor], [x0, floor], [x0, ceiling]])
        canvas.lines(img, outline, _DIM)
        return
    colour = LABEL_COLOURS[mark.event.label]
    canvas.panel(img, x0, ceiling, x1, floor, colour=colour, alpha=0.55)
    canvas.fill(img, x0, ceiling, x1, ceiling + line + 1, colour)
    apex = max(lane.column(mark.apex_ns), lane.span[0])
    canvas.fill(img, apex, ceiling, apex + line, floor, colour)


def _draw_dot(lane: _Lane, mark: Mark) -> None:
    """The probability that a candidate was judged by, at its apex."""
    x, y, line = lane.column(mark.apex_ns), lane.level(mark.event.probability), lane.layout.line
    if x < lane.span[0]:
        return
    rim, inner = (_FAINT, _DIM) if mark.rejected else (canvas.WHITE, LABEL_COLOURS[mark.event.label])
    canvas.dot(lane.img, x, y, 1.5 * line + 1.5, rim)
    canvas.dot(lane.img, x, y, 1.5 * line + 0.5, inner)


def _name_mark(lane: _Lane, mark: Mark, named: list[tuple[float, float]]) -> None:
    """The class, or why not, beside its band, on a plate of its own: the score line may run behind it.

    Left out where a name stands already (``named``: their left and right ends).
    """
    if isinstance(mark.event, Rejection):
        words, colour = mark.event.reason, _DIM
    else:
        words, colour = mark.event.label, LABEL_COLOURS[mark.event.label]
    size, x = lane.layout.text * 0.8, lane.column(mark.offset_ns) + 2
    width = canvas.text_width(words, size)
    if x < lane.span[0] or x + width > lane.span[1] or lane.floor - lane.ceiling < 1.4 * size:
        return
    right = x + width + 4
    if any(x < b and a < right for a, b in named):
        return
    named.append((x, right))
    canvas.panel(lane.img, x, lane.ceiling, right, lane.ceiling + 1.25 * size)
    canvas.text(lane.img, x + 2, lane.ceiling + size, words, size, colour)
