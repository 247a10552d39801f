"""From a wish to a run on the GPU: which plan is taken, Ctrl-C during a build, two builders, no memory."""

from __future__ import annotations

import errno
import os
import signal
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_gpu import World, fake_cuda, fake_gpu
from tiny_networks import pictures

from stream_mer.app import doctor, engine_room, plan_room
from stream_mer.app import gpu as gpu_runs
from stream_mer.cli import main
from stream_mer.config import Settings
from stream_mer.errors import ConfigError, DeviceError, EngineError
from stream_mer.runtime import plan_build, plan_choice, plans
from stream_mer.runtime.open import Way
from stream_mer.runtime.plan_build import BuiltPlan
from stream_mer.runtime.plan_cache import PlanCache, PlanManifest, rebuild_hint
from stream_mer.runtime.plan_choice import chosen_wish, gpu_ways
from stream_mer.runtime.plan_lock import reserved
from stream_mer.runtime.plans import PlanWish, ensure_plan, open_plan, page_for, typed_for, wish_for
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.trt_library import Library

pytest_plugins = ("plan_fixtures",)


def kept(cache: PlanCache, wish: PlanWish, library: Library, at: int) -> PlanManifest:
    """A plan that nobody built, written at second ``at``."""
    page = page_for(wish, library, typed_for(wish.manifest, wish.request.precision))
    page = cache.keep(page, BuiltPlan(b"plan", b"", 1.0))
    os.utime(cache.path(page), (at, at))
    return page


class TestChoice:
    def test_a_run_takes_the_usual_plan_if_there_is_no_other(
        self, rtx: Library, manifest: Manifest, cache: PlanCache
    ) -> None:
        usual = wish_for(manifest, "tensorrt-rtx")
        assert chosen_wish(manifest, "tensorrt-rtx", "sm89", cache) == usual
        kept(cache, wish_for(manifest, "tensorrt-rtx", "bf16", max_batch=4), rtx, 1)  # asked for by nobody
        assert chosen_wish(manifest, "tensorrt-rtx", "sm89", cache) == usual

    def test_a_plan_for_fewer_faces_counts_once_it_is_built(
        self, rtx: Library, manifest: Manifest, cache: PlanCache
    ) -> None:
        """It is the advice given where memory is short; a run that ignored it would fail for ever."""
        small, usual = (wish_for(manifest, "tensorrt-rtx", max_batch=size) for size in (16, None))
        kept(cache, usual, rtx, 1)
        kept(cache, small, rtx, 2)
        assert chosen_wish(manifest, "tensorrt-rtx", "sm89", cache) == small
        kept(cache, usual, rtx, 3)
        assert chosen_wish(manifest, "tensorrt-rtx", "sm89", cache) == usual

    def test_a_plan_made_elsewhere_for_this_card_is_used(
        self, rtx: Library, manifest: Manifest, cache: PlanCache
    ) -> None:
        made = wish_for(manifest, "tensorrt-rtx", target="sm89")
        kept(cache, made, rtx, 1)
        assert chosen_wish(manifest, "tensorrt-rtx", "sm89", cache) == made
        assert chosen_wish(manifest, "tensorrt-rtx", "sm86", cache) == wish_for(manifest, "tensorrt-rtx")

    def test_a_benchmark_opens_the_very_plan_that_was_judged(
        self, rtx: Library, manifest: Manifest, cache: PlanCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        made = wish_for(manifest, "tensorrt-rtx", target="sm89", max_batch=4)
        page = kept(cache, made, rtx, 1)
        cache.note(replace(page, passed=True, checked_on="Fake GPU sm89"))
        opened: list[PlanWish] = []
        monkeypatch.setattr(plan_choice, "gpu_here", lambda: "Fake GPU sm89")
        monkeypatch.setattr(plan_choice, "open_plan", lambda wish, _: opened.append(wish))
        (way,) = gpu_ways(manifest, cache)
        way.open()
        assert opened == [made]

    def test_what_is_said_about_a_bad_plan_builds_that_plan(
        self, rtx: Library, manifest: Manifest, cache: PlanCache
    ) -> None:
        wish = wish_for(manifest, "tensorrt-rtx", "fp16", target="sm89", max_batch=16)
        hint = rebuild_hint(kept(cache, wish, rtx, 1))
        assert "--precision fp16 --target sm89 --max-batch 16 --force" in hint
        assert plan_room.command(wish).endswith("--precision fp16 --target sm89 --max-batch 16")
        usual = rebuild_hint(kept(cache, wish_for(manifest, "tensorrt-rtx"), rtx, 1))
        assert "--target" not in usual
        assert "--max-batch" not in usual


class Pressing(dict[str, int]):
    """Ctrl-C in the middle of a callback of the library's, where an exception would be swallowed."""

    def __setitem__(self, key: str, value: int) -> None:
        super().__setitem__(key, value)
        if len(self) == 1:
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_anywhere_in_a_build_ends_it(
    rtx: Library, manifest: Manifest, cache: PlanCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps = plan_build._Steps
    monkeypatch.setattr(plan_build, "_Steps", lambda: steps(Pressing()))
    with pytest.raises(KeyboardInterrupt):
        plan_room.build([wish_for(manifest, "tensorrt-rtx")], cache.folder)
    assert list(cache.folder.glob("*.plan")) == []
    monkeypatch.undo()
    page = ensure_plan(wish_for(manifest, "tensorrt-rtx", max_batch=1), cache, library=rtx)
    assert cache.read(page)  # the next build in this process is none the worse


class TestTwoBuilders:
    def test_the_second_waits_and_uses_what_the_first_built(
        self, rtx: Library, manifest: Manifest, cache: PlanCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        wish, said = wish_for(manifest, "tensorrt-rtx"), list[str]()
        page = page_for(wish, rtx, typed_for(manifest, "fp16"))
        monkeypatch.setattr(plans, "build_plan", lambda *_, **__: pytest.fail("built twice"))
        with ExitStack() as first:
            first.enter_context(reserved(cache.path(page), lambda: pytest.fail("nobody has it")))

            def report(phase: str, *_: int) -> None:
                said.append(phase)
                if len(said) == 2:  # the first is done
                    cache.keep(page, BuiltPlan(b"plan of the first", b"", 1.0))
                    first.close()

            found = ensure_plan(wish, cache, library=rtx, progress=report)
        assert cache.read(found) == b"plan of the first"
        assert said == ["waiting for another process that builds it"] * 2

    def test_waiting_can_be_given_up(self, rtx: Library, manifest: Manifest, cache: PlanCache) -> None:
        wish = wish_for(manifest, "tensorrt-rtx")
        page = page_for(wish, rtx, typed_for(manifest, "fp16"))

        def stop(*_: object) -> None:
            raise KeyboardInterrupt

        with reserved(cache.path(page), stop), pytest.raises(KeyboardInterrupt):
            ensure_plan(wish, cache, library=rtx, progress=stop)

    def test_where_the_file_system_has_no_locks_nobody_waits(
        self, cache: PlanCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def no_locks(*_: object) -> None:
            raise OSError(errno.ENOLCK, "No locks available")

        monkeypatch.setattr("fcntl.flock", no_locks)
        with reserved(cache.folder / "x.plan", lambda: pytest.fail("waits for nobody")):
            pass


@pytest.mark.parametrize("step", ["ensure_plan", "gate_plan"])
def test_a_gpu_without_memory_for_build_or_check_leaves_the_run_to_the_processor(
    step: str, manifest: Manifest, tmp_path: Path, rtx: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(manifest, manifest.path.read_bytes())
    decides = replace(manifest, name="decides", task="classification")

    def full(wish: PlanWish, *_: object, **__: object) -> PlanManifest:
        if wish.manifest is manifest:
            raise DeviceError("the GPU is out of memory while engine tiny was opened\nclose other programs")
        return page(wish)

    def page(wish: PlanWish, *_: object, **__: object) -> PlanManifest:
        return page_for(wish, rtx, b"network")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name, stand_in in {
        "load_library": lambda _: rtx, "load_cuda": lambda: fake_cuda(world), "gate_crops": lambda: None,
        "ensure_plan": page, "gate_plan": page, "judge_for": lambda *_: None, step: full,
    }.items():  # fmt: skip
        monkeypatch.setattr(gpu_runs, name, stand_in)
    settings = Settings(device="cuda", backend="tensorrt-rtx", threads=1)
    choice = gpu_runs.pick_on_gpu(settings, [manifest], decides, "psnr")
    engine = choice.open_super_resolver()
    assert engine.backend == "openvino:cpu:f32"
    assert engine.run(pictures(2))[0].dtype == np.uint8
    (told,) = choice.changes()
    assert told.startswith("tiny: the GPU is out of memory while engine tiny was opened; going on with")
    assert world.calls["retain"] == 0  # PyCUDA would leave it current where TensorRT builds next
    engine.close()


def test_a_gpu_is_asked_what_it_is_without_its_context(
    manifest: Manifest, cache: PlanCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(manifest, manifest.path.read_bytes())
    gpu = fake_gpu(world)
    monkeypatch.setattr(plans, "load_cuda", lambda: gpu.cuda)
    wish = wish_for(manifest, "tensorrt")
    assert page_for(wish, gpu.library, b"network").capability == "sm89"
    with pytest.raises(EngineError, match="no tensorrt plan"):
        open_plan(wish, cache, gpu)
    assert world.calls["retain"] == 0


def test_doctor_names_the_gpu_or_says_why_there_is_none(
    manifest: Manifest, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = World(manifest, manifest.path.read_bytes())
    monkeypatch.setattr(doctor, "load_cuda", lambda: fake_cuda(world))
    assert doctor._gpu() == "Fake GPU sm89"
    world.devices = 0
    assert doctor._gpu() == "no GPU 0: 0 found"


class TestVerify:
    @pytest.fixture
    def machine(self, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, object], None]:
        return lambda name, stand_in: monkeypatch.setattr(plan_room, name, stand_in)

    def test_a_gpu_that_cannot_be_asked_is_a_line_unless_a_backend_was_named(
        self, manifest: Manifest, machine: Callable[[str, object], None], capsys: pytest.CaptureFixture[str]
    ) -> None:
        def lost(*_: object) -> None:
            raise DeviceError("the GPU failed while GPU 0 was opened: no device")

        machine("installed", lambda _: True)
        machine("load_library", lambda _: None)
        machine("page_for", lost)
        wishes = [wish_for(manifest, "tensorrt")]
        assert plan_room.verify(wishes, None, asked=False) == 0
        assert "the GPU failed while GPU 0 was opened" in capsys.readouterr().out
        with pytest.raises(EngineError, match="GPU 0"):
            plan_room.verify(wishes, None, asked=True)

    def test_given_faces_are_compared_on(
        self, rtx: Library, manifest: Manifest, cache: PlanCache, machine: Callable[[str, object], None]
    ) -> None:
        asked: list[Path | None] = []
        wish = wish_for(manifest, "tensorrt-rtx")
        page = replace(kept(cache, wish, rtx, 1), passed=True)
        machine("load_cuda", lambda: fake_cuda(World(manifest, manifest.path.read_bytes())))
        machine("crops_with", asked.append)
        machine("judge_for", lambda *_: None)
        machine("gate_plan", lambda *_: page)
        plan_room.verify([wish], cache.folder, asked=True, faces=Path("people"))
        assert asked == [Path("people")]


class TestListAndBench:
    def test_plans_are_listed_with_what_they_fit(
        self, rtx: Library, manifest: Manifest, cache: PlanCache, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert plan_room.show(None, cache.folder) == 0
        assert capsys.readouterr().out == ""
        page = kept(cache, wish_for(manifest, "tensorrt-rtx", target="sm89", max_batch=4), rtx, 1)
        cache.note(replace(page, passed=True, parity="50.1 dB", checked_on="Fake GPU sm89"))
        plan_room.show(None, cache.folder)
        said = " ".join(capsys.readouterr().out.replace("│", " ").split())
        for word in ("tiny", "fp16", "tensorrt-rtx", "sm89", " 4 ", "passed on"):
            assert word in said
        plan_room.show("other", cache.folder)
        assert capsys.readouterr().out == ""

    def test_a_benchmark_measures_what_was_asked_for(
        self, cache: PlanCache, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[object] = []

        def measured(manifests: object, ways: Callable[..., tuple[Way, ...]], **_: object) -> list[object]:
            asked.extend(str(way) for manifest in manifests for way in ways(manifest, 1))  # type: ignore[attr-defined]
            return []

        def plans_of(_: Manifest, used: PlanCache) -> tuple[Way, ...]:
            asked.append(used.folder)
            return (Way("tensorrt", "fp16", "11", lambda: pytest.fail("opened")),)

        monkeypatch.setattr(engine_room, "bench_engines", measured)
        monkeypatch.setattr(engine_room, "gpu_ways", plans_of)
        flags = ["engines", "bench", "--engine", "compact-x4", "--cache", str(cache.folder)]
        assert main([*flags, "--backend", "onnxruntime", "--precision", "fp32"]) == 0
        assert main([*flags, "--backend", "tensorrt"]) == 0
        assert asked == [*[cache.folder] * 2, "onnxruntime f32", *[cache.folder] * 2, "tensorrt fp16"]
        assert main([*flags, "--backend", "tensorrt", "--precision", "bf16"]) == 4
        assert main(["engines", "build", "--backend", "openvino"]) == 2


def test_a_batch_larger_than_plans_are_built_for_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"--max-batch 65: plans are built for batches of up to 64"):
        plan_room.wishes(None, "tensorrt-rtx", None, max_batch=65)
