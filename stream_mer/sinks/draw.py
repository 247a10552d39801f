"""Draws one result over its frame: faces, insets, score strip, banners and the status line.

Colour means class and nothing else (Okabe & Ito's palette, told apart by colour-blind people, and
every class is also written out). Everything scales with the picture, and text lies on dark plates so
that it reads on light and dark video alike.
"""

from __future__ import annotations

from collections.abc import Sequence

from stream_mer.sinks import canvas
from stream_mer.sinks.history import FACE_HOLD_NS, SECOND, History, SeenFace
from stream_mer.sinks.strip import draw_strip
from stream_mer.sinks.style import LABEL_COLOURS, Layout, clock_text
from stream_mer.types import Box, FaceCrop, FaceTrack, ImageU8, Result


def draw(result: Result, history: History) -> ImageU8:
    """The picture to show for ``result``.

    Args:
        result: its frame is the background and stays untouched.
        history: has been given this result by ``History.push``; only read here.

    Returns:
        ``(H, W, 3)`` uint8 RGB of the frame's size, owned by the caller.
    """
    img = result.frame.rgb.copy()
    settings = history.settings
    layout = Layout.of(*img.shape[:2], faces=len(history.faces), insets=settings.insets, strip=settings.strip)
    if settings.redact:
        redact(img, history, result.veiled)
    for track in result.tracks:
        _draw_face(img, track, history, layout)
    _draw_status(img, result, history, layout)
    draw_strip(img, history, layout)
    if layout.inset:
        _draw_insets(img, history, layout)
    _draw_banners(img, history, layout)
    return img


def redact(img: ImageU8, history: History, veiled: Sequence[Box] = ()) -> None:
    """Make every face seen within the last second, and every box of ``veiled``, unrecognisable, in place.

    The margin around a box covers hair and ears; it grows while a face is out of sight, since it
    may be moving.
    """
    for face in history.faces:
        unseen = (history.now_ns - face.seen_ns) / FACE_HOLD_NS
        x0, y0, x1, y1 = _grown(face.track.box, 0.35 + 0.4 * unseen)
        canvas.pixelate(img, x0, y0, x1, y1)
    for box in veiled:
        canvas.pixelate(img, *_grown(box, 0.35))


def _grown(box: Box, margin: float) -> tuple[float, float, float, float]:
    dx, dy = margin * box.width, margin * box.height
    return box.x0 - dx, box.y0 - dy, box.x1 + dx, box.y1 + dy


def _draw_face(img: ImageU8, track: FaceTrack, history: History, layout: Layout) -> None:
    mine = [mark for mark in history.banners if mark.event.track_id == track.track_id]
    colour = LABEL_COLOURS[mine[-1].event.label] if mine else canvas.WHITE
    words = f"#{track.track_id}" + (f" {mine[-1].event.label}" if mine else "")
    box = track.box
    canvas.brackets(img, (box.x0, box.y0, box.x1, box.y1), colour, layout.line + bool(mine))
    size = layout.text * 0.92
    width, height = canvas.text_width(words, size, bold=True) + 2 * layout.pad, round(size * 1.45)
    if layout.text > box.height:
        return
    x = min(max(box.x0, 0), max(0, img.shape[1] - width))
    y = max(box.y0 - height - layout.line - 1, 0)
    canvas.panel(img, x, y, x + width, y + height, radius=layout.pad)
    canvas.text(img, x + layout.pad, y + height - size * 0.42, words, size, colour, bold=True)


def _draw_status(img: ImageU8, result: Result, history: History, layout: Layout) -> None:
    """The line along the top. What does not fit is left out, last first."""
    status = history.status
    parts = [clock_text(result.frame.pts_ns)]
    if history.settings.redact:
        parts.append("redacted")
    if history.fps is not None:
        parts.append(f"{history.fps:.1f} fps")
    if status.coverage is not None:
        parts.append(f"coverage {100 * status.coverage:.0f} %")
    if status.dropped is not None:
        parts.append(f"dropped {status.dropped}")
    if status.latency_ms is not None:
        parts.append(f"{status.latency_ms:.0f} ms behind")
    width, height = layout.width, layout.top
    canvas.panel(img, 0, 0, width, height)
    x: float = 2 * layout.pad
    for index, part in enumerate(parts):
        needed = canvas.text_width(part, layout.text, bold=index == 0)
        if x + needed > width:
            break
        ink = canvas.WHITE if index == 0 else canvas.GREY
        canvas.text(img, x, height - layout.text * 0.5, part, layout.text, ink, bold=index == 0)
        x += needed + 1.4 * layout.text


def _draw_insets(img: ImageU8, history: History, layout: Layout) -> None:
    """One plate a face: the LR picture in visible pixels, and what the classifier sees beside it."""
    for face in history.faces:
        corner = layout.plate_at(history.place, face.slot)
        if corner is not None and face.crop is not None:
            _draw_inset(img, face, history, layout, *corner)


def _draw_inset(img: ImageU8, face: SeenFace, history: History, layout: Layout, x: float, y: float) -> None:
    crop = face.crop
    if crop is None:
        return
    side, pad, size = layout.inset, layout.pad, layout.text * 0.85
    caption = round(layout.text * 1.3)
    wide = 2 if crop.picture is not None else 1
    canvas.panel(img, x, y, x + wide * side + (wide + 1) * pad, y + side + caption + 2 * pad, radius=pad)
    baseline = y + pad + caption - layout.text * 0.45
    canvas.text(img, x + pad, baseline, f"#{face.track.track_id} LR", size, canvas.GREY)
    pictures = [(crop.lr, True)]
    if crop.picture is not None:
        canvas.text(img, x + side + 2 * pad, baseline, _picture_name(crop), size, canvas.WHITE)
        pictures.append((crop.picture, False))
    for place, (picture, blocky) in enumerate(pictures):
        left, upper = x + pad + place * (side + pad), y + pad + caption
        canvas.paste(img, picture, left, upper, side, blocky=blocky)
        if history.settings.redact:
            canvas.pixelate(img, left, upper, left + side, upper + side)


def _picture_name(crop: FaceCrop) -> str:
    return "SR ×4" if crop.sr else "native"


def _draw_banners(img: ImageU8, history: History, layout: Layout) -> None:
    """A card for each event, side by side above the strip, each in its own place while it is up."""
    pad, big, small = layout.pad, layout.text * 1.15, layout.text * 0.9
    height = layout.banner
    column = canvas.text_width("#88 repression 100 %", big, bold=True) + 5 * pad
    beside = bool(layout.inset and history.faces and history.place in ("left", "right"))
    taken = layout.plate[0] + pad if beside else 0
    columns = max(1, (layout.width - taken - pad) // (column + pad))
    rows = max(1, (layout.bottom - layout.top - pad) // (height + pad))
    for mark in history.banners:
        if mark.slot >= columns * rows:
            continue
        title = f"#{mark.event.track_id} {mark.event.label} {100 * mark.event.probability:.0f} %"
        detail = f"{round((mark.offset_ns - mark.onset_ns) / 1e6)} ms at {clock_text(mark.event.onset_ns)}"
        colour = LABEL_COLOURS[mark.event.label]
        x = (taken if history.place == "left" else 0) + pad + (mark.slot % columns) * (column + pad)
        row = mark.slot // columns
        y = layout.bottom - (1 + row) * (height + pad)
        if row and layout.inset and history.place == "bottom":
            y -= layout.plate[1] + pad
        bar, left = max(3, pad), x + max(3, pad) + 1.5 * pad
        canvas.panel(img, x, y, x + column, y + height, alpha=0.82, radius=pad)
        canvas.fill(img, x + pad / 2, y + pad, x + pad / 2 + bar, y + height - pad, colour)
        canvas.text(img, left, y + big * 1.12, title, big, canvas.WHITE, bold=True)
        canvas.text(img, left, y + big * 1.12 + small * 1.3, detail, small, canvas.GREY)
        remaining = 1 - (history.now_ns - mark.decided_ns) / (history.settings.banner_s * SECOND)
        end = left + (x + column - pad - left) * remaining
        canvas.fill(img, left, y + height - max(1, pad // 3), end, y + height, colour)
