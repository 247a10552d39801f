"""The choice between networks, with engines whose speed and numbers the test dictates."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from tiny_networks import ORIGIN, SR_INPUT, SR_OUTPUT, install, super_resolver

from stream_mer.errors import EngineError
from stream_mer.runtime.bicubic import BICUBIC
from stream_mer.runtime.measurements import MANY_RUNS, MeasurementStore, sample_batch
from stream_mer.runtime.open import Way, ways_to_run
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.select import MEASURING_NS, Choice, choose

F32, ORT, BF16 = ("openvino", "f32"), ("onnxruntime", "f32"), ("openvino", "bf16")


@dataclass
class World:
    """Networks of given speed on one clock: ``ms[name][way]``, a number or a way to fail."""

    ms: dict[str, dict[tuple[str, str], float | str]]
    shift: dict[tuple[str, str], int] = field(default_factory=dict)
    now: int = 0
    runs: int = 0
    opened: list[str] = field(default_factory=list)
    closed: int = 0
    versions: dict[str, str] = field(default_factory=dict)

    def now_ns(self) -> int:
        return self.now

    def ways(self, manifest: Manifest) -> tuple[Way, ...]:
        def way(kind: tuple[str, str]) -> Way:
            version = self.versions.get(kind[0], "1.0")
            return Way(*kind, version, lambda: FakeEngine(self, manifest.name, kind))

        return tuple(way(kind) for kind in self.ms[manifest.name])


class FakeEngine:
    """Takes the time the world says and gives grey pictures."""

    def __init__(self, world: World, name: str, kind: tuple[str, str]) -> None:
        world.opened.append(name)
        speed = world.ms[name][kind]
        if isinstance(speed, str):
            raise EngineError(speed)
        self._world, self._ms, self._kind = world, speed, kind
        self.name, self.sha256, self.backend = name, "0" * 64, ":".join(kind)

    def run(self, batch: NDArray[np.generic]) -> tuple[NDArray[np.generic], ...]:
        self._world.now += round(self._ms * 1e6)
        self._world.runs += 1
        level = 100 + self._world.shift.get(self._kind, 0)
        return (np.full((len(batch), 128, 128, 3), level, dtype=np.uint8),)

    def close(self) -> None:
        self._world.closed += 1


def network(name: str, psnr: float | None, trained: bool = True) -> Manifest:
    return Manifest(
        name=name,
        task="super-resolution",
        version="1",
        inputs=SR_INPUT,
        outputs=(SR_OUTPUT,),
        training=ORIGIN,
        file="model.onnx" if trained else "",
        sha256=(name.encode().hex() * 64)[:64] if trained else "",
        metrics={} if psnr is None else {"psnr_paper": psnr},
        trained=trained,
    )


BIG, MIDDLE, SMALL = network("big", 32.0), network("middle", 31.0), network("small", 30.0)
ALL = (SMALL, BIG, MIDDLE)


def pick(
    world: World, manifests: tuple[Manifest, ...] = ALL, budget_ms: float = 10, **wishes: object
) -> Choice:
    wishes.setdefault("store", MeasurementStore(None))
    wishes.setdefault("busy", lambda: False)
    return choose(
        manifests,
        world.ways,
        budget_ms=budget_ms,
        now_ns=world.now_ns,
        **wishes,  # type: ignore[arg-type]
    )


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


class TestStore:
    def world(self) -> World:
        return World({"big": {F32: 30, BF16: 9}, "middle": {F32: 8}, "small": {F32: 1}})

    def test_the_second_start_measures_nothing(self, tmp_path: Path) -> None:
        path = tmp_path / "deep" / "measurements.json"
        first = pick(self.world(), store=MeasurementStore(path))
        later = self.world()
        second = pick(later, store=MeasurementStore(path))
        assert not later.opened
        assert second == first

    @pytest.mark.parametrize("change", ["threads", "faces", "version", "digest", "refresh", "device"])
    def test_what_changes_the_time_is_measured_again(self, tmp_path: Path, change: str) -> None:
        store = MeasurementStore(tmp_path / "measurements.json")
        pick(self.world(), store=store)
        later, manifests = self.world(), ALL
        wishes: dict[str, object] = {}
        if change == "version":
            later.versions["openvino"] = "2.0"
        elif change == "digest":
            manifests = (SMALL, replace(BIG, sha256="f" * 64), MIDDLE)
        else:
            wishes = {"threads": {"threads": 17}, "faces": {"faces": 4}, "refresh": {"refresh": True}}.get(
                change, {"device": "gpu"}
            )
        pick(later, manifests, store=store, **wishes)
        assert later.opened

    @pytest.mark.parametrize(
        "content", ["", "{", "[]", "3", '{"a": 1}', '{"a": {"engine": "big"}}', "\x00\xff"]
    )
    def test_a_damaged_file_is_as_good_as_none(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "measurements.json"
        path.write_text(content, encoding="latin-1")
        world = self.world()
        assert pick(world, store=MeasurementStore(path)).manifest == BIG
        assert world.opened
        assert json.loads(path.read_text())

    def test_fields_of_another_type_are_not_believed(self, tmp_path: Path) -> None:
        path = tmp_path / "measurements.json"
        pick(self.world(), store=MeasurementStore(path))
        known = json.loads(path.read_text())
        for fields in known.values():
            fields["ms"] = "fast"
        path.write_text(json.dumps(known))
        assert pick(self.world(), store=MeasurementStore(path)).ms == pytest.approx(9)

    def test_a_folder_that_cannot_be_written_does_not_stop_the_choice(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("in the way")
        store = MeasurementStore(tmp_path / "file" / "measurements.json")
        assert pick(self.world(), store=store).manifest == BIG

    def test_a_busy_machine_is_measured_again_when_it_is_quiet(self) -> None:
        store = MeasurementStore(None)
        slow = World({"big": {F32: 60, BF16: 40}, "middle": {F32: 16}, "small": {F32: 2}})
        choice = pick(slow, store=store, busy=lambda: True)
        assert choice.manifest == SMALL
        assert "busy machine" in choice.reason
        again = self.world()
        assert pick(again, store=store, busy=lambda: True).manifest == SMALL
        assert not again.opened
        quiet = pick(again, store=store)
        assert quiet.manifest == BIG
        assert "busy" not in quiet.reason

    def test_a_copy_under_another_name_is_known_by_its_digest(self) -> None:
        store = MeasurementStore(None)
        pick(World({"big": {F32: 5, ORT: 4}}), (BIG,), store=store)
        copy, world = replace(BIG, name="copy"), World({"copy": {F32: 5, ORT: 4}})
        assert pick(world, (copy,), store=store).manifest == copy
        assert not world.opened


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
