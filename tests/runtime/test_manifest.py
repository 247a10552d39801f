"""Manifests: what is written is read back, and nothing wrong is read."""

from __future__ import annotations

import string
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_networks import SR_INPUT, install, super_resolver

from stream_mer.errors import EngineError, OutputError
from stream_mer.runtime.manifest import (
    dump_manifest,
    list_manifests,
    load_manifest,
    parse_manifest,
    read_network,
    write_manifest,
)
from stream_mer.runtime.schema import DTYPES, TASKS, Manifest, TensorSpec, Training

GOOD = """
name = "tiny"
task = "super-resolution"
version = "1"
trained = true
file = "model.onnx"
sha256 = "{digest}"
precision = "f32"
parameters = 1234
gflop = 2

[input]
name = "lr"
shape = ["N", 32, 32, 3]
dtype = "uint8"
layout = "NHWC"

[output]
name = "sr"
shape = ["N", 128, 128, 3]
dtype = "uint8"

[preprocess]
range = "0..255"

[training]
data = "portraits"
licence = "CC-BY-4.0"
command = "python train.py"
seed = 1
steps = 100

[metrics]
psnr_paper = 30
""".replace("{digest}", "a" * 64)

texts = st.text(st.characters(codec="utf-8"), max_size=30)
names = st.text(string.ascii_lowercase + string.digits + "._-", min_size=1, max_size=20).filter(
    lambda name: name[0].isalnum()
)
keys = st.text(string.ascii_letters + string.digits + "._-", min_size=1, max_size=12).filter(
    lambda key: key[0].isalnum()
)
numbers = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def tensors(draw: st.DrawFn, name: st.SearchStrategy[str] = texts) -> TensorSpec:
    sizes = draw(st.lists(st.integers(1, 4096), max_size=4))
    shape = (None, *sizes) if not sizes or draw(st.booleans()) else tuple(sizes)
    layout = draw(st.sampled_from(["", "N" * len(shape)]))
    return TensorSpec(draw(name.filter(bool)), shape, draw(st.sampled_from(DTYPES)), layout)


@st.composite
def manifests(draw: st.DrawFn) -> Manifest:
    trained = draw(st.booleans())
    return Manifest(
        name=draw(names),
        task=draw(st.sampled_from(TASKS)),
        version=draw(texts),
        inputs=draw(tensors()),
        outputs=tuple(draw(st.lists(tensors(), min_size=1, max_size=3, unique_by=lambda spec: spec.name))),
        training=Training(
            draw(texts), draw(texts), draw(texts.filter(bool)), draw(st.integers()), draw(st.integers(0))
        ),
        file=draw(names.filter(lambda name: ".." not in name)) if trained else "",
        sha256=draw(st.text("0123456789abcdef", min_size=64, max_size=64)) if trained else "",
        precision=draw(texts),
        parameters=draw(st.integers(0, 2**40)),
        gflop=draw(st.floats(0, 1e6)),
        preprocess=draw(st.dictionaries(keys, texts, max_size=3)),
        metrics=draw(st.dictionaries(keys, numbers, max_size=4)),
        notes=draw(st.dictionaries(keys, texts, max_size=3)),
        trained=trained,
    )


@given(manifests())
def test_writing_and_reading_gives_the_same_manifest(manifest: Manifest) -> None:
    text = dump_manifest(manifest)
    again = parse_manifest(text)
    assert again == manifest
    assert dump_manifest(again) == text


@given(manifests())
def test_the_text_does_not_depend_on_the_order_of_the_figures(manifest: Manifest) -> None:
    turned = replace(
        manifest,
        metrics=dict(reversed(list(manifest.metrics.items()))),
        notes=dict(reversed(list(manifest.notes.items()))),
    )
    assert dump_manifest(turned) == dump_manifest(manifest)


def test_a_good_manifest_says_what_it_says() -> None:
    manifest = parse_manifest(GOOD)
    assert manifest.inputs == SR_INPUT
    assert manifest.outputs[0].shape == (None, 128, 128, 3)
    assert manifest.metrics == {"psnr_paper": 30.0}
    assert manifest.training.steps == 100
    assert manifest.gflop == 2.0


def test_several_outputs_and_tables_of_metrics() -> None:
    text = GOOD.replace("[output]", "[[output]]").replace(
        "[preprocess]", '[[output]]\nname = "score"\nshape = ["N", 1]\ndtype = "float32"\n\n[preprocess]'
    )
    manifest = parse_manifest(text + "\n[metrics.validation]\nssim = 0.9\n")
    assert [spec.name for spec in manifest.outputs] == ["sr", "score"]
    assert manifest.metrics == {"psnr_paper": 30.0, "validation.ssim": 0.9}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('name = "tiny"', "", "'name' is missing"),
        ('name = "tiny"', "name = 3", "'name' must be text, is an integer"),
        ('name = "tiny"', 'name = "../tiny"', "not a plain name"),
        ('task = "super-resolution"', 'task = "cooking"', "task 'cooking' is not one of"),
        ('file = "model.onnx"', 'file = "../../secret.onnx"', "plain file name"),
        ('file = "model.onnx"', 'file = "/etc/model.onnx"', "plain file name"),
        ('file = "model.onnx"', 'file = ".."', "plain file name"),
        ('file = "model.onnx"', "", "'file' and 'sha256' are missing"),
        ("a" * 64, "A" * 64, "64 lower-case hex digits"),
        ("a" * 64, "a" * 63, "64 lower-case hex digits"),
        ("a" * 64, "", "'file' and 'sha256' are missing"),
        ("parameters = 1234", "parameters = 12.5", "'parameters' must be an integer, is a number"),
        ("parameters = 1234", "parameters = -1", "not negative"),
        ("gflop = 2", "gflop = true", "'gflop' must be a number, is true/false"),
        ("gflop = 2", "gflop = inf", "must be finite"),
        ("gflop = 2", "gflops = 2", "unknown key 'gflops'"),
        ("trained = true", "trained = 1", "'trained' must be true/false"),
        ("trained = true", "trained = false", "has no file and no sha256"),
        ('"N", 32, 32, 3', '"M", 32, 32, 3', "'shape' must be a list such as"),
        ('"N", 32, 32, 3', '32, "N", 32, 3', "must be positive integers"),
        ('"N", 32, 32, 3', '"N", 0, 32, 3', "must be positive integers"),
        ('"N", 32, 32, 3', "", "must be positive integers"),
        ('"N", 32, 32, 3', '"N", 32, 3', "layout 'NHWC' must have 3 letters"),
        ('dtype = "uint8"\nlayout', 'dtype = "float16"\nlayout', "'float16' is not one of"),
        ("[input]", "[inputs]", "unknown key 'inputs'"),
        ("[output]", "[notes]", "[output]: key"),
        ('command = "python train.py"', "", "[training]: key 'command' is missing"),
        ("seed = 1", "sead = 1", "[training]: unknown key 'sead'"),
        ("psnr_paper = 30", 'psnr_paper = "good"', "[metrics]: key 'psnr_paper' must be a number, is text"),
        ("psnr_paper = 30", "psnr_paper = nan", "must be finite"),
        ('range = "0..255"', "range = 255", "[preprocess]: key 'range' must be text"),
        ("[training]", "[training", "not valid TOML"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_key(old: str, new: str, told: str) -> None:
    assert old in GOOD
    with pytest.raises(EngineError) as caught:
        parse_manifest(GOOD.replace(old, new, 1), "engines/tiny/manifest.toml")
    message = str(caught.value)
    assert message.startswith("engines/tiny/manifest.toml")
    assert told in message
    assert len(message.splitlines()) <= 3


def test_write_takes_the_digest_from_the_file(tmp_path: Path) -> None:
    installed = install(tmp_path, "tiny", super_resolver(), metrics={"psnr_paper": 31.25})
    written = write_manifest(tmp_path / "tiny", replace(installed, sha256=""))
    assert written == installed
    loaded = load_manifest(tmp_path / "tiny")
    assert loaded == installed
    assert loaded.folder == tmp_path / "tiny"
    assert read_network(loaded) == (tmp_path / "tiny" / "model.onnx").read_bytes()
    assert not list((tmp_path / "tiny").glob(".*"))


def test_write_refuses_what_load_would_refuse(tmp_path: Path) -> None:
    installed = install(tmp_path, "tiny", super_resolver())
    with pytest.raises(EngineError, match="folder of that name"):
        write_manifest(tmp_path / "tiny", replace(installed, name="other"))
    installed.path.unlink()
    with pytest.raises(EngineError, match="export it first"):
        write_manifest(tmp_path / "tiny", installed)
    (tmp_path / "file").write_text("not a folder")
    untrained = replace(installed, name="tiny", trained=False, file="", sha256="")
    with pytest.raises(OutputError):
        write_manifest(tmp_path / "file" / "tiny", untrained)


def test_an_untrained_engine_is_listed_and_has_no_network(tmp_path: Path) -> None:
    untrained = replace(
        install(tmp_path / "elsewhere", "big", b"x"), trained=False, file="", sha256="", folder=None
    )
    write_manifest(tmp_path / "big", untrained)
    (loaded,) = list_manifests(tmp_path)
    assert loaded == untrained
    with pytest.raises(EngineError, match=r"not trained.*\n.*python nothing"):
        read_network(loaded)


def test_listing_is_sorted_and_passes_over_other_folders(tmp_path: Path) -> None:
    for name in ("b", "c", "a"):
        write_manifest(tmp_path / name, install(tmp_path, name, super_resolver()))
    (tmp_path / "no engine").mkdir()
    (tmp_path / ".gitkeep").touch()
    assert [manifest.name for manifest in list_manifests(tmp_path)] == ["a", "b", "c"]
    assert list_manifests(tmp_path / "nowhere") == ()


def test_a_folder_without_manifest_and_one_of_another_name(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="cannot be read"):
        load_manifest(tmp_path)
    write_manifest(tmp_path / "tiny", install(tmp_path, "tiny", super_resolver()))
    (tmp_path / "tiny").rename(tmp_path / "moved")
    with pytest.raises(EngineError, match="differs from its folder's"):
        load_manifest(tmp_path / "moved")
    (tmp_path / "moved" / "manifest.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(EngineError, match="cannot be read"):
        load_manifest(tmp_path / "moved")


def test_one_flipped_bit_is_a_wrong_digest(tmp_path: Path) -> None:
    manifest = install(tmp_path, "tiny", super_resolver())
    network = bytearray(manifest.path.read_bytes())
    network[len(network) // 2] ^= 1
    manifest.path.write_bytes(network)
    with pytest.raises(EngineError, match=r"model\.onnx has sha256") as caught:
        read_network(manifest)
    assert caught.value.exit_code == 4
    manifest.path.unlink()
    with pytest.raises(EngineError, match="cannot be read"):
        read_network(manifest)
