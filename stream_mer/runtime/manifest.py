"""Reads and writes ``manifest.toml``, the page that says what an engine is.

It is strict: a key that is missing, misspelt or of the wrong kind is an error that names file and
key, because a quiet default here would become a wrong figure in somebody's paper.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from stream_mer.errors import EngineError, OutputError
from stream_mer.runtime.manifest_text import dump_manifest
from stream_mer.runtime.schema import Manifest, TensorSpec, Training

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["FILE_NAME", "Manifest", "TensorSpec", "Training", "dump_manifest", "list_manifests"]
__all__ += ["load_manifest", "parse_manifest", "read_network", "write_manifest"]

FILE_NAME = "manifest.toml"

TOP_KEYS = frozenset(
    {"name", "task", "version", "trained", "file", "sha256", "precision", "parameters", "gflop"}
    | {"input", "output", "preprocess", "training", "metrics", "notes"}
)
TRAINING_KEYS = frozenset({"data", "licence", "command", "seed", "steps"})
TENSOR_KEYS = frozenset({"name", "shape", "dtype", "layout"})

Value = TypeVar("Value", str, int, float, bool)


def _kind(value: object) -> str:
    names = {bool: "true/false", int: "an integer", float: "a number", str: "text", dict: "a table"}
    return names.get(type(value), f"a {type(value).__name__}")


def _only(table: Mapping[str, object], allowed: frozenset[str], where: str) -> None:
    unknown = sorted(set(table) - allowed)
    if unknown:
        raise EngineError(f"{where}: unknown key {unknown[0]!r}; known keys: {', '.join(sorted(allowed))}")


def _get(
    table: Mapping[str, object], key: str, kind: type[Value], where: str, default: Value | None = None
) -> Value:
    """``table[key]``, of exactly that kind (an integer passes for a number, true does not)."""
    value = table.get(key, default)
    if value is None:
        raise EngineError(f"{where}: key {key!r} is missing; add it")
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise EngineError(f"{where}: key {key!r} must be {_kind(kind())}, is {_kind(value)}")
    return value


def _table(table: Mapping[str, object], key: str, where: str) -> Mapping[str, object]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise EngineError(f"{where}: [{key}] must be a table, is {_kind(value)}")
    return value


def _tensor(value: object, where: str) -> TensorSpec:
    if not isinstance(value, dict):
        raise EngineError(f"{where} must be a table with name, shape and dtype, is {_kind(value)}")
    _only(value, TENSOR_KEYS, where)
    shape = value.get("shape")
    if not isinstance(shape, list) or not all(size == "N" or type(size) is int for size in shape):
        raise EngineError(f"{where}: key 'shape' must be a list such as [\"N\", 32, 32, 3], is {shape!r}")
    return TensorSpec(
        name=_get(value, "name", str, where),
        shape=tuple(None if size == "N" else size for size in shape),
        dtype=_get(value, "dtype", str, where),
        layout=_get(value, "layout", str, where, ""),
    )


def _numbers(table: Mapping[str, object], where: str, prefix: str = "") -> dict[str, float]:
    """Numbers by name; a table inside becomes dotted names (``validation.psnr``)."""
    found: dict[str, float] = {}
    for key, value in table.items():
        if isinstance(value, dict):
            found |= _numbers(value, where, f"{prefix}{key}.")
        else:
            found[prefix + key] = _get(table, key, float, where)
    return found


def parse_manifest(text: str, where: str = FILE_NAME, folder: Path | None = None) -> Manifest:
    """A manifest from its TOML text.

    Args:
        text: content of a ``manifest.toml``.
        where: file name for messages.
        folder: where the network file lies.

    Raises:
        EngineError: naming file and key, and what to do.
    """
    try:
        top: dict[str, object] = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EngineError(f"{where}: not valid TOML: {error}") from error
    _only(top, TOP_KEYS, where)
    training = _table(top, "training", where)
    _only(training, TRAINING_KEYS, f"{where} [training]")
    trained = _get(top, "trained", bool, where, True)
    if trained and not (top.get("file") and top.get("sha256")):
        raise EngineError(f"{where}: keys 'file' and 'sha256' are missing; add them or set trained = false")
    outputs = top.get("output", {})
    tables = outputs if isinstance(outputs, list) else [outputs]
    preprocess, notes = _table(top, "preprocess", where), _table(top, "notes", where)
    try:
        return Manifest(
            name=_get(top, "name", str, where),
            task=_get(top, "task", str, where),
            version=_get(top, "version", str, where),
            inputs=_tensor(top.get("input", {}), f"{where} [input]"),
            outputs=tuple(_tensor(table, f"{where} [output]") for table in tables),
            training=Training(
                data=_get(training, "data", str, f"{where} [training]"),
                licence=_get(training, "licence", str, f"{where} [training]"),
                command=_get(training, "command", str, f"{where} [training]"),
                seed=_get(training, "seed", int, f"{where} [training]", 0),
                steps=_get(training, "steps", int, f"{where} [training]", 0),
            ),
            file=_get(top, "file", str, where, ""),
            sha256=_get(top, "sha256", str, where, ""),
            precision=_get(top, "precision", str, where, "f32"),
            parameters=_get(top, "parameters", int, where, 0),
            gflop=_get(top, "gflop", float, where, 0.0),
            preprocess={key: _get(preprocess, key, str, f"{where} [preprocess]") for key in preprocess},
            metrics=_numbers(_table(top, "metrics", where), f"{where} [metrics]"),
            notes={key: _get(notes, key, str, f"{where} [notes]") for key in notes},
            trained=trained,
            folder=folder,
        )
    except EngineError as error:
        if str(error).startswith(where):
            raise
        raise EngineError(f"{where}: {error}") from error


def load_manifest(folder: Path) -> Manifest:
    """The manifest of the engine in ``folder``.

    Raises:
        EngineError: no manifest there, or something in it is wrong.
    """
    path = Path(folder) / FILE_NAME
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise EngineError(f"{path}: cannot be read ({error}); an engine's folder holds one") from error
    manifest = parse_manifest(text, str(path), Path(folder))
    if manifest.name != Path(folder).resolve().name:
        raise EngineError(f"{path}: name {manifest.name!r} differs from its folder's; rename one of them")
    return manifest


def list_manifests(root: Path) -> tuple[Manifest, ...]:
    """All engines in the folders of ``root``, by name; untrained ones too, folders without manifest not.

    Raises:
        EngineError: one of them is broken.
    """
    if not Path(root).is_dir():
        return ()
    return tuple(load_manifest(path.parent) for path in sorted(Path(root).glob(f"*/{FILE_NAME}")))


def read_network(manifest: Manifest) -> bytes:
    """The bytes of the network file, after their digest was found to be the manifest's.

    The same bytes go to the backend, so what was checked is what runs.

    Raises:
        EngineError: not trained, missing, or of another digest.
    """
    path = manifest.path
    try:
        network = path.read_bytes()
    except OSError as error:
        raise EngineError(f"engine {manifest.name}: {path} cannot be read: {error.strerror}") from error
    digest = sha256(network).hexdigest()
    if digest != manifest.sha256:
        raise EngineError(
            f"engine {manifest.name}: {path} has sha256 {digest[:12]}…, its manifest says "
            f"{manifest.sha256[:12]}…\nthe file is damaged or is another one; restore it or train again"
        )
    return network


def write_manifest(folder: Path, manifest: Manifest) -> Manifest:
    """Write ``folder/manifest.toml`` for the network file that lies there; the digest is taken from it.

    Training scripts call it last, so an interrupted training leaves no manifest. What the given
    manifest says in ``sha256`` is ignored.

    Returns:
        The manifest as written, with ``sha256`` and ``folder`` filled in.

    Raises:
        EngineError: the network file is missing, or the name is not the folder's.
        OutputError: the folder cannot be written.
    """
    folder = Path(folder)
    if manifest.name != folder.resolve().name:
        raise EngineError(f"engine {manifest.name} must lie in a folder of that name, not in {folder}")
    if manifest.trained:
        path = folder / manifest.file
        if not path.is_file():
            raise EngineError(f"engine {manifest.name}: no network file {path}; export it first")
        manifest = replace(manifest, sha256=sha256(path.read_bytes()).hexdigest())
    manifest = replace(manifest, folder=folder)
    partial = folder / f".{FILE_NAME}.partial"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(dump_manifest(manifest), encoding="utf-8")
        partial.replace(folder / FILE_NAME)
    except OSError as error:
        raise OutputError(f"{folder / FILE_NAME}: cannot be written: {error.strerror}") from error
    return manifest
