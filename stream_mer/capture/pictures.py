"""Plays a folder of numbered pictures as a video whose rate is known, as datasets keep their recordings."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

import cv2
import numpy as np

from stream_mer.errors import SourceDamaged, SourceNotFound
from stream_mer.types import Frame, ImageU8, SourceInfo


class PictureSource:
    """Frames from picture files, each at the time its number says.

    A number that is missing is a gap in time, not a shift of what follows. A file that cannot be
    decoded, or that has another size than the first, is left out and counted (``corrupt``, ``other size``).
    Grey pictures come as RGB with three equal channels.

    Args:
        files: the pictures by frame number, see ``datasets.records.frame_files``.
        fps: frames a second; number ``n`` lies at ``(n - first) / fps``.
        name: what to call the source.

    Raises:
        SourceNotFound: no files.
        SourceDamaged: not one of them is a picture.
        ValueError: ``fps`` is not above 0.
    """

    def __init__(self, files: Mapping[int, Path], fps: float, name: str) -> None:
        if not fps > 0:
            raise ValueError(f"fps must be above 0, got {fps:g}")
        if not files:
            raise SourceNotFound(f"{name} holds no pictures\ngive a folder of numbered pictures")
        self._files = sorted(files.items())
        self._zero, self._fps, self._name = self._files[0][0], fps, name
        self._stop = threading.Event()
        self._losses: Counter[str] = Counter()
        self._size: tuple[int, int] | None = None
        first = next((rgb for _, path in self._files if (rgb := read_picture(path)) is not None), None)
        if first is None:
            raise SourceDamaged(f"none of the {len(files)} files of {name} is a picture\ncopy them again")
        self._size = (first.shape[1], first.shape[0])
        last = self._files[-1][0]
        digest = hashlib.sha256()
        for number, path in self._files:
            digest.update(f"{number}:{path.name}:{path.stat().st_size}\n".encode())
        self._info = SourceInfo(
            name,
            digest.hexdigest(),
            *self._size,
            fps_nominal=fps,
            frames=len(self._files),
            duration_s=(last + 1 - self._zero) / fps,
            live=False,
        )

    @property
    def info(self) -> SourceInfo:
        """Size of the first picture; the digest is of the files' names and sizes."""
        return self._info

    @property
    def losses(self) -> Mapping[str, int]:
        """Files left out, by cause."""
        return MappingProxyType(dict(self._losses))

    @property
    def warnings(self) -> Sequence[str]:
        """What was left out, in words."""
        return tuple(f"{count} pictures left out: {cause}" for cause, count in self._losses.items())

    def __iter__(self) -> Iterator[Frame]:
        """Yield the pictures in the order of their numbers; see `stream_mer.protocols.Source`."""
        index, zero = 0, None
        for number, path in self._files:
            if self._stop.is_set():
                return
            rgb = read_picture(path)
            if rgb is None or (rgb.shape[1], rgb.shape[0]) != self._size:
                self._losses["corrupt" if rgb is None else "other size"] += 1
                continue
            zero = number if zero is None else zero
            yield Frame(index, round((number - zero) * 1_000_000_000 / self._fps), rgb)
            index += 1

    def interrupt(self) -> None:
        """End the iteration after the present picture. Callable from any thread."""
        self._stop.set()

    def close(self) -> None:
        """End the iteration; no file stays open between pictures. Idempotent."""
        self._stop.set()


def read_picture(path: Path) -> ImageU8 | None:
    """A picture file as ``(H, W, 3)`` uint8 RGB, grey ones with three equal channels; None if it is none."""
    try:
        data = np.fromfile(path, np.uint8)
    except OSError:
        return None
    picture = cv2.imdecode(data, cv2.IMREAD_COLOR) if data.size else None
    return None if picture is None else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB), np.uint8)


def write_picture(path: Path, rgb: ImageU8) -> None:
    """Write ``(H, W, 3)`` uint8 RGB in the format of the path's ending.

    Raises:
        OSError: it cannot be written.
    """
    done, data = cv2.imencode(path.suffix, cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR))
    if not done:
        raise OSError(f"{path} cannot be encoded")
    data.tofile(path)
