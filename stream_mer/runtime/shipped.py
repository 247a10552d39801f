"""Finds the engines that came with the package, whether it was installed or cloned."""

from __future__ import annotations

from pathlib import Path

from stream_mer.errors import EngineError
from stream_mer.runtime.manifest import list_manifests
from stream_mer.runtime.schema import Manifest


def shipped(kind: str, package: Path | None = None) -> Path:
    """Folder of the ``engines`` or the ``calibration`` that belong to this installation.

    A wheel carries them as ``stream_mer/_shipped/<kind>``; in a checkout they lie beside the package.

    Args:
        kind: ``engines`` or ``calibration``.
        package: folder of the package; this one if None.

    Raises:
        EngineError: neither place exists, so the installation is not complete.
    """
    package = Path(__file__).resolve().parents[1] if package is None else package
    places = (package / "_shipped" / kind, package.parent / kind)
    for place in places:
        if place.is_dir():
            return place
    raise EngineError(
        f"no {kind} beside the package: neither {places[0]} nor {places[1]} exists\n"
        "the installation is not complete; install stream-mer again"
    )


def engines_root(explicit: Path | None = None) -> Path:
    """Folder with one sub-folder per engine; an explicitly given one wins.

    Raises:
        EngineError: the given folder does not exist, or none came with the package.
    """
    if explicit is None:
        return shipped("engines")
    if not Path(explicit).is_dir():
        raise EngineError(f"no folder of engines at {explicit}; give one that holds <name>/manifest.toml")
    return Path(explicit)


def calibration_root(explicit: Path | None = None) -> Path:
    """Folder with ``score/`` and ``int8/``; an explicitly given one wins.

    Raises:
        EngineError: none came with the package.
    """
    return shipped("calibration") if explicit is None else Path(explicit)


def find_manifest(name: str, manifests: tuple[Manifest, ...] | Path) -> Manifest:
    """The manifest called ``name`` among those given, or among those in a folder of engines.

    Raises:
        EngineError: there is none; the message lists those there are.
    """
    known = list_manifests(manifests) if isinstance(manifests, Path) else manifests
    for manifest in known:
        if manifest.name == name:
            return manifest
    names = ", ".join(manifest.name for manifest in known) or "none at all"
    raise EngineError(f"no engine is called {name!r}; there are: {names}")
