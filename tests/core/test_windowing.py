"""Windows: the ladder covers the band, slots lie where they say, gaps and segments are never crossed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from stream_mer.core.metrics import interval_iou
from stream_mer.core.window_pictures import REFERENCE_NS, window_pictures, window_slots
from stream_mer.core.windowing import (
    Windower,
    duration_ladder,
    observable_rungs,
)
from stream_mer.types import Box, FaceCrop, FaceTrack, Similarity

LADDER = duration_ladder(0.04, 0.2)


def crop(pts_ns: int, value: int = 0, *, segment: int = 0, epoch: int = 0, track_id: int = 1) -> FaceCrop:
    track = FaceTrack(track_id, segment, Box(0, 0, 92, 92), Similarity(1, 0, 0, 0), 92.0, 1.0)
    picture = np.full((128, 128, 3), value, np.uint8)
    return FaceCrop(track, 0, pts_ns, epoch, picture[:32, :32], picture)


def times(fps: float, seconds: float) -> list[int]:
    return [round(i * 1e9 / fps) for i in range(int(fps * seconds))]


@given(st.floats(0.02, 0.3), st.floats(1.0, 20.0), st.floats(0.0, 1.0))
def test_every_duration_in_the_band_has_a_close_rung(low: float, ratio: float, where: float) -> None:
    high = low * ratio
    duration = round(1e9 * low * ratio**where)
    best = max(interval_iou((0, rung), (0, duration)) for rung in duration_ladder(low, high))
    assert best >= 0.78


def test_a_band_upside_down_is_refused() -> None:
    with pytest.raises(ValueError, match="min <= max"):
        duration_ladder(0.2, 0.1)


def test_slots_hold_the_frames_their_names_say() -> None:
    pts = np.arange(0, 1_000_000_000, 5_000_000)  # 200 fps
    slots = window_slots(pts, 500_000_000, 100_000_000)
    assert slots is not None
    pre, apex, post = (pts[s] for s in slots)
    assert pre[0] == 450_000_000 - REFERENCE_NS
    assert pre[-1] == 450_000_000
    assert abs(apex - 500_000_000).max() <= 100_000_000 // 6
    assert post[0] == 550_000_000
    assert post[-1] == 550_000_000 + REFERENCE_NS


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=40),
    st.integers(0, 1200),
    st.sampled_from([49, 73, 109, 164]),
)
def test_slots_are_what_a_plain_search_finds(steps_ms: list[int], centre_ms: int, length_ms: int) -> None:
    """Frames at any distances; before onset, about the apex (else the nearest to it inside), after offset."""
    pts = np.cumsum(steps_ms) * 1_000_000
    centre, length = centre_ms * 1_000_000, length_ms * 1_000_000
    onset, offset, third = centre - length // 2, centre + length // 2, length // 6
    pre = [t for t in pts if onset - REFERENCE_NS <= t <= onset]
    post = [t for t in pts if offset <= t <= offset + REFERENCE_NS]
    apex = [t for t in pts if abs(t - centre) <= third]
    if not apex:
        inside = [t for t in pts if onset < t < offset]
        apex = sorted(inside, key=lambda t: (abs(t - centre), t))[:1]
    found = window_slots(pts, centre, length)
    if pre and apex and post:
        assert found is not None
        assert [pts[s].tolist() for s in found] == [pre, apex, post]
    else:
        assert found is None


def test_who_has_left_is_forgotten_and_windows_need_all_their_pictures() -> None:
    windower = Windower(LADDER)
    for t in times(30, 1.0):
        windower.push([crop(t, track_id=1), crop(t, track_id=2)])
    for t in times(30, 8.0)[30:]:
        windower.push([crop(t, track_id=2)])
    assert set(windower._lanes) == {2}
    assert len(windower._lanes[2].crops) <= 30 * 0.5


def test_a_slot_without_a_frame_means_no_window() -> None:
    pts = np.array([0, 40, 80, 120]) * 1_000_000
    pictures = np.zeros((4, 128, 128, 3), np.uint8)
    assert window_pictures(pts, pictures, 0, 100_000_000) is None


@given(st.integers(1, 12), st.integers(0, 255))
def test_means_of_equal_pictures_are_exact(count: int, value: int) -> None:
    pts = np.arange(count * 3) * 4_000_000
    pictures = np.full((count * 3, 128, 128, 3), value, np.uint8)
    middle = int(pts[len(pts) // 2])
    made = window_pictures(pts, pictures, middle, 2_000_000, reference_ns=10**9)
    if made is not None:
        assert (made == value).all()


@pytest.mark.parametrize(
    ("fps", "tried"), [(12, 0), (14, 0), (14.985, 1), (15, 1), (25, 2), (29.97, 2), (60, 4), (120, 4)]
)
def test_only_lengths_the_frame_rate_can_show_are_tried(fps: float, tried: int) -> None:
    """The longest rung stands for events up to 0.2 s, which have three frames from 15 fps on."""
    windower = Windower(LADDER)
    seen = {w.duration_ns for t in times(fps, 2.0) for w in windower.push([crop(t)])}
    assert sorted(seen) == sorted(LADDER)[len(LADDER) - tried :] == list(observable_rungs(LADDER, 1e9 / fps))


def test_a_lost_frame_is_a_gap_no_window_crosses() -> None:
    pts = [t for i, t in enumerate(times(60, 2.0)) if i != 60]
    windower = Windower(LADDER)
    windows = [w for t in pts for w in windower.push([crop(t)])]
    lost = times(60, 2.0)[60]
    for w in windows:
        reach = w.duration_ns // 2 + REFERENCE_NS
        assert not w.centre_ns - reach + 17_000_000 < lost < w.centre_ns + reach - 17_000_000
    assert windows


@pytest.mark.parametrize("change", ["segment", "epoch"])
def test_windows_never_span_segments_or_epochs(change: str) -> None:
    windower = Windower(LADDER)
    pts = times(60, 2.0)
    half = len(pts) // 2
    windows = []
    for i, t in enumerate(pts):
        part = int(i >= half)
        made = crop(t, 200 * part, segment=part) if change == "segment" else crop(t, 200 * part, epoch=part)
        windows += windower.push([made])
    assert {int(w.pictures.min()) for w in windows} == {0, 200}
    assert all(w.pictures.min() == w.pictures.max() for w in windows)


def test_windows_come_in_time_and_as_early_as_they_can() -> None:
    windower = Windower(LADDER)
    for t in times(100, 1.0):
        for w in windower.push([crop(t)]):
            reach = w.duration_ns // 2 + REFERENCE_NS
            assert t - 20_000_000 <= w.centre_ns + reach <= t + 5_000_001


def test_tracks_do_not_mix() -> None:
    windower = Windower(LADDER)
    pts = times(50, 1.0)
    windows = [w for t in pts for w in windower.push([crop(t, 10, track_id=1), crop(t, 90, track_id=2)])]
    assert windows
    assert all((w.pictures == {1: 10, 2: 90}[w.track_id]).all() for w in windows)


def test_windows_never_mix_native_and_super_resolved_pictures() -> None:
    from dataclasses import replace

    windower = Windower(LADDER)
    windows = []
    for i, t in enumerate(times(60, 2.0)):
        sr = 60 <= i < 63
        windows += windower.push([replace(crop(t, 200 if sr else 10), sr=sr)])
    assert windows
    assert all((w.pictures == (200 if w.sr else 10)).all() for w in windows)


def test_nudged_repeats_do_not_change_the_frame_rate() -> None:
    """Pairs of equal stamps come 1 ms apart; the usual distance is that of the pairs."""
    windower = Windower(LADDER)
    stamps = [t + extra for t in times(15, 3.0) for extra in (0, 1_000_000)]
    assert {w.duration_ns for t in stamps for w in windower.push([crop(t)])} <= set(
        observable_rungs(LADDER, 65e6)
    )
