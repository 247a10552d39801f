"""Every engine keeps the same promises, whatever runs underneath."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from fake_gpu import World, fake_gpu, page_of
from tiny_networks import CLASSIFIER_INPUT, SR_OUTPUT, classifier, install, pictures, super_resolver

from stream_mer.errors import EngineError
from stream_mer.protocols import Engine
from stream_mer.runtime.bicubic import BICUBIC, BicubicEngine
from stream_mer.runtime.onnxruntime import OnnxRuntimeEngine
from stream_mer.runtime.open import open_engine, ways_to_run
from stream_mer.runtime.openvino import OpenVinoEngine, bf16_available
from stream_mer.runtime.parity import compare_engines
from stream_mer.runtime.schema import Manifest, TensorSpec
from stream_mer.runtime.trt import TrtEngine

Opener = Callable[[Manifest], Engine]

OPENERS: dict[str, Opener] = {
    "onnxruntime:cpu:f32": lambda m: open_engine(m, backend="onnxruntime", threads=1),
    "openvino:cpu:f32": lambda m: open_engine(m, backend="openvino", precision="f32", threads=1),
    "openvino:cpu:bf16": lambda m: open_engine(m, backend="openvino", precision="bf16", threads=1),
    "openvino:cpu:f32 throughput": lambda m: open_engine(m, threads=2, hint="throughput"),
    "opencv:cpu:u8": lambda _: open_engine(BICUBIC),
    # The real TensorRT engine on a strict fake GPU; on a real one: tests/runtime/test_gpu.py.
    "tensorrt:cuda:f32": lambda m: _on_fake_gpu(m, graphs=True),
    "tensorrt:cuda:f32 without graphs": lambda m: _on_fake_gpu(m, graphs=False),
}


def _on_fake_gpu(manifest: Manifest, *, graphs: bool) -> Engine:
    world = World(manifest, manifest.path.read_bytes(), batches=(1, 4, 8))
    return TrtEngine(manifest, world.network, page_of(world), fake_gpu(world, graphs=graphs))


@pytest.fixture(scope="module")
def manifest(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    return install(tmp_path_factory.mktemp("engines"), "tiny", super_resolver())


@pytest.fixture(scope="module", params=list(OPENERS))
def engine(request: pytest.FixtureRequest, manifest: Manifest) -> Iterator[Engine]:
    if "bf16" in request.param and not bf16_available():
        pytest.skip("this processor has no bf16")
    engine = OPENERS[request.param](manifest)
    yield engine
    engine.close()


@pytest.mark.parametrize("count", [0, 1, 3, 17])
def test_any_batch_gives_pictures_of_the_right_shape(engine: Engine, count: int) -> None:
    (sr,) = engine.run(pictures(count))
    assert sr.shape == (count, 128, 128, 3)
    assert sr.dtype == np.uint8
    assert sr.flags.c_contiguous
    assert sr.flags.writeable


def test_one_by_one_equals_all_at_once(engine: Engine) -> None:
    lr = pictures(5, seed=3)
    (together,) = engine.run(lr)
    apart = np.concatenate([engine.run(lr[index : index + 1])[0] for index in range(5)])
    # A batch may be summed in another order, so a value on the edge of two levels may turn.
    assert np.abs(together.astype(int) - apart).max() <= 1
    assert np.mean(together != apart) < 1e-3


def test_answers_differ_where_inputs_differ(engine: Engine) -> None:
    (sr,) = engine.run(np.stack([np.zeros((32, 32, 3), np.uint8), np.full((32, 32, 3), 200, np.uint8)]))
    assert sr[0].mean() < 60 < 140 < sr[1].mean()


def test_outputs_belong_to_the_caller(engine: Engine) -> None:
    (first,) = engine.run(pictures(3, seed=1))
    kept = first.copy()
    for seed in range(2, 6):
        engine.run(pictures(3, seed=seed))
    np.testing.assert_array_equal(first, kept)
    first[:] = 0  # and the engine does not mind
    np.testing.assert_array_equal(engine.run(pictures(3, seed=1))[0], kept)


def test_the_input_is_left_alone_and_may_be_a_view(engine: Engine) -> None:
    lr = pictures(8, seed=4)
    before = lr.copy()
    (straight,) = engine.run(np.ascontiguousarray(lr[::-2]))
    (viewed,) = engine.run(lr[::-2])
    np.testing.assert_array_equal(viewed, straight)
    np.testing.assert_array_equal(lr, before)


@pytest.mark.parametrize(
    "batch",
    [
        pictures(1).astype(np.float32),
        pictures(1)[0],
        pictures(1)[:, :31],
        pictures(1)[..., :1],
        pictures(1).transpose(0, 3, 1, 2),
        pictures(0).astype(np.int64),
        [[1, 2], [3, 4]],
    ],
    ids=["float", "no batch", "31 high", "grey", "planes", "empty of int64", "a list"],
)
def test_a_wrong_batch_is_refused_by_name(engine: Engine, batch: np.ndarray) -> None:
    with pytest.raises(EngineError, match=r"'lr' must be uint8 \(N, 32, 32, 3\), got"):
        engine.run(batch)
    assert engine.run(pictures(1))[0].shape == (1, 128, 128, 3)  # it survives


def test_it_says_what_is_running(engine: Engine, manifest: Manifest, request: pytest.FixtureRequest) -> None:
    wanted = request.node.callspec.params["engine"].split()[0]
    assert engine.backend == wanted
    expected = BICUBIC if wanted.startswith("opencv") else manifest
    assert (engine.name, engine.sha256) == (expected.name, expected.sha256)


@pytest.mark.parametrize("opener", OPENERS.values(), ids=list(OPENERS))
def test_close_is_idempotent_and_final(opener: Opener, manifest: Manifest) -> None:
    if opener is OPENERS["openvino:cpu:bf16"] and not bf16_available():
        pytest.skip("this processor has no bf16")
    engine = opener(manifest)
    (kept,) = engine.run(pictures(2))
    copy = kept.copy()
    engine.close()
    engine.close()
    with pytest.raises(EngineError, match="closed"):
        engine.run(pictures(1))
    np.testing.assert_array_equal(kept, copy)  # the outputs outlive the engine


@pytest.mark.parametrize("task", ["super-resolution", "classification"])
def test_all_ways_agree_within_the_stated_tolerance(tmp_path: Path, task: str) -> None:
    network = super_resolver(7) if task == "super-resolution" else classifier(7)
    manifest = install(tmp_path, "tiny", network, task=task)
    reference, *others = ways_to_run(manifest, threads=1)
    assert (reference.backend, reference.precision) == ("onnxruntime", "f32")
    batch = pictures(9, shape=tuple(size or 1 for size in manifest.inputs.shape[1:]))
    trusted = reference.open()
    assert others
    for way in others:
        engine = way.open()
        verdict = compare_engines(trusted, engine, batch)
        assert verdict.ok, f"{way}: {verdict.reason}"
        engine.close()
    trusted.close()


def test_bf16_is_really_bf16(manifest: Manifest) -> None:
    if not bf16_available():
        pytest.skip("this processor has no bf16")
    exact, coarse = OPENERS["openvino:cpu:f32"](manifest), OPENERS["openvino:cpu:bf16"](manifest)
    verdict = compare_engines(exact, coarse, pictures(4))
    assert verdict.ok
    assert verdict.share > 0.01


def test_auto_precision_is_f32(manifest: Manifest) -> None:
    assert open_engine(manifest, precision="auto").backend == "openvino:cpu:f32"


def test_compiled_networks_are_kept_on_request(manifest: Manifest, tmp_path: Path) -> None:
    fresh = open_engine(manifest, threads=1).run(pictures(2))[0]
    for _ in range(2):
        engine = open_engine(manifest, threads=1, compiled=tmp_path / "compiled")
        np.testing.assert_array_equal(engine.run(pictures(2))[0], fresh)
    assert list((tmp_path / "compiled").glob("*.blob"))


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_changed_network_file_is_never_loaded(tmp_path: Path, backend: str) -> None:
    manifest = install(tmp_path, "tiny", super_resolver())
    manifest.path.write_bytes(super_resolver(seed=1))
    with pytest.raises(EngineError, match="sha256") as caught:
        open_engine(manifest, backend=backend)
    assert caught.value.exit_code == 4


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
@pytest.mark.parametrize("content", [b"", b"not a network at all"], ids=["empty", "text"])
def test_a_file_that_is_no_network_is_one_short_error(tmp_path: Path, backend: str, content: bytes) -> None:
    manifest = install(tmp_path, "broken", content)
    with pytest.raises(EngineError, match=r"broken: .* cannot load it") as caught:
        open_engine(manifest, backend=backend)
    assert len(str(caught.value).splitlines()) <= 3


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_a_manifest_that_lies_about_its_network_is_caught(tmp_path: Path, backend: str) -> None:
    honest = install(tmp_path, "tiny", super_resolver())
    lies = [
        replace(honest, inputs=CLASSIFIER_INPUT),
        replace(honest, inputs=TensorSpec("lr", (None, 64, 64, 3), "uint8")),
        replace(honest, outputs=(TensorSpec("sr", SR_OUTPUT.shape, "float32"),)),
        replace(honest, outputs=(TensorSpec("hr", SR_OUTPUT.shape, "uint8"),)),
    ]
    for manifest in lies:
        with pytest.raises(EngineError, match=r"manifest says|has no tensor"):
            open_engine(manifest, backend=backend)


def test_wishes_that_cannot_be_granted_are_refused(manifest: Manifest) -> None:
    for wrong in ({"backend": "abacus"}, {"precision": "f8"}, {"hint": "luck"}, {"device": "NOSUCH"}):
        with pytest.raises(EngineError):
            open_engine(manifest, **wrong)  # type: ignore[arg-type]
    with pytest.raises(EngineError, match="bf16"):
        OnnxRuntimeEngine(manifest, precision="bf16")
    with pytest.raises(EngineError, match="no bf16"):
        OpenVinoEngine(manifest, device="NOSUCH", precision="bf16")


def test_an_untrained_engine_says_how_to_train_it(manifest: Manifest) -> None:
    untrained = replace(manifest, trained=False, file="", sha256="")
    with pytest.raises(EngineError, match=r"train it with: python nothing\.py --seed 1"):
        open_engine(untrained)


def test_bicubic_is_close_to_a_smooth_truth() -> None:
    v, u = np.mgrid[0:128, 0:128] / 128
    truth = np.stack([90 + 60 * np.sin(4 * u), 90 + 60 * np.cos(3 * v), 128 + 0 * u], axis=-1)
    lr = np.rint(truth.reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))).astype(np.uint8)
    (sr,) = BicubicEngine().run(lr[None])
    # Half a level of rounding and nothing more: a shift by one HR pixel alone would be 1.9 levels.
    assert np.abs(sr[0, 8:-8, 8:-8] - truth[8:-8, 8:-8]).mean() < 0.4


class TestFromFile:
    def test_it_reads_what_the_file_says(self, manifest: Manifest) -> None:
        engine = OpenVinoEngine.from_file(manifest.path, threads=1)
        assert engine.sha256 == manifest.sha256
        np.testing.assert_array_equal(
            engine.run(pictures(2))[0], OPENERS["openvino:cpu:f32"](manifest).run(pictures(2))[0]
        )

    def test_a_missing_file(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match=r"nothing\.tflite"):
            OpenVinoEngine.from_file(tmp_path / "nothing.tflite")

    def test_the_face_mesh(self, assets_dir: Path) -> None:
        path = assets_dir / "face_landmark.tflite"
        single, batched = OpenVinoEngine.from_file(path), OpenVinoEngine.from_file(path, batched=True)
        assert str(single.manifest.inputs) == "float32 (1, 192, 192, 3)"
        faces = np.random.default_rng(0).random((3, 192, 192, 3), dtype=np.float32)
        points, score = batched.run(faces)
        assert (points.shape, score.shape) == ((3, 1, 1, 1404), (3, 1, 1, 1))
        for index in range(3):
            alone, _ = single.run(faces[index : index + 1])
            np.testing.assert_allclose(points[index], alone[0], atol=1e-3)
        with pytest.raises(EngineError, match="must be float32"):
            single.run(faces)

    def test_a_network_that_mixes_its_batch_is_refused(self, assets_dir: Path) -> None:
        path = assets_dir / "face_detection_short_range.tflite"
        with pytest.raises(EngineError, match="mixes the items"):
            OpenVinoEngine.from_file(path, batched=True)
