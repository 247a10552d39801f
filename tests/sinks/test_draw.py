from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sink_samples import crop, event, picture, rejection, result, score, track

from stream_mer.sinks import canvas
from stream_mer.sinks.draw import draw
from stream_mer.sinks.history import DrawSettings, History, Status
from stream_mer.sinks.style import LABEL_COLOURS, PLACES, Layout
from stream_mer.types import LABELS, Frame, ImageU8, Result

SIZE = (640, 480)


def drawn(results: list[Result], how: DrawSettings | None = None, **push: object) -> ImageU8:
    history = History(how)
    for item in results:
        history.push(item, **push)  # type: ignore[arg-type]
    return draw(results[-1], history)


def black(index: int, size: tuple[int, int] = SIZE, **parts: object) -> Result:
    return Result(
        Frame(index, index * 40_000_000, np.zeros((size[1], size[0], 3), np.uint8)),
        **({"tracks": ()} | parts),  # type: ignore[arg-type]
    )


def has(img: ImageU8, colour: tuple[int, int, int]) -> int:
    return int((np.abs(img.astype(int) - colour).max(2) <= 6).sum())


def test_frame_is_untouched_and_the_answer_has_its_size() -> None:
    item = result(0, size=(321, 241), tracks=(track(width=80),))
    before = item.frame.rgb.copy()
    out = drawn([item])
    assert out.shape == before.shape
    assert out.dtype == np.uint8
    assert np.array_equal(item.frame.rgb, before)
    assert not np.shares_memory(out, item.frame.rgb)


def test_drawing_is_a_pure_function() -> None:
    face = track(x=200, y=100, width=90)
    item = result(3, size=SIZE, tracks=(face,), crops=(crop(face, 3, 0),), events=(event(100),))
    history = History()
    history.push(item)
    assert np.array_equal(draw(item, history), draw(item, history))


def test_box_corners_lie_on_the_face() -> None:
    face = track(x=200, y=150, width=100)
    out = drawn([black(0, tracks=(face,))], DrawSettings(insets=False))
    for x in (200, 300):
        for y in (150, 265):
            assert out[y - 2 : y + 3, x - 2 : x + 3].max() > 200


@pytest.mark.parametrize("label", LABELS)
def test_event_colours_its_face_and_raises_a_banner(label: str) -> None:
    face = track(x=200, y=100, width=90)
    quiet = drawn([black(50, tracks=(face,))])
    loud = drawn([black(50, tracks=(face,), events=(event(1500, label=label),))])
    assert has(loud, LABEL_COLOURS[label]) > has(quiet, LABEL_COLOURS[label]) + 100


def test_event_band_stands_at_its_true_time() -> None:
    face = track(x=200, y=100, width=90)
    how = DrawSettings(strip_s=6, insets=False)
    results = [black(i, tracks=(face,)) for i in range(200)]
    results[150] = black(150, tracks=(face,), events=(event(4000, 200, "surprise"),))
    out = drawn(results, how)
    layout = Layout.of(SIZE[1], SIZE[0])
    colour = np.array(LABEL_COLOURS["surprise"])
    row = out[layout.bottom + 2].astype(int)
    columns = np.flatnonzero(np.abs(row - colour).max(1) <= 8)
    left, right = round(layout.text * 2.2), SIZE[0] - layout.pad
    now_s = 199 / 25
    expected = [right - (now_s - t) / 6 * (right - left) for t in (4.0, 4.2)]
    assert columns.min() == pytest.approx(expected[0], abs=1.5)
    assert columns.max() == pytest.approx(expected[1], abs=1.5)


def strip_rows(out: ImageU8) -> ImageU8:
    layout = Layout.of(SIZE[1], SIZE[0])
    return out[layout.bottom + 2 : layout.height - layout.axis - 2]


def test_score_line_rises_and_a_gap_stays_empty() -> None:
    face = track(x=200, y=100, width=90)

    def run(level: float, hole: bool) -> ImageU8:
        items = []
        for i in range(150):
            scored = () if hole and 50 <= i < 100 else (score(i * 40, level),)
            items.append(black(i, tracks=(face,), scores=scored))
        return strip_rows(drawn(items, DrawSettings(insets=False, threshold=1.0)))

    def height(strip: ImageU8, column: int) -> int:
        lit = np.flatnonzero(strip[3:-1, column].min(1) > 190)
        return int(lit.min()) if len(lit) else -1

    low, high, holed = run(0.2, False), run(0.8, False), run(0.8, True)
    assert height(low, 320) > height(high, 320) >= 0
    assert height(holed, 320) == -1
    assert height(holed, 120) >= 0


@pytest.mark.parametrize("probability", [0.2, 0.55, 0.9])
def test_a_dot_stands_where_an_event_was_judged(probability: float) -> None:
    """At its apex, as high as its probability, whatever the line says of first sight."""
    face = track(x=200, y=100, width=90)
    items = [black(i, tracks=(face,)) for i in range(150)]
    judged = replace(event(4000, 200, "surprise"), probability=probability)
    plain, marked = (
        strip_rows(
            drawn([*items[:-1], black(149, tracks=(face,), events=(one,))], DrawSettings(insets=False))
        )
        for one in (replace(judged, probability=0.5), judged)
    )
    layout = Layout.of(SIZE[1], SIZE[0])
    left, right = round(layout.text * 2.2), SIZE[0] - layout.pad
    apex = round(right - (149 / 25 - 4.1) / 6 * (right - left))
    new = (marked.min(2) > 190) & (plain.min(2) <= 190)  # its white rim
    rows, columns = np.nonzero(new)
    level = (1 - probability) * (layout.lane - 2) - 1  # of the lane, less what strip_rows leaves out
    assert columns.mean() == pytest.approx(apex, abs=1.5)
    assert rows.mean() == pytest.approx(level, abs=2)


def test_rejected_candidates_are_dim() -> None:
    face = track(x=200, y=100, width=90)
    plain = drawn([black(50, tracks=(face,))]).astype(int)
    marked = drawn([replace(black(50, tracks=(face,)), rejected=(rejection(1000),))]).astype(int)
    change = np.abs(marked - plain)
    assert change.max() > 20, "it is visible"
    assert marked[change.max(2) > 0].max() < 200, "but nothing like an event"


def test_no_name_in_the_strip_lies_on_another_and_events_are_named_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    face = track(x=200, y=100, width=90)

    def named(**parts: object) -> set[str]:
        said: list[str] = []
        write = canvas.text

        def noting(img: ImageU8, x: float, y: float, words: str, *how: object, **more: object) -> None:
            said.append(words)
            write(img, x, y, words, *how, **more)  # type: ignore[arg-type]

        with monkeypatch.context() as patch:
            patch.setattr(canvas, "text", noting)
            drawn([black(100, tracks=(face,), **parts)], DrawSettings(strip_s=6, insets=False))
        return {"surprise", "blink", "light", "gap"} & set(said)

    turned_down = rejection(2050), rejection(2150, "gap"), rejection(3000, "light")
    assert named(rejected=turned_down) == {"blink", "light"}
    assert named(rejected=turned_down, events=(event(2000, 200, "surprise"),)) == {"surprise", "light"}


def test_inset_shows_lr_in_blocks_and_sr_beside_it() -> None:
    face = track(x=100, y=100, width=90)
    cut = crop(face, 0, 0)
    history = History()
    item = black(0, tracks=(face,), crops=(cut,))
    history.push(item)
    out = draw(item, history)
    layout = Layout.of(SIZE[1], SIZE[0])
    corner = layout.plate_at(history.place, 0)
    assert corner is not None
    x, y = corner[0] + layout.pad, corner[1] + layout.pad + round(layout.text * 1.3)
    lr = out[y : y + layout.inset, x : x + layout.inset]
    assert len(np.unique(lr.reshape(-1, 3), axis=0)) == len(np.unique(cut.lr.reshape(-1, 3), axis=0))
    sr = out[y : y + layout.inset, x + layout.inset + layout.pad :][:, : layout.inset]
    assert np.abs(sr.astype(int).mean() - cut.lr.mean()) < 8


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (64, 48), (120, 2000), (2000, 60), (320, 240)])
def test_any_size_can_be_drawn(size: tuple[int, int]) -> None:
    face = track(x=size[0] * 0.9, y=-5, width=max(2, size[0] / 3))
    items = [
        black(i, size, tracks=(face,), crops=(crop(face, i, 0),), scores=(score(i * 40, 0.5),))
        for i in range(5)
    ]
    items.append(black(6, size, tracks=(face,), events=(event(0), event(10))))
    assert drawn(items, None, status=Status(0.5, 3, 20)).shape == (size[1], size[0], 3)


@settings(max_examples=25, deadline=None)
@given(
    st.integers(10, 500),
    st.integers(10, 400),
    st.integers(0, 8),
    st.floats(-300, 600),
    st.floats(1, 900),
    st.booleans(),
)
def test_drawing_never_fails(w: int, h: int, faces: int, x: float, width: float, redact: bool) -> None:
    tracks = tuple(track(k, x + 30 * k, x - 20 * k, width) for k in range(faces))
    items = [
        black(
            i,
            (w, h),
            tracks=tracks,
            crops=tuple(crop(t, i, 0) for t in tracks),
            scores=tuple(score(i * 40, 0.9, t.track_id) for t in tracks),
            events=tuple(event(i * 40, track_id=t.track_id) for t in tracks),
        )
        for i in range(2)
    ]
    assert drawn(items, DrawSettings(redact=redact)).shape == (h, w, 3)


def test_text_reads_on_white_and_on_black() -> None:
    """Contrast of status text with its plate, WCAG 2 ratio, at least 4.5 on any background."""

    def luminance(rgb: np.ndarray) -> float:
        c = rgb / 255
        linear = np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)
        return float(linear @ [0.2126, 0.7152, 0.0722])

    for level in (0, 255):
        img = np.full((40, 40, 3), level, np.uint8)
        canvas.panel(img, 0, 0, 40, 40)
        plate = luminance(img[20, 20])
        for ink in (canvas.WHITE, canvas.GREY, *LABEL_COLOURS.values()):
            assert (luminance(np.array(ink)) + 0.05) / (plate + 0.05) >= 4.5, (level, ink)


def face_like(size: int) -> ImageU8:
    rng = np.random.default_rng(5)
    return rng.integers(0, 255, (size, size, 3), np.uint8)


def test_redaction_leaves_nothing_of_a_face() -> None:
    face = track(x=200, y=100, width=120)
    frame = picture(*SIZE)
    frame[100:238, 200:320] = face_like(138)[:, :120]
    item = Result(Frame(0, 0, frame), (face,), (crop(face, 0, 0),))
    how = DrawSettings(redact=True)
    out = drawn([item], how)
    inner = out[140:200, 225:295]
    assert len(np.unique(inner.reshape(-1, 3), axis=0)) <= 16, "a few flat blocks"
    # The inset, too: every block of the LR picture is gone.
    history = History(how)
    history.push(item)
    layout = Layout.of(SIZE[1], SIZE[0])
    corner = layout.plate_at(history.place, 0)
    assert corner is not None
    x, y = corner[0] + layout.pad, corner[1] + layout.pad + round(layout.text * 1.3)
    for place in (0, 1):
        left = x + place * (layout.inset + layout.pad)
        shown = out[y : y + layout.inset, left : left + layout.inset]
        assert len(np.unique(shown.reshape(-1, 3), axis=0)) <= 36


def test_redaction_holds_while_a_face_is_lost_for_a_moment() -> None:
    face = track(x=200, y=100, width=120)
    noisy = np.tile(face_like(160), (3, 4, 1))
    first = Result(Frame(0, 0, noisy), (face,))
    lost = Result(Frame(20, 800_000_000, noisy), ())
    out = drawn([first, lost], DrawSettings(redact=True))
    assert len(np.unique(out[140:200, 225:295].reshape(-1, 3), axis=0)) <= 16
    later = [first, *(Result(Frame(i, i * 40_000_000, noisy), ()) for i in range(1, 40))]
    out = drawn(later, DrawSettings(redact=True))
    assert len(np.unique(out[140:200, 225:295].reshape(-1, 3), axis=0)) > 16


def test_stroke_font_serves_where_opencv_has_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(canvas, "_font", lambda bold: None)
    img = np.zeros((40, 300, 3), np.uint8)
    canvas.text(img, 5, 25, "surprise 92 % · SR ×4 → é", 16, bold=True)
    width = canvas.text_width("surprise 92 % · SR ×4 → é", 16, bold=True)
    columns = np.flatnonzero(img.max((0, 2)))
    assert columns.max() == pytest.approx(5 + width, abs=6)


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize(("height", "width"), [(240, 320), (480, 640), (1080, 1920), (960, 540)])
def test_plates_lie_between_status_and_strip_and_apart(place: str, height: int, width: int) -> None:
    layout = Layout.of(height, width, faces=3)
    w, h = layout.plate
    corners = [c for slot in range(3) if (c := layout.plate_at(place, slot))]  # type: ignore[arg-type]
    assert corners
    for i, (x, y) in enumerate(corners):
        assert layout.top <= y <= y + h <= layout.bottom
        assert 0 <= x <= x + w <= width
        for ox, oy in corners[:i]:
            assert abs(ox - x) >= w or abs(oy - y) >= h
