"""Obtains the MediaPipe model files: fetched once from the user's package index, verified, kept in a cache.

No MediaPipe wheel since 0.10.30 contains them, so they are taken out of the official 0.10.21 wheel
(Apache-2.0), unless an older MediaPipe is installed, as on a Jetson, which has the same files. The
wheel is fetched as an archive only, nothing of it is installed or run, and with the user's own pip, so
that a configured index, proxy or certificate is honoured.
"""

from __future__ import annotations

import hashlib
import os
import re
import shlex
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType

import platformdirs

from stream_mer.errors import AssetError

WHEEL = "mediapipe==0.10.21"
_WHEEL_GLOB = "mediapipe-0.10.21-*.whl"
PIP_DOWNLOAD: tuple[str, ...] = (
    *("-m", "pip", "download", WHEEL, "--no-deps", "--only-binary=:all:"),
    *("--platform", "manylinux_2_28_x86_64", "--python-version", "3.11", "--implementation", "cp"),
)
"""The platform is named so that this works on every machine: only data files are taken from the wheel."""
_REASON_LENGTH = 160


@dataclass(frozen=True, slots=True)
class Asset:
    """A model file: where it lies in the wheel and what it must be."""

    member: str
    size: int
    sha256: str


ASSETS: Mapping[str, Asset] = MappingProxyType(
    {
        "face_detection_short_range.tflite": Asset(
            "mediapipe/modules/face_detection/face_detection_short_range.tflite",
            229_714,
            "bbff11cebd1eb27a1e004cae0b0e63ec8c551cbf34a4451148b4908b8db3eca8",
        ),
        "face_detection_full_range_sparse.tflite": Asset(
            "mediapipe/modules/face_detection/face_detection_full_range_sparse.tflite",
            676_746,
            "2c3728e6da56f21e21a320433396fb06d40d9088f2247c05e5635a688d45dfe1",
        ),
        "face_landmark.tflite": Asset(
            "mediapipe/modules/face_landmark/face_landmark.tflite",
            1_242_398,
            "1055cb9d4a9ca8b8c688902a3a5194311138ba256bcc94e336d8373a5f30c814",
        ),
    }
)


class AssetStore:
    """Where the model files are; fetches them when they are first asked for.

    Several processes may start for the first time at once: each file appears under its name only when it
    is complete and verified, so the worst that happens is that both fetch.

    Args:
        directory: a folder with the files, or with the wheel they come in (``--assets DIR``). If given,
            nothing is ever downloaded. Default: the user's cache folder.
        offline: never download, use what the cache has.
        report: called with one line when something takes long.
    """

    def __init__(
        self,
        directory: Path | None = None,
        *,
        offline: bool = False,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self._given = directory is not None
        self._folder = directory or Path(platformdirs.user_cache_dir("stream_mer")) / "assets"
        self._offline = offline or self._given
        self._report = report or (lambda _line: None)

    @property
    def folder(self) -> Path:
        """Where the files lie or will lie."""
        return self._folder

    def path(self, name: str) -> Path:
        """The verified file ``name``, fetched if need be.

        Args:
            name: one of ``ASSETS``.

        Raises:
            AssetError: it is not there and cannot be fetched, or it has the wrong digest.
            KeyError: ``name`` is not in ``ASSETS``.
        """
        asset = ASSETS[name]
        path = self._folder / name
        found = _digest(path)
        if found == asset.sha256:
            return path
        if found is not None and self._given:
            raise AssetError(
                f"{path} has sha256 {found}, expected {asset.sha256}\n"
                f"it is damaged or of another version; delete it and get the wheel it comes in:\n"
                f"{_command(self._folder)}"
            )
        installed = None if self._given else _installed(asset)
        if installed is not None:
            return installed
        if found is not None:
            self._report(f"{path} is damaged and will be replaced")
        wheel = _wheel_in(self._folder)
        if wheel is not None:
            self._unpack(wheel)
        elif self._offline:
            why = "nothing is downloaded into a given folder" if self._given else "downloads are switched off"
            raise AssetError(
                f"there is no {path} (sha256 {asset.sha256})\n"
                f"{why}; run this on a machine with a package index and put what it makes into that folder:\n"
                f"{_command(self._folder)}"
            )
        else:
            self._fetch()
        if _digest(path) != asset.sha256:
            raise AssetError(f"{path} vanished or changed right after it was written; look at the disk")
        return path

    def _fetch(self) -> None:
        self._report(f"fetching the face models from the package index (36 MB, once): {WHEEL}")
        try:
            scratch = tempfile.TemporaryDirectory(prefix="stream_mer_")
        except OSError as error:
            raise AssetError(f"no room for the download in {tempfile.gettempdir()}: {error}") from error
        with scratch as download:
            self._download(Path(download))
            wheel = _wheel_in(Path(download))
            if wheel is None:
                raise AssetError(f"pip fetched no {WHEEL} although it reported success\n{_MANUAL}")
            self._unpack(wheel)
        self._report(f"face models verified and kept in {self._folder}")

    def _download(self, target: Path) -> None:
        command = [sys.executable, *PIP_DOWNLOAD, "--disable-pip-version-check", "--no-input"]
        try:
            done = subprocess.run(
                [*command, "-d", str(target)],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                errors="replace",
                check=False,
            )
        except OSError as error:
            raise AssetError(f"cannot start {sys.executable} to fetch {WHEEL}: {error}") from error
        if done.returncode != 0:
            raise AssetError(_download_failed(done.stderr))

    def _unpack(self, wheel: Path) -> None:
        """Write every file that is not there yet; the others stay as they are."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with zipfile.ZipFile(wheel) as archive:
                for name, asset in ASSETS.items():
                    if _digest(self._folder / name) != asset.sha256:
                        _write(self._folder / name, _member(archive, wheel, asset))
        except (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError) as error:
            raise AssetError(f"{wheel} is damaged ({error})\ndelete it and fetch it again") from error
        except AssetError:
            raise
        except OSError as error:
            raise AssetError(
                f"cannot write the face models to {self._folder}: {error.strerror or error}\n"
                "make room or make the folder writable, or give another one with --assets DIR"
            ) from error


def _member(archive: zipfile.ZipFile, wheel: Path, asset: Asset) -> bytes:
    try:
        with archive.open(asset.member) as stream:
            content = stream.read(asset.size + 1)  # no more than that, whatever the archive claims
    except KeyError as error:
        raise AssetError(f"{wheel.name} does not contain {asset.member}") from error
    found = hashlib.sha256(content).hexdigest()
    if found != asset.sha256:
        raise AssetError(
            f"{asset.member} in {wheel.name} has sha256 {found[:16]}..., expected {asset.sha256}\n"
            "this is not the official wheel; nothing of it was kept"
        )
    return content


def _write(path: Path, content: bytes) -> None:
    """All of ``path`` or nothing of it, also if the power fails."""
    descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(partial)
        raise


def _digest(path: Path) -> str | None:
    """sha256 of a file in hexadecimal; None if it is not there or cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return None


def _installed(asset: Asset) -> Path | None:
    """The same file in the MediaPipe that is installed, which is not imported for it."""
    spec = find_spec("mediapipe")
    for folder in (spec and spec.submodule_search_locations) or ():
        path = Path(folder).parent / asset.member
        if _digest(path) == asset.sha256:
            return path
    return None


def _wheel_in(folder: Path) -> Path | None:
    return next(iter(sorted(folder.glob(_WHEEL_GLOB))), None)


def _download_failed(stderr: str) -> str:
    """Pip's reason in three lines; the index's address is left out, it may carry a password."""
    what = f"cannot fetch the face models ({WHEEL}) from the package index"
    if "No module named pip" in stderr:
        return f"{what}: this Python has no pip\nrun '{sys.executable} -m ensurepip', {_MANUAL}"
    if "Retrying (" in stderr or "onnection error" in stderr:
        return f"{what}: it cannot be reached\n{_MANUAL}"
    reasons = [line for line in stderr.splitlines() if line.startswith("ERROR:")] or ["pip gave no reason"]
    reason = re.sub(r"\w+://\S+", "(address)", reasons[0].removeprefix("ERROR:").strip())
    return f"{what}: {reason[:_REASON_LENGTH]}\n{_MANUAL}"


def _command(folder: Path | str) -> str:
    return f"python {' '.join(PIP_DOWNLOAD)} -d {shlex.quote(str(folder))}"


_MANUAL = f"or run this where it works and give the folder with --assets DIR:\n{_command('DIR')}"
