"""Real TensorRT-RTX plans on a machine without a GPU, their cache, and the gate that lets them through."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import pytest
from fake_gpu import World, fake_gpu
from hypothesis import given
from hypothesis import strategies as st
from tiny_networks import classifier, install, pictures, super_resolver

from stream_mer.app import plan_room
from stream_mer.errors import DeviceError, EngineError, OutputError
from stream_mer.runtime.manifest import list_manifests, read_network
from stream_mer.runtime.onnxruntime import OnnxRuntimeEngine
from stream_mer.runtime.parity import Verdict, compare_engines
from stream_mer.runtime.plan_build import BuiltPlan, PlanRequest, build_plan
from stream_mer.runtime.plan_cache import PORTABLE, PlanCache
from stream_mer.runtime.plans import ensure_plan, gate_plan, open_plan, page_for, typed_for, wish_for
from stream_mer.runtime.schema import Manifest
from stream_mer.runtime.trt_library import Library, load_library

pytest_plugins = ("plan_fixtures",)

ENGINES = Path(__file__).resolve().parents[2] / "engines"
SHIPPED = [manifest.name for manifest in list_manifests(ENGINES) if manifest.trained]


def shipped(name: str) -> Manifest:
    return next(one for one in list_manifests(ENGINES) if one.name == name)


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_engine_becomes_a_plan_without_a_gpu(rtx: Library, tmp_path: Path, name: str) -> None:
    steps: list[tuple[str, int, int]] = []
    wish = wish_for(shipped(name), "tensorrt-rtx", max_batch=1)  # all profiles take three times as long
    page = ensure_plan(wish, PlanCache(tmp_path), library=rtx, progress=lambda *step: steps.append(step))
    plan = PlanCache(tmp_path).read(page)
    assert len(plan) > 100_000
    assert page.capability == PORTABLE
    assert page.batches == (1,)
    assert page.passed is None  # nobody has run it yet
    assert any(done == total for _, done, total in steps)
    again = ensure_plan(
        wish, PlanCache(tmp_path), library=rtx, progress=lambda *_: pytest.fail("built twice")
    )
    assert again == page


@pytest.mark.parametrize("precision", ["f32", "fp16", "bf16"])
def test_every_cast_precision_builds(rtx: Library, manifest: Manifest, precision: str) -> None:
    request = PlanRequest(precision, profiles=((1, 1, 1), (2, 4, 8)))
    built = build_plan(rtx, typed_for(manifest, precision), manifest.inputs, request)
    assert built.plan
    assert built.seconds > 0


def test_pictures_run_in_fp16_and_decisions_in_f32(manifest: Manifest) -> None:
    assert wish_for(manifest, "tensorrt").request.precision == "fp16"
    decides = replace(manifest, task="classification")
    assert wish_for(decides, "tensorrt", "auto").request.precision == "f32"
    assert wish_for(decides, "tensorrt", "fp16").request.precision == "fp16"  # who asks for it gets it


@pytest.mark.parametrize("precision", ["int8", "fp8"])
@pytest.mark.parametrize("name", [one for one in SHIPPED if (ENGINES / one / "int8.toml").is_file()])
def test_quantised_precisions_build(rtx: Library, name: str, precision: str) -> None:
    manifest = shipped(name)
    request = PlanRequest(precision, profiles=((1, 1, 1),), level=0)  # whether it can be, not how fast
    assert build_plan(rtx, typed_for(manifest, precision), manifest.inputs, request).plan


def test_a_plan_can_be_built_for_another_gpu(rtx: Library, manifest: Manifest, tmp_path: Path) -> None:
    wish = wish_for(manifest, "tensorrt-rtx", "fp16", target="sm89", max_batch=4)
    page = ensure_plan(wish, PlanCache(tmp_path), library=rtx)
    assert page.capability == "sm89"
    assert page.batches == (1, 4)
    world = World(manifest, read_network(manifest), capability=(8, 6))
    gpu = fake_gpu(world)
    with pytest.raises(EngineError, match=r"was built for sm89, this GPU is sm86\nbuild it again"):
        open_plan(wish, PlanCache(tmp_path), replace(gpu, library=rtx))


def test_an_unreadable_network_is_said_in_the_librarys_words(rtx: Library, manifest: Manifest) -> None:
    request = PlanRequest("f32", profiles=((1, 1, 1),))
    shape, kind = ["n", 32, 32, 3], onnx.TensorProto.UINT8
    values = [onnx.helper.make_tensor_value_info(name, kind, shape) for name in ("lr", "sr")]
    turned = onnx.helper.make_node("Transpose", ["lr"], ["sr"], "turned", perm=[0, 2, 1, 3])
    graph = onnx.helper.make_graph([turned], "turn", values[:1], values[1:])
    uncast = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    with pytest.raises(EngineError, match=r"cannot read the network: .*turned"):
        build_plan(rtx, uncast.SerializeToString(), manifest.inputs, request)  # uint8 wants a cast first
    with pytest.raises(EngineError, match="cannot read the network"):
        build_plan(rtx, b"no network", manifest.inputs, request)


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ("Error Code 2: OutOfMemory (Requested size was 1073741824 bytes.)", DeviceError),
        ("Error Code 1: Cuda Runtime (out of memory)", DeviceError),
        ("Error Code 10: Internal Error (Could not find any implementation for node /c1/Conv)", EngineError),
    ],
)
def test_a_build_that_fails_for_want_of_memory_is_the_devices_failure(
    rtx: Library, manifest: Manifest, said: str, error: type[EngineError]
) -> None:
    """A run goes on on the processor then, as where there is no memory to open a plan."""

    class Full(rtx.module.Builder):  # type: ignore[misc]  # a class without stubs
        def build_serialized_network(self, *_: object) -> None:
            rtx.said.append(said)

    module = SimpleNamespace(**{**vars(rtx.module), "Builder": Full})
    with pytest.raises(EngineError, match="cannot build f32 for current: Error Code") as failure:
        build_plan(
            replace(rtx, module=module), typed_for(manifest, "f32"), manifest.inputs, PlanRequest("f32")
        )
    assert type(failure.value) is error
    rtx.said.clear()


def test_an_interrupted_build_stops_and_keeps_nothing(
    rtx: Library, manifest: Manifest, tmp_path: Path
) -> None:
    def stop(phase: str, done: int, total: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):  # not an error of the library: Ctrl-C ends a program with 130
        ensure_plan(wish_for(manifest, "tensorrt-rtx"), PlanCache(tmp_path), library=rtx, progress=stop)
    assert list(tmp_path.glob("*.plan")) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"precision": "f64"},
        {"precision": "fp16", "target": "sm90"},
        {"precision": "fp16", "profiles": ()},
        {"precision": "fp16", "profiles": ((1, 2, 3), (3, 4, 5))},
        {"precision": "fp16", "profiles": ((2, 1, 3),)},
        {"precision": "fp16", "level": 6},
    ],
)
def test_impossible_requests_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(EngineError):
        PlanRequest(**wrong)  # type: ignore[arg-type]


@given(size=st.integers(1, 200))
def test_profiles_cover_every_batch_up_to_the_largest(size: int) -> None:
    manifest = shipped("compact-x4")
    profiles = wish_for(manifest, "tensorrt-rtx", max_batch=min(size, 64)).request.profiles
    assert profiles[0][0] == 1
    assert profiles[-1][2] == min(size, 64)
    assert all(after[0] == before[2] + 1 for before, after in pairwise(profiles))


class TestTyped:
    @pytest.mark.parametrize("network", [super_resolver, classifier])
    def test_f32_is_the_same_to_the_last_bit(self, tmp_path: Path, network: Callable[[int], bytes]) -> None:
        task = "classification" if network is classifier else "super-resolution"
        manifest = install(tmp_path / "a", "tiny", network(5), task=task)
        typed = install(tmp_path / "b", "tiny", typed_for(manifest, "f32"), task=task)
        shape = tuple(size or 1 for size in manifest.inputs.shape[1:])
        for one, other in zip(
            OnnxRuntimeEngine(manifest).run(pictures(6, shape=shape)),
            OnnxRuntimeEngine(typed).run(pictures(6, shape=shape)),
            strict=True,
        ):
            np.testing.assert_array_equal(one, other)

    @pytest.mark.parametrize("name", [one for one in SHIPPED if one != "cnn-mer"])
    def test_fp16_passes_the_gate_on_the_cpu(self, tmp_path: Path, name: str) -> None:
        manifest = shipped(name)
        typed = install(tmp_path, name, typed_for(manifest, "fp16"))
        verdict = compare_engines(
            OnnxRuntimeEngine(manifest), _Named(OnnxRuntimeEngine(typed), "x:cpu:fp16"), pictures(2)
        )
        assert verdict.ok, verdict.reason
        assert verdict.share > 1e-4  # it really is another precision

    def test_the_flow_of_the_classifier_stays_in_f32(self) -> None:
        model = onnx.load_model_from_string(typed_for(shipped("cnn-mer"), "fp16"))
        halves = {t.name for t in model.graph.initializer if t.data_type == onnx.TensorProto.FLOAT16}
        assert halves
        flow = [node for node in model.graph.node if node.name.startswith(("/flow", "/features"))]
        assert flow
        assert not [node.name for node in flow if halves & set(node.input)]
        casts = [
            n
            for n in model.graph.node
            if n.op_type == "Cast" and n.attribute[0].i == onnx.TensorProto.FLOAT16
        ]
        assert not [cast for cast in casts if any(cast.output[0] in node.input for node in flow)]

    @pytest.mark.parametrize("precision", ["f32", "fp16", "bf16"])
    def test_uint8_goes_in_and_out_through_one_cast_each(self, manifest: Manifest, precision: str) -> None:
        graph = onnx.load_model_from_string(typed_for(manifest, precision)).graph
        assert [node.op_type for node in graph.node if "lr" in node.input] == ["Cast"]
        assert [node.op_type for node in graph.node if "sr" in node.output] == ["Cast"]
        assert {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output)} == {
            onnx.TensorProto.UINT8
        }

    def test_what_is_no_network_is_refused(self, tmp_path: Path) -> None:
        from stream_mer.runtime.typed_onnx import typed_network

        with pytest.raises(EngineError, match="no ONNX network"):
            typed_network(b"\x00\x01garbage", "fp16")
        with pytest.raises(EngineError, match="no typed network in 'f64'"):
            typed_network(super_resolver(), "f64")
        with pytest.raises(EngineError, match="no convolution"):
            typed_network(classifier(), "fp16")


class TestCache:
    def test_everything_that_decides_changes_the_name(self, rtx: Library, manifest: Manifest) -> None:
        wish = wish_for(manifest, "tensorrt-rtx", "fp16")
        page = page_for(wish, rtx, b"network")
        others = [
            replace(page, typed_sha256="1" * 64),
            replace(page, version="1.7.2"),
            replace(page, system="Linux sparc"),
            replace(page, capability="sm120"),
            replace(page, precision="bf16"),
            replace(page, flags="level 5"),
        ]
        assert len({page.key, *(other.key for other in others)}) == 7
        assert replace(page, seconds=3.0, passed=True).key == page.key

    def test_a_damaged_plan_and_a_foreign_page_are_refused(
        self, rtx: Library, manifest: Manifest, tmp_path: Path
    ) -> None:
        cache = PlanCache(tmp_path)
        page = cache.keep(
            page_for(wish_for(manifest, "tensorrt-rtx"), rtx, b"x"), BuiltPlan(b"plan", b"", 1.0)
        )
        assert cache.find(page) == page
        cache.path(page).write_bytes(b"plam")
        with pytest.raises(EngineError, match=r"not the one that was built\nbuild it again: .*--force"):
            cache.read(page)
        sheet = cache.path(page).with_suffix(".json")
        content = json.loads(sheet.read_text())
        sheet.write_text(json.dumps({**content, "version": "9.9"}))
        with pytest.raises(EngineError, match=r"does not fit here: version '9.9' is not"):
            cache.find(page)
        sheet.write_text(json.dumps({"of another version": 1}))
        assert cache.find(page) is None, "it is built again, an old page must not end every run"
        assert cache.pages() == ()
        sheet.write_text("no page")
        with pytest.raises(EngineError, match="delete it and build again"):
            cache.find(page)

    @pytest.mark.parametrize(
        "edited",
        [
            {"batches": []},
            {"batches": ["16"]},
            {"batches": [16, 1]},
            {"batches": [0]},
            {"flags": 7},
            {"engine": None},
            {"passed": "yes"},
            {"seconds": "long"},
        ],
    )
    def test_a_page_edited_by_hand_is_no_traceback(
        self, rtx: Library, manifest: Manifest, tmp_path: Path, edited: dict[str, object]
    ) -> None:
        cache = PlanCache(tmp_path)
        page = cache.keep(
            page_for(wish_for(manifest, "tensorrt-rtx"), rtx, b"x"), BuiltPlan(b"plan", b"", 1.0)
        )
        sheet = cache.path(page).with_suffix(".json")
        sheet.write_text(json.dumps({**json.loads(sheet.read_text()), **edited}))
        for asked in (lambda: cache.find(page), cache.pages, lambda: plan_room.show(None, tmp_path)):
            with pytest.raises(EngineError, match="is not as it was written; delete it and build again"):
                asked()

    def test_a_full_disk_is_not_kept_full(
        self, rtx: Library, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(_: int) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr("os.fsync", full)
        page = page_for(wish_for(manifest, "tensorrt-rtx"), rtx, b"x")
        with pytest.raises(OutputError, match=r"No space left on device; .*XDG_CACHE_HOME"):
            PlanCache(tmp_path / "plans").keep(page, BuiltPlan(b"plan", b"", 1.0))
        assert list((tmp_path / "plans").iterdir()) == []

    def test_a_rebuild_cut_short_is_built_again_and_not_taken_for_damaged(
        self, rtx: Library, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        cache = PlanCache(tmp_path)
        wanted = page_for(wish_for(manifest, "tensorrt-rtx"), rtx, b"x")
        cache.keep(wanted, BuiltPlan(b"plan", b"", 1.0))
        with monkeypatch.context() as power_cut:
            power_cut.setattr(PlanCache, "note", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                cache.keep(wanted, BuiltPlan(b"newer plan", b"", 1.0))
        assert cache.find(wanted) is None
        cache.keep(wanted, BuiltPlan(b"newest plan", b"", 1.0))
        found = cache.find(wanted)
        assert found is not None
        assert cache.read(found) == b"newest plan"

    def test_another_users_folder_says_what_to_do(
        self, rtx: Library, manifest: Manifest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def denied(_: Path) -> bool:
            raise PermissionError(errno.EACCES, "Permission denied")

        page = page_for(wish_for(manifest, "tensorrt-rtx"), rtx, b"x")
        monkeypatch.setattr(Path, "is_file", denied)
        with pytest.raises(EngineError, match=r"Permission denied; .*--cache DIR"):
            PlanCache(tmp_path).find(page)

    def test_a_folder_that_cannot_be_written_is_said(
        self, rtx: Library, manifest: Manifest, tmp_path: Path
    ) -> None:
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(OutputError, match="--cache DIR"):
            ensure_plan(wish_for(manifest, "tensorrt-rtx"), PlanCache(tmp_path / "file"), library=rtx)

    def test_the_timing_cache_is_kept_per_library_and_gpu(
        self, rtx: Library, manifest: Manifest, tmp_path: Path
    ) -> None:
        cache = PlanCache(tmp_path)
        page = page_for(wish_for(manifest, "tensorrt-rtx"), rtx, b"x")
        assert cache.timing(page) == b""
        cache.keep(page, BuiltPlan(b"plan", b"times", 1.0))
        assert cache.timing(replace(page, precision="bf16")) == b"times"
        assert cache.timing(replace(page, version="2")) == b""


class _Named:
    """An engine under another backend's name."""

    def __init__(self, engine: OnnxRuntimeEngine, backend: str) -> None:
        self.name, self.sha256, self.backend = engine.name, engine.sha256, backend
        self.run, self.close = engine.run, engine.close


class TestGate:
    def opened(self, manifest: Manifest, folder: Path, network: bytes) -> tuple[object, ...]:
        """A plan in the cache, and the fake GPU that runs ``network`` for it."""
        world = World(manifest, network, batches=(1, 16, 64))
        gpu = fake_gpu(world)
        wish = wish_for(manifest, "tensorrt", "fp16")
        cache = PlanCache(folder)
        page = page_for(wish, gpu.library, typed_for(manifest, "fp16"), "sm89")
        cache.keep(page, BuiltPlan(network, b"", 1.0))
        return wish, cache, gpu

    def judge(self, manifest: Manifest) -> Callable[[object], Verdict]:
        return lambda engine: compare_engines(OnnxRuntimeEngine(manifest), engine, pictures(20))  # type: ignore[arg-type]

    def test_a_good_plan_is_let_through_and_remembered(self, manifest: Manifest, tmp_path: Path) -> None:
        wish, cache, gpu = self.opened(manifest, tmp_path, read_network(manifest))
        with pytest.raises(
            EngineError, match=r"not checked on Fake GPU sm89 yet.*\ncheck it: stream-mer engines"
        ):
            open_plan(wish, cache, gpu)  # type: ignore[arg-type]
        page = gate_plan(wish, cache, self.judge(manifest), gpu)  # type: ignore[arg-type]
        assert page.passed is True
        assert (page.parity, page.checked_on) == ("identical", "Fake GPU sm89")
        engine = open_plan(wish, cache, gpu)  # type: ignore[arg-type]
        assert engine.backend == "tensorrt:cuda:fp16"
        engine.close()

    def test_another_gpus_verdict_does_not_count(self, manifest: Manifest, tmp_path: Path) -> None:
        wish, cache, gpu = self.opened(manifest, tmp_path, read_network(manifest))
        page = gate_plan(wish, cache, self.judge(manifest), gpu)  # type: ignore[arg-type]
        cache.note(replace(page, checked_on="Elder GPU sm89"))
        with pytest.raises(EngineError, match="was not checked on Fake GPU sm89 yet"):
            open_plan(wish, cache, gpu)  # type: ignore[arg-type]

    def test_a_right_build_with_wrong_numbers_is_refused_for_good(
        self, manifest: Manifest, tmp_path: Path
    ) -> None:
        wish, cache, gpu = self.opened(manifest, tmp_path, super_resolver(shift=6.0))
        page = gate_plan(wish, cache, self.judge(manifest), gpu)  # type: ignore[arg-type]
        assert page.passed is False
        with pytest.raises(EngineError, match=r"gives other numbers than the CPU: .*dB < 50"):
            open_plan(wish, cache, gpu)  # type: ignore[arg-type]

    def test_no_plan_says_how_to_build_one(self, manifest: Manifest, tmp_path: Path) -> None:
        gpu = fake_gpu(World(manifest, read_network(manifest)))
        with pytest.raises(EngineError, match=r"no tensorrt plan of tiny in fp16 for sm89.*\nbuild it"):
            open_plan(wish_for(manifest, "tensorrt"), PlanCache(tmp_path), gpu)


@pytest.mark.parametrize("backend", ["tensorrt", "tensorrt-rtx"])
def test_a_library_that_is_not_installed_says_what_to_install(
    backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("stream_mer.runtime.trt_library.find_spec", lambda _: None)
    with pytest.raises(EngineError, match=r"is not installed.*\ninstall it with 'pip install stream-mer\["):
        load_library(backend)
