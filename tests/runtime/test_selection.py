"""The choice between networks, with engines whose speed and numbers the test dictates."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fake_world import BF16, BIG, F32, MIDDLE, ORT, SMALL, World, network, pick
from hypothesis import given
from hypothesis import strategies as st
from tiny_networks import SR_INPUT, install, super_resolver

from stream_mer.errors import EngineError
from stream_mer.runtime.bicubic import BICUBIC
from stream_mer.runtime.measurements import MANY_RUNS, MeasurementStore, sample_batch
from stream_mer.runtime.open import ways_to_run
from stream_mer.runtime.select import MEASURING_NS, choose


def test_the_best_within_the_budget_is_taken() -> None:
    world = World({"big": {F32: 30}, "middle": {F32: 8}, "small": {F32: 1}})
    choice = pick(world)
    assert (choice.manifest, choice.backend, choice.precision) == (MIDDLE, *F32)
    assert choice.ms == pytest.approx(8)
    assert choice.keeps_up
    assert "middle" in choice.reason
    assert "big (30 ms) would not" in choice.reason
    assert "small" not in world.opened  # nothing worse is measured in vain
    assert [row.engine for row in choice.table] == ["big", "middle", "small"]
    assert "not measured" in choice.table[-1].note
    assert world.closed == len(world.opened) == 2


def test_nothing_keeps_up_so_the_fastest_is_taken_and_it_is_said() -> None:
    choice = pick(World({"big": {F32: 30}, "middle": {F32: 20}, "small": {F32: 25}}))
    assert choice.manifest == MIDDLE
    assert not choice.keeps_up
    assert "does not keep up" in choice.reason


def test_the_budget_itself_is_within_the_budget() -> None:
    assert pick(World({"big": {F32: 10}, "middle": {F32: 1}, "small": {F32: 1}})).manifest == BIG


@pytest.mark.parametrize(
    ("bf16_ms", "shift", "expected"),
    [(4, 0, BF16), (4, 1, BF16), (4, 20, ORT), (7, 0, ORT), (6.9, 0, ORT)],
    ids=["faster", "faster, a level off", "faster and wrong", "as fast", "hardly faster"],
)
def test_bf16_must_be_faster_and_agree(bf16_ms: float, shift: int, expected: tuple[str, str]) -> None:
    world = World({"big": {ORT: 7, F32: 8, BF16: bf16_ms}}, shift={BF16: shift})
    choice = pick(world, (BIG,))
    assert (choice.backend, choice.precision) == expected
    (row,) = [row for row in choice.table if row.precision == "bf16"]
    assert row.ok is (shift < 20)
    assert "dB" in row.note or row.note == "identical"


def test_a_faster_library_with_wrong_numbers_is_left_out() -> None:
    world = World({"big": {ORT: 9, F32: 2}}, shift={F32: 2})
    choice = pick(world, (BIG,))
    assert (choice.backend, choice.precision) == ORT


def test_equal_times_always_give_the_same_choice() -> None:
    for order in ([ORT, F32, BF16], [F32, ORT, BF16]):
        choice = pick(World({"big": dict.fromkeys(order, 5.0)}), (BIG,))
        assert (choice.backend, choice.precision) == ORT
    twins = (network("b", 30.0), network("a", 30.0))
    choice = pick(World({"a": {F32: 5}, "b": {F32: 5}}), twins)
    assert choice.manifest.name == "a"


def test_a_network_without_a_figure_ranks_last() -> None:
    world = World({"small": {F32: 5}, "unknown": {F32: 1}})
    assert pick(world, (network("unknown", None), SMALL)).manifest == SMALL


def test_a_named_network_is_taken_however_slow() -> None:
    world = World({"big": {ORT: 90, F32: 50}, "middle": {F32: 1}, "small": {F32: 1}})
    choice = pick(world, name="big")
    assert (choice.manifest, choice.backend, choice.keeps_up) == (BIG, "openvino", False)
    assert set(world.opened) == {"big"}
    with pytest.raises(EngineError, match="'huge'"):
        pick(world, name="huge")


def test_where_nothing_is_left_to_choose_nothing_is_measured() -> None:
    world = World({"big": {F32: 90}})
    choice = pick(world, (BIG,))
    assert choice.ms is None
    assert choice.keeps_up
    assert not world.opened
    assert "only possibility" in choice.reason


def test_untrained_networks_are_passed_over() -> None:
    world = World({"small": {F32: 1, ORT: 2}})
    assert pick(world, (network("better", 40, trained=False), SMALL)).manifest == SMALL
    with pytest.raises(EngineError, match=r"no trained engine.*\nbetter: python nothing\.py"):
        pick(world, (network("better", 40, trained=False),))


def test_a_library_that_cannot_run_it_is_noted_and_left_out() -> None:
    choice = pick(World({"big": {ORT: "no such operator", F32: 5}}), (BIG,))
    assert choice.backend == "openvino"
    assert choice.table[0].note == "no such operator"
    assert not choice.table[0].ok


def test_a_network_that_runs_nowhere_is_an_error_not_a_quiet_second_best() -> None:
    world = World({"big": {ORT: "wrong sha256", F32: "wrong sha256"}, "small": {F32: 1}})
    with pytest.raises(EngineError, match="wrong sha256"):
        pick(world, (BIG, SMALL))


def test_no_backend_at_all() -> None:
    with pytest.raises(EngineError, match="no backend"):
        pick(World({"big": {}}), (BIG,))


def test_measuring_is_bounded() -> None:
    kinds = {ORT: 5.0, F32: 6.0, BF16: 5.5}
    world = World({"big": dict(kinds), "middle": dict(kinds), "small": dict(kinds)})
    pick(world, budget_ms=1)
    assert world.now < MEASURING_NS
    assert world.runs <= 9 * (MANY_RUNS + 1)
    hopeless = World({"big": {ORT: 600, F32: 500, BF16: 300}, "small": {F32: 1}})
    assert pick(hopeless, (BIG, SMALL)).manifest == SMALL
    assert hopeless.now < MEASURING_NS  # each of the three ran once


def test_a_single_slow_run_does_not_decide() -> None:
    world = World({"big": {F32: 4}, "small": {F32: 1}})
    plain = world.now_ns
    calls = 0

    def hiccup() -> int:
        nonlocal calls
        calls += 1
        if calls == 7:  # the end of a timed run
            world.now += 80_000_000
        return plain()

    choice = choose(
        (BIG, SMALL),
        world.ways,
        budget_ms=10,
        now_ns=hiccup,
        store=MeasurementStore(None),
        busy=lambda: False,
    )
    assert choice.manifest == BIG
    assert choice.ms == pytest.approx(4)


milliseconds = st.integers(1, 100_000).map(lambda microseconds: microseconds / 1000)


@given(
    st.dictionaries(
        st.sampled_from(["a", "b", "c", "d", "e"]),
        st.tuples(st.integers(20, 40), milliseconds),
        min_size=1,
    ),
    milliseconds,
)
def test_the_choice_is_always_the_best_that_fits(made: dict[str, tuple[int, float]], budget: float) -> None:
    world = World({name: {ORT: ms, F32: ms} for name, (_, ms) in made.items()})
    choice = pick(world, tuple(network(name, psnr) for name, (psnr, _) in made.items()), budget)
    psnr, ms = made[choice.manifest.name]
    assert choice.ms == ms
    fitting = [psnr for psnr, ms in made.values() if ms <= budget]
    assert choice.keeps_up is bool(fitting)
    if fitting:
        assert psnr == max(fitting)
        assert ms <= budget
    else:
        assert ms == min(ms for _, ms in made.values())


@given(milliseconds, milliseconds, st.integers(0, 12))
def test_bf16_is_never_taken_slower_or_wrong(exact: float, coarse: float, shift: int) -> None:
    choice = pick(World({"big": {F32: exact, BF16: coarse}}, shift={BF16: shift}), (BIG,))
    if choice.precision == "bf16":
        assert coarse < exact
        assert shift <= 1  # a level everywhere is 48 dB, two are 42
    elif shift <= 1:
        assert coarse * 1.05 >= exact


def test_real_networks_are_measured_and_chosen(tmp_path: Path) -> None:
    real = install(tmp_path, "tiny", super_resolver(), metrics={"psnr_paper": 25.0})
    store = MeasurementStore(tmp_path / "measurements.json")
    generous = choose((real, BICUBIC), budget_ms=5_000, threads=1, store=store)
    assert generous.manifest == real
    assert all(row.ok for row in generous.table if row.ms is not None)
    impossible = choose((real, BICUBIC), budget_ms=1e-9, threads=1, store=store)
    assert not impossible.keeps_up
    assert impossible.manifest == BICUBIC
    assert (impossible.backend, impossible.precision) == ("opencv", "u8")


def test_wishes_limit_the_ways(tmp_path: Path) -> None:
    real = install(tmp_path, "tiny", super_resolver())

    def kinds(**wishes: str) -> list[str]:
        return [str(way) for way in ways_to_run(real, threads=1, **wishes)]  # type: ignore[arg-type]

    assert kinds()[:2] == ["onnxruntime f32", "openvino f32"]
    assert kinds(backend="auto", precision="auto") == kinds()
    assert kinds(backend="onnxruntime") == ["onnxruntime f32"]
    assert kinds(backend="openvino", precision="f32") == ["openvino f32"]
    assert kinds(backend="onnxruntime", precision="bf16") == []
    explicit = choose(
        (real,), budget_ms=10, backend="openvino", precision="f32", store=MeasurementStore(None)
    )
    assert (explicit.backend, explicit.precision, explicit.ms) == ("openvino", "f32", None)
    assert [str(way) for way in ways_to_run(BICUBIC)] == ["opencv u8"]


def test_the_measuring_pictures_are_the_same_every_time_and_not_flat() -> None:
    first, second = sample_batch(SR_INPUT, 4), sample_batch(SR_INPUT, 4)
    np.testing.assert_array_equal(first, second)
    assert first.shape == (4, 32, 32, 3)
    assert first.dtype == np.uint8
    assert first.std() > 30
    assert np.unique(first[0]).size > 100
