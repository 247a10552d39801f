"""Which files a user means, and the folder of outputs each of them gets."""

from __future__ import annotations

import glob
import hashlib
import os
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from stream_mer.app.sources import EVIDENCE, OUTPUTS, PARTS, THUMBNAILS, VIDEO_SUFFIXES
from stream_mer.capture.address import is_address
from stream_mer.capture.diagnosis import why_unreadable
from stream_mer.capture.index import is_video
from stream_mer.capture.redact import redact
from stream_mer.errors import SourceError, SourceNotFound
from stream_mer.sinks.manifest import MANIFEST, writable

NO_VIDEO = ("it is a text file", "it is a still picture", "it is a compressed archive")


@dataclass(frozen=True, slots=True)
class Input:
    """One file to process. ``below`` is its path from the folder or pattern that brought it."""

    path: Path
    below: Path


def expand(words: Sequence[str], out: Path) -> list[Input]:
    """Files as they are; folders and patterns (``cams/**/*.mkv``) as the videos in them, each once, sorted.

    In a folder content decides, not the name: what decodes as moving pictures is taken, and so is what is
    named like a video but damaged, so that it is reported and not passed over. Links are followed, to files
    and to folders. What earlier runs wrote is no input: everything under ``out``, and folders with an
    ``events.jsonl``.

    Raises:
        SourceNotFound: a path does not exist, or nothing matches a pattern.
        SourceError: a folder without a video file, a word that is empty, or an address.
    """
    found: dict[Path, Input] = {}
    for word in words:
        if not word.strip():  # Path("") is the current folder, and nobody means that by an unset variable
            raise SourceError("an input has an empty name.\nGive a file or a folder; '.' is this one.")
        if is_address(word):
            raise SourceError(
                f"{redact(word)} is an address; recorded files and folders are processed.\n"
                "Watch it with 'stream-mer live --source ADDRESS --record DIR'."
            )
        path = Path(word)
        if path.is_dir():
            files = _inside(path, out)
            if not files:
                raise SourceError(
                    f"folder {path} holds no video file.\nGive a file, or a folder with videos in it."
                )
            some = [Input(file, file.relative_to(path)) for file in files]
        elif path.exists():
            some = [Input(path, Path(path.name))]
        elif glob.has_magic(word):
            some = _matching(word, out)
            if not some:
                raise SourceNotFound(f"no video matches {word}.\nCheck the pattern and the folder.")
        else:
            raise SourceNotFound(f"there is no file or folder {path}.\nCheck the spelling and the folder.")
        for one in some:
            found.setdefault(one.path.resolve(), one)
    return list(found.values())


def name_outputs(inputs: Sequence[Input], known: Mapping[str, str]) -> dict[Path, str]:
    """The folder of outputs of every input, relative to ``--out``: its path without the suffix.

    A file from a folder mirrors its path below that folder; one named alone is called by its stem. Where
    two would share a name, both get longer ones: with as many of the folders above as tell them apart and
    no more (names are shown in reports, and paths must not be), then with the suffix, then with a digest of
    the place. What has a name from an earlier run keeps it.

    Args:
        inputs: what to name; their order does not matter.
        known: absolute path -> name, of earlier runs in the same folder.

    >>> some = [Input(Path("a/cam.mp4"), Path("cam.mp4")), Input(Path("b/cam.mp4"), Path("cam.mp4"))]
    >>> sorted(name_outputs(some, {}).values())
    ['a/cam', 'b/cam']
    >>> far = [Input(Path(f"/home/me/{x}/1/cam.mp4"), Path("cam.mp4")) for x in ("hall", "door")]
    >>> sorted(name_outputs(far, {}).values())
    ['door/1/cam', 'hall/1/cam']
    """
    places = {one.path: writable(str(one.path.resolve())) for one in inputs}
    names = {path: known[place] for path, place in places.items() if place in known}
    taken = set(known.values())
    waiting = [one for one in inputs if one.path not in names]
    most = max((len(one.path.absolute().parts) for one in waiting), default=0)
    levels: list[Callable[[Input], Path]] = [partial(_with_folders, more) for more in range(most)]
    levels += [_with_suffix, _with_digest]
    for level in levels:
        if not waiting:
            break
        wanted = {one.path: _safe(level(one)) for one in waiting}
        often = Counter(name.casefold() for name in wanted.values())
        used = {name.casefold() for name in taken}
        clear = [
            p for p, name in wanted.items() if often[name.casefold()] == 1 and name.casefold() not in used
        ]
        names |= {path: wanted[path] for path in clear}
        taken |= {wanted[path] for path in clear}
        waiting = [one for one in waiting if one.path not in names]
    return {one.path: names[one.path] for one in inputs}


def _with_folders(more: int, one: Input) -> Path:
    """The path below what was given, and so many more folders above it."""
    if not more:
        return one.below.with_suffix("")
    parts = Path(os.path.abspath(one.path)).parts[1:]  # the first is the root
    return Path(*parts[-len(one.below.parts) - more :]).with_suffix("")


def _with_suffix(one: Input) -> Path:
    return one.below


def _with_digest(one: Input) -> Path:
    place = hashlib.sha256(os.fsencode(one.path.resolve())).hexdigest()
    return Path(f"{one.path.stem}-{place[:10]}")


def _safe(path: Path) -> str:
    """No folder of outputs may be called like something that a run writes, and ``forget`` deletes."""
    reserved = {*OUTPUTS, EVIDENCE, PARTS, THUMBNAILS, MANIFEST}
    return writable("/".join(f"{part}-video" if part in reserved else part for part in path.parts))


def _inside(folder: Path, out: Path) -> list[Path]:
    """The videos below a folder, and the folders that cannot be looked into, to be reported as failed.

    Every folder is looked into once: those that are linked last, unless they were there anyway, so that no
    circle of links is without end.
    """
    shut: list[Path] = []
    files: list[Path] = []
    seen = {str(above) for above in folder.resolve().parents}  # a link up would bring what was not asked for
    roots = deque([folder])
    while roots:
        for place, folders, names in os.walk(
            roots.popleft(), onerror=lambda error: shut.append(Path(error.filename))
        ):
            if (real := os.path.realpath(place)) in seen:
                folders.clear()
                continue
            seen.add(real)
            files += [Path(place, name) for name in names]
            roots += sorted(Path(place, name) for name in folders if os.path.islink(Path(place, name)))
    videos = [p for p in files if not is_output(p, out) and looks_like_video(p)]
    return sorted([*videos, *(p for p in shut if not is_output(p, out))])


def _matching(pattern: str, out: Path) -> list[Input]:
    fixed = []
    for part in Path(pattern).parts:
        if glob.has_magic(part):
            break
        fixed.append(part)
    root = Path(*fixed) if fixed else Path()
    files = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    return [
        Input(file, file.relative_to(root))
        for file in files
        if file.is_file() and not is_output(file, out) and looks_like_video(file)
    ]


def looks_like_video(path: Path) -> bool:
    """Whether a file found in a folder is meant: it holds a video, or is a damaged one."""
    if path.name.startswith("."):
        return False
    named = path.suffix.lower() in VIDEO_SUFFIXES
    try:
        if not path.is_file():
            return False
        return is_video(path) or (named and why_unreadable(path)[0] not in NO_VIDEO)
    except OSError:  # no permission, or a bad disk
        return named


def is_output(path: Path, out: Path) -> bool:
    """Whether a run wrote this, or may have."""
    # Of a link that leads to itself pathlib (before Python 3.13) raises RuntimeError.
    if Path(os.path.realpath(path)).is_relative_to(out.resolve()):
        return True
    return any((folder / "events.jsonl").exists() for folder in list(path.parents)[:2])
