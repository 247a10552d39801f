"""int8 copies: the right bytes, of the present weights, the same pictures everywhere, chosen where faster."""

from __future__ import annotations

from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from fake_world import BIG, World, pick
from hypothesis import given
from hypothesis import strategies as st
from tiny_networks import install, pictures, super_resolver

from stream_mer.errors import EngineError
from stream_mer.runtime.int8 import NETWORK, PAGE, Int8Page, load_int8, read_int8, read_int8_page, write_int8
from stream_mer.runtime.manifest import list_manifests
from stream_mer.runtime.open import open_engine, ways_to_run
from stream_mer.runtime.parity import compare_engines, tolerance_for
from stream_mer.runtime.quantised_onnx import fp8_network, signed_network
from stream_mer.runtime.schema import Manifest
from stream_mer.training.quantise import (
    METHODS,
    SPEED_FLOOR_DB,
    Trial,
    choose_trial,
    high_sets,
    quantise,
    run_onnx,
)

ENGINES = Path(__file__).resolve().parents[2] / "engines"
COPIES = [one for one in list_manifests(ENGINES) if read_int8_page(one) is not None]


@pytest.fixture(scope="module")
def quantised(tmp_path_factory: pytest.TempPathFactory) -> Manifest:
    """A tiny engine with an int8 copy of its second convolution."""
    manifest = install(tmp_path_factory.mktemp("engines"), "tiny", _named(super_resolver()))
    assert manifest.folder is not None
    network = quantise(manifest.path.read_bytes(), pictures(8), "minmax", ["first"])
    digest = sha256(network).hexdigest()
    write_int8(
        manifest.folder,
        network,
        Int8Page(digest, manifest.sha256, "minmax", ("first",), 40.0, "0" * 64, "x 1"),
    )
    return manifest


def _named(network: bytes) -> bytes:
    """The convolutions' names are what a choice of layers goes by."""
    import onnx

    model = onnx.load_model_from_string(network)
    convs = [node for node in model.graph.node if node.op_type == "Conv"]
    for node, name in zip(convs, ("first", "second"), strict=True):
        node.name = name
    written: bytes = model.SerializeToString()
    return written


def test_the_page_is_read_back(quantised: Manifest) -> None:
    page = load_int8(quantised)
    assert page is not None
    assert page.high == ("first",)
    assert sha256(read_int8(quantised)).hexdigest() == page.sha256


@pytest.mark.parametrize("backend", ["onnxruntime", "openvino"])
def test_both_backends_run_the_same_file_to_the_same_pictures(quantised: Manifest, backend: str) -> None:
    exact = open_engine(quantised, backend="onnxruntime", precision="f32", threads=1)
    coarse = open_engine(quantised, backend=backend, precision="int8", threads=1)
    assert coarse.backend == f"{backend}:cpu:int8"
    verdict = compare_engines(exact, coarse, pictures(6, seed=5))
    assert verdict.ok, verdict.reason
    assert verdict.share > 0.01  # it really is another network


def test_it_is_offered_as_a_way(quantised: Manifest, tmp_path: Path) -> None:
    kinds = {(way.backend, way.precision) for way in ways_to_run(quantised)}
    assert {("onnxruntime", "int8"), ("openvino", "int8")} <= kinds
    plain = install(tmp_path, "plain", super_resolver())
    assert not [way for way in ways_to_run(plain) if way.precision == "int8"]
    with pytest.raises(EngineError, match=r"no int8 copy\nmake one: python .* --engine plain"):
        open_engine(plain, precision="int8")


def test_a_classifier_is_not_sent_to_a_script_that_refuses_it(tmp_path: Path) -> None:
    decides = install(tmp_path, "decides", super_resolver(), task="classification")
    with pytest.raises(EngineError, match=r"it decides by flow, which needs f32\nuse --precision"):
        read_int8(decides)


def test_after_a_retraining_it_is_left_aside_and_said(quantised: Manifest) -> None:
    retrained = replace(quantised, sha256="f" * 64)
    assert load_int8(retrained) is None
    with pytest.raises(EngineError, match=r"was made from .*, the weights are ffffffffffff\nmake it again"):
        read_int8(retrained)


def test_an_altered_copy_is_refused(quantised: Manifest, tmp_path: Path) -> None:
    assert quantised.folder is not None
    for name in (PAGE, NETWORK):
        (tmp_path / name).write_bytes((quantised.folder / name).read_bytes())
    moved = replace(quantised, folder=tmp_path)
    (tmp_path / NETWORK).write_bytes((tmp_path / NETWORK).read_bytes()[:-1] + b"x")
    with pytest.raises(EngineError, match="its page says"):
        open_engine(moved, backend="onnxruntime", precision="int8")
    (tmp_path / PAGE).write_text("sha256 = 1")
    with pytest.raises(EngineError, match="make it again"):
        load_int8(moved)


def test_signed_is_the_same_arithmetic(quantised: Manifest) -> None:
    network = read_int8(quantised)
    lr = pictures(6, seed=9)
    np.testing.assert_array_equal(run_onnx(signed_network(network), lr), run_onnx(network, lr))


def test_fp8_covers_the_same_ranges(quantised: Manifest) -> None:
    import onnx

    model = onnx.load_model_from_string(fp8_network(read_int8(quantised)))
    kinds = {tensor.data_type for tensor in model.graph.initializer}
    assert onnx.TensorProto.FLOAT8E4M3FN in kinds
    assert not kinds & {onnx.TensorProto.INT8, onnx.TensorProto.UINT8}
    with pytest.raises(EngineError, match="was not calibrated"):
        fp8_network(super_resolver())


@pytest.mark.parametrize("manifest", COPIES, ids=lambda one: one.name)
def test_shipped_copies_pass_the_gate_on_real_faces(manifest: Manifest, faces: Path) -> None:
    if load_int8(manifest) is None:
        pytest.fail(f"{manifest.name}: its int8 copy is of other weights; run scripts/calibrate.py")
    from stream_mer.training.samples import read_samples
    from stream_mer.training.sr_data import read_rgb

    rows = read_samples(ENGINES.parent / "calibration" / "int8" / manifest.name / "samples.csv")
    judged = [row for row in rows if row.role == "judge"][:8]
    crops = []
    for row in judged:
        rgb = read_rgb(faces / row.path)
        edge = min(rgb.shape[:2]) // 32 * 32
        crops.append(rgb[:edge, :edge].reshape(32, edge // 32, 32, edge // 32, 3).mean(axis=(1, 3)))
    lr = np.rint(np.stack(crops)).astype(np.uint8)
    exact = open_engine(manifest, backend="onnxruntime", precision="f32", threads=1)
    for backend in ("onnxruntime", "openvino"):
        verdict = compare_engines(exact, open_engine(manifest, backend=backend, precision="int8"), lr)
        assert verdict.ok, f"{backend}: {verdict.reason}"


@pytest.mark.parametrize("manifest", COPIES, ids=lambda one: one.name)
def test_people_to_judge_by_are_not_those_of_the_ranges(manifest: Manifest) -> None:
    from stream_mer.training.samples import KINDS, read_samples

    rows = read_samples(ENGINES.parent / "calibration" / "int8" / manifest.name / "samples.csv")
    people = {role: {row.person for row in rows if row.role == role} for role in ("range", "judge")}
    assert not people["range"] & people["judge"]
    assert {row.kind for row in rows} == set(KINDS)
    assert all(len(row.picture_sha256) == len(row.crop_sha256) == 64 for row in rows)
    page = read_int8_page(manifest)
    assert page is not None
    listed = (ENGINES.parent / "calibration" / "int8" / manifest.name / "samples.csv").read_bytes()
    assert page.samples_sha256 == sha256(listed).hexdigest()


def test_auto_takes_int8_only_for_a_real_gain() -> None:
    f32, int8 = ("openvino", "f32"), ("openvino", "int8")
    assert pick(World({"big": {f32: 5.0, int8: 4.5}}), (BIG,)).precision == "f32"
    assert pick(World({"big": {f32: 5.0, int8: 2.0}}), (BIG,)).precision == "int8"
    wrong = World({"big": {f32: 5.0, int8: 2.0}}, shift={int8: 4})  # 36 dB
    assert pick(wrong, (BIG,)).precision == "f32"


@pytest.mark.parametrize(("precision", "db"), [("fp16", 50), ("bf16", 45), ("int8", 38), ("fp8", 38)])
def test_the_gate_is_where_it_was_promised(precision: str, db: float) -> None:
    assert tolerance_for(np.dtype(np.uint8), precision).min_psnr_db == db  # type: ignore[union-attr]


@given(figures=st.lists(st.floats(20, 60), min_size=6, max_size=6))
def test_layers_stay_in_f32_only_as_far_as_needed(figures: list[float]) -> None:
    names = list(METHODS)
    trials = [
        Trial(names[i % 3], ("a",) if i < 3 else ("a", "b"), figure, 0.0, 1, 1)
        for i, figure in enumerate(figures)
    ]
    best = choose_trial(trials)
    if max(figures[:3]) >= SPEED_FLOOR_DB:
        assert best.psnr_db == max(figures[:3])
    elif max(figures[3:]) >= SPEED_FLOOR_DB:
        assert best.psnr_db == max(figures[3:])
    else:
        assert best.psnr_db == max(figures)


def test_the_ends_always_stay_in_f32() -> None:
    for high in high_sets(_named(super_resolver())):
        assert {"first", "second"} == set(high)
