"""The score strip along the bottom: the last seconds of every face's event probability.

One lane a face. The right edge is now; scores and events stand at the times they are about, so what
is not decided yet is an empty stretch at the right end, and a gap in the coverage is a gap in the line.
The line is what the classifier says at first sight; a dot stands where it put a candidate in the end, and
counts by the dashed threshold.
"""

from __future__ import annotations

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
        _draw_lane(img, history, face.track.track_id, layout, (left, right), (ceiling, floor))
    if len(faces) > len(shown):
        more = f"+{len(faces) - len(shown)}"
        canvas.text(img, layout.pad, height - layout.text * 0.3, more, layout.text * 0.8, canvas.GREY)


def _column(history: History, ns: int, span: tuple[float, float]) -> float:
    left, right = span
    return right - (history.now_ns - ns) / (history.settings.strip_s * SECOND) * (right - left)


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


def _draw_lane(
    img: ImageU8,
    history: History,
    track_id: int,
    layout: Layout,
    span: tuple[float, float],
    rows: tuple[float, float],
) -> None:
    ceiling, floor = rows
    marks = [mark for mark in history.marks if mark.event.track_id == track_id]
    for mark in sorted(marks, key=lambda m: not m.rejected):
        _draw_mark(img, history, mark, layout, span, rows)
    threshold = floor - history.settings.threshold * (floor - ceiling)
    for x in np.arange(span[0], span[1], 8.0):
        canvas.fill(img, x, threshold, min(x + 4, span[1]), threshold + 1, canvas.GREY)
    canvas.fill(img, span[0], floor, span[1], floor + 1, _FAINT)
    for points in _pieces(history, track_id, span, rows):
        canvas.area(img, points, floor, canvas.WHITE, 0.28)
        canvas.lines(img, points, canvas.WHITE, (layout.line + 1) // 2)
    for mark in marks:
        _draw_dot(img, history, mark, layout, span, rows)
    named: list[tuple[float, float]] = []
    for mark in sorted(marks, key=lambda m: m.rejected):
        _name_mark(img, history, mark, layout, span, rows, named)
    middle = (ceiling + floor) / 2 + layout.text * 0.35
    canvas.text(img, layout.pad, middle, f"#{track_id}", layout.text * 0.92, bold=True)


def _pieces(
    history: History, track_id: int, span: tuple[float, float], rows: tuple[float, float]
) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """The score curve as polylines in picture px, broken at gaps and cut at the strip's left end."""
    ceiling, floor = rows
    pieces: list[list[tuple[float, float]]] = []
    last_ns: int | None = None
    for ns, probability in history.curve(track_id):
        x = _column(history, ns, span)
        if x < span[0]:
            continue
        if last_ns is None or ns - last_ns > GAP_NS:
            pieces.append([])
        pieces[-1].append((x, floor - min(max(probability, 0.0), 1.0) * (floor - ceiling)))
        last_ns = ns
    # A lone score would be invisible as a line of no length.
    return [
        np.array(piece if len(piece) > 1 else [*piece, (piece[0][0] + 1, piece[0][1])]) for piece in pieces
    ]


def _draw_mark(
    img: ImageU8,
    history: History,
    mark: Mark,
    layout: Layout,
    span: tuple[float, float],
    rows: tuple[float, float],
) -> None:
    """An event as a band from onset to offset with its apex; a rejected candidate as a dim outline."""
    ceiling, floor = rows
    x0 = max(_column(history, mark.onset_ns, span), span[0])
    x1 = _column(history, mark.offset_ns, span)
    if x1 <= span[0]:
        return
    x1 = max(x1, x0 + 2)
    if mark.rejected:
        outline = np.array([[x0, ceiling], [x1, ceiling], [x1, floor], [x0, floor], [x0, ceiling]])
        canvas.lines(img, outline, _DIM)
        return
    colour = LABEL_COLOURS[mark.event.label]
    canvas.panel(img, x0, ceiling, x1, floor, colour=colour, alpha=0.55)
    canvas.fill(img, x0, ceiling, x1, ceiling + layout.line + 1, colour)
    apex = max(_column(history, mark.apex_ns, span), span[0])
    canvas.fill(img, apex, ceiling, apex + layout.line, floor, colour)


def _draw_dot(
    img: ImageU8,
    history: History,
    mark: Mark,
    layout: Layout,
    span: tuple[float, float],
    rows: tuple[float, float],
) -> None:
    """The probability that a candidate was judged by, at its apex."""
    x, (ceiling, floor) = _column(history, mark.apex_ns, span), rows
    if x < span[0]:
        return
    y = floor - min(max(mark.event.probability, 0.0), 1.0) * (floor - ceiling)
    rim, inner = (_FAINT, _DIM) if mark.rejected else (canvas.WHITE, LABEL_COLOURS[mark.event.label])
    canvas.dot(img, x, y, 1.5 * layout.line + 1.5, rim)
    canvas.dot(img, x, y, 1.5 * layout.line + 0.5, inner)


def _name_mark(
    img: ImageU8,
    history: History,
    mark: Mark,
    layout: Layout,
    span: tuple[float, float],
    rows: tuple[float, float],
    named: list[tuple[float, float]],
) -> None:
    """The class, or why not, beside its band, on a plate of its own: the score line may run behind it.

    Left out where a name stands already (``named``: their left and right ends).
    """
    if isinstance(mark.event, Rejection):
        words, colour = mark.event.reason, _DIM
    else:
        words, colour = mark.event.label, LABEL_COLOURS[mark.event.label]
    size, x = layout.text * 0.8, _column(history, mark.offset_ns, span) + 2
    width = canvas.text_width(words, size)
    if x < span[0] or x + width > span[1] or rows[1] - rows[0] < 1.4 * size:
        return
    right = x + width + 4
    if any(x < b and a < right for a, b in named):
        return
    named.append((x, right))
    canvas.panel(img, x, rows[0], right, rows[0] + 1.25 * size)
    canvas.text(img, x + 2, rows[0] + size, words, size, colour)
