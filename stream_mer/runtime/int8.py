"""The int8 copy of an engine: a Q/DQ network beside ``model.onnx``, and the page that says how it came about.

``engines/<name>/model.int8.onnx`` is committed: a quarter of the f32 file, and made from pictures of faces
that are not. Its page ``int8.toml`` names the digest of the f32 network it was made from; after a
retraining it no longer matches, and the copy is left aside until ``scripts/calibrate.py`` has run again.
"""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from pathlib import Path
from typing import Any

from stream_mer.errors import EngineError, OutputError
from stream_mer.runtime.schema import Manifest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

PAGE = "int8.toml"
NETWORK = "model.int8.onnx"


@dataclass(frozen=True, slots=True)
class Int8Page:
    """How an int8 copy was made.

    Args:
        sha256: of the Q/DQ network.
        made_from: sha256 of the f32 network.
        method: how ranges were found: ``minmax``, ``entropy`` or ``percentile``.
        high: names of the convolutions that were left in f32.
        psnr_db: against the f32 network on held-out crops, ONNX Runtime.
        samples_sha256: of ``calibration/int8/<name>/samples.csv``.
        quantiser: library and version.
    """

    sha256: str
    made_from: str
    method: str
    high: tuple[str, ...]
    psnr_db: float
    samples_sha256: str
    quantiser: str


def load_int8(manifest: Manifest) -> Int8Page | None:
    """The page of an engine's int8 copy; None if it has none that was made from the present weights.

    Raises:
        EngineError: the page is there but is not one.
    """
    page = read_int8_page(manifest)
    return page if page is not None and page.made_from == manifest.sha256 else None


def read_int8_page(manifest: Manifest) -> Int8Page | None:
    """The page, whatever weights it was made from; None if there is none.

    Raises:
        EngineError: the page is there but is not one.
    """
    if manifest.folder is None or not (manifest.folder / PAGE).is_file():
        return None
    path = manifest.folder / PAGE
    try:
        content: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
        if set(content) != {one.name for one in fields(Int8Page)}:
            raise ValueError(f"its keys are {', '.join(sorted(content))}")
        return Int8Page(**{**content, "high": tuple(content["high"])})
    except (OSError, ValueError, TypeError) as error:
        raise EngineError(f"{path}: {error}\nmake it again: {calibrate_hint(manifest)}") from error


def read_int8(manifest: Manifest) -> bytes:
    """The Q/DQ network, after its digest was found to be the page's.

    Raises:
        EngineError: none, made from other weights, missing or altered.
    """
    page = read_int8_page(manifest)
    if page is None and manifest.task == "classification":
        raise EngineError(
            f"engine {manifest.name} has no int8 copy: it decides by flow, which needs f32\n"
            "use --precision f32, fp16 or bf16"
        )
    if page is None:
        raise EngineError(f"engine {manifest.name} has no int8 copy\nmake one: {calibrate_hint(manifest)}")
    if page.made_from != manifest.sha256:
        raise EngineError(
            f"engine {manifest.name}: its int8 copy was made from {page.made_from[:12]}, the weights are "
            f"{manifest.sha256[:12]}\nmake it again: {calibrate_hint(manifest)}"
        )
    assert manifest.folder is not None
    path = manifest.folder / NETWORK
    try:
        network = path.read_bytes()
    except OSError as error:
        raise EngineError(f"engine {manifest.name}: {path} cannot be read: {error.strerror}") from error
    digest = sha256(network).hexdigest()
    if digest != page.sha256:
        raise EngineError(
            f"engine {manifest.name}: {path} has sha256 {digest[:12]}, its page says {page.sha256[:12]}\n"
            f"make it again: {calibrate_hint(manifest)}"
        )
    return network


def write_int8(folder: Path, network: bytes, page: Int8Page) -> None:
    """Put the Q/DQ network and its page into an engine's folder, the page last.

    Raises:
        OutputError: the folder cannot be written.
    """
    lines = []
    for key, value in asdict(page).items():
        shown = "[{}]".format(", ".join(f'"{one}"' for one in value)) if isinstance(value, tuple) else value
        lines.append(f"{key} = {shown}" if not isinstance(value, str) else f'{key} = "{value}"')
    try:
        (folder / NETWORK).write_bytes(network)
        (folder / PAGE).write_text("\n".join(lines) + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{folder}: {error.strerror}") from error


def calibrate_hint(manifest: Manifest) -> str:
    """The command that makes an int8 copy, as one line."""
    return f"python scripts/calibrate.py --engine {manifest.name} --data DATA"
