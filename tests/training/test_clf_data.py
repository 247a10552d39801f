"""Training windows carry the right truth and the pictures that the product would show."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stream_mer.core.metrics import interval_iou
from stream_mer.errors import ConfigError
from stream_mer.training.clf_data import (
    NEGATIVE_IOU,
    NONE,
    POSITIVE_IOU,
    UNCLEAR,
    Budget,
    FaceStrip,
    Hypothesis,
    Span,
    choose,
    drawn_durations,
    hypotheses,
)
from stream_mer.training.clf_pack import (
    Origin,
    WindowPack,
    add_strip,
    load_packs,
)

MS = 1_000_000


def times(fps: float, seconds: float) -> np.ndarray:
    return np.rint(np.arange(int(fps * seconds)) * 1e9 / fps).astype(np.int64)


@settings(max_examples=60, deadline=None)
@given(
    fps=st.sampled_from([25.0, 30.0, 60.0, 120.0, 200.0]),
    onset=st.integers(300, 1500),
    length=st.integers(40, 500),
    seed=st.integers(0, 99),
)
def test_truth_of_windows(fps: float, onset: int, length: int, seed: int) -> None:
    event = Span(onset * MS, (onset + length) * MS, "disgust")
    blink = Span(0, 250 * MS, "blink")
    rng = np.random.default_rng(seed)
    for item in hypotheses(times(fps, 2.5), [event], [blink], drawn_durations(rng)):
        span = (item.centre_ns - item.duration_ns // 2, item.centre_ns + item.duration_ns // 2)
        overlap = interval_iou(span, (event.onset_ns, event.offset_ns))
        assert item.duration_ns >= 2.5e9 / fps * 0.999
        if item.target == NONE:
            assert overlap <= NEGATIVE_IOU
            assert item.kind in ("near", "rest", "blink")
            assert (item.event >= 0) == (item.kind == "near")
        else:
            assert item.target == 2
            assert overlap >= POSITIVE_IOU * 0.99


def test_windows_on_what_shows_unclearly_ask_nothing() -> None:
    event, unclear = Span(500 * MS, 620 * MS, "disgust"), Span(1200 * MS, 1280 * MS, UNCLEAR)
    lengths = (100 * MS, 160 * MS)
    asked = list(hypotheses(times(60.0, 2.5), [event], [unclear], lengths))
    assert {item.kind for item in asked} == {"positive", "near", "rest"}
    spans = [(i.centre_ns - i.duration_ns // 2, i.centre_ns + i.duration_ns // 2) for i in asked]
    assert all(stop <= unclear.onset_ns or start >= unclear.offset_ns for start, stop in spans)
    without = list(hypotheses(times(60.0, 2.5), [event], [], lengths))
    assert len(without) > len(asked)


def test_every_long_enough_event_has_windows() -> None:
    event = Span(800 * MS, 920 * MS, "surprise")
    for fps in (30.0, 60.0, 200.0):
        found = list(hypotheses(times(fps, 2.0), [event], [], drawn_durations(np.random.default_rng(0))))
        assert any(h.target == 1 for h in found), fps


def test_no_window_over_a_gap() -> None:
    pts = times(50, 3)
    pts = np.concatenate([pts[:70], pts[76:]])
    for item in hypotheses(pts, [], [], [100 * MS]):
        reach = item.duration_ns // 2 + 80 * MS
        assert item.centre_ns + reach <= pts[69] + 1 or item.centre_ns - reach >= pts[70] - 1


def test_choose_keeps_budgets() -> None:
    items = [Hypothesis(i, 10, NONE, "rest", -1) for i in range(50)]
    items += [Hypothesis(i, 10, 1, "positive", i % 2) for i in range(20)]
    items += [Hypothesis(i, 10, NONE, "blink", -1) for i in range(9)]
    kept = choose(items, Budget(positive=3, near=1, distractor=4, rest=7), np.random.default_rng(0))
    assert [sum(h.kind == k for h in kept) for k in ("rest", "positive", "blink")] == [7, 6, 4]
    assert [h.centre_ns for h in kept] == sorted(h.centre_ns for h in kept)


def strip(count: int = 30, fps: float = 30.0) -> FaceStrip:
    v, u = np.mgrid[0:128, 0:128]
    picture = np.stack([128 + 60 * np.sin(u / 6.0) * np.cos(v / 7.0)] * 3, -1).astype(np.uint8)
    lr = picture.reshape(32, 4, 32, 4, 3).mean((1, 3)).astype(np.uint8)
    return FaceStrip(times(fps, count / fps), np.stack([picture] * count), np.stack([lr] * count), 100.0)


def test_packs_round_trip(tmp_path: Path) -> None:
    pack = WindowPack()
    origin = Origin("clip1", "person1", "train", False, 30.0)
    chosen = [Hypothesis(int(strip().pts_ns[15]), 120 * MS, 3, "positive", 0)]
    seen: list[tuple[int, ...]] = []

    def measure(windows: np.ndarray) -> np.ndarray:
        seen.append(windows.shape)
        return np.full((len(windows), 11, 32, 32), 0.25, np.float32)

    paths = {"native": None, "lr": lambda lr: np.repeat(np.repeat(lr, 4, 1), 4, 2)}
    events = [Span(400 * MS, 560 * MS, "repression", 460 * MS, 0.01)]
    add_strip(pack, origin, strip(), chosen, events, measure, paths)
    pack.save(tmp_path / "a.npz")
    WindowPack().save(tmp_path / "empty.npz")
    table = load_packs(tmp_path)
    assert seen == [(1, 3, 128, 128, 3)] * 2
    assert table["path"].tolist() == ["native", "lr"]
    assert table["target"].tolist() == [3, 3]
    assert table["raw"].shape == (2, 11, 32, 32)
    assert table["raw"].dtype == np.float16
    assert table["onset_ns"].tolist() == [400 * MS] * 2
    assert table["apex_ns"].tolist() == [460 * MS] * 2
    with pytest.raises(ConfigError, match="no window packs"):
        load_packs(tmp_path / "nowhere")
