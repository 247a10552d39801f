"""Finds a clip's folder and frames on disk, forgiving upper and lower case, and fits annotations to them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from stream_mer.datasets.findings import RowError
from stream_mer.datasets.records import frame_files
from stream_mer.errors import ConfigError


@dataclass(slots=True)
class Places:
    """Folder listings of one reading of a dataset, each folder listed once."""

    _names: dict[Path, dict[str, Path]] = field(default_factory=dict)
    _frames: dict[Path, dict[int, Path]] = field(default_factory=dict)

    def descend(self, base: Path, *steps: Sequence[str]) -> Path | None:
        """The folder reached by taking, at each step, the first name that exists in any case.

        All names of a step are tried, so that a wrong turn at one level is taken back.
        """
        if not steps:
            return base
        inside = self._listing(base)
        for name in steps[0]:
            found = base if name == "." else inside.get(name.casefold())
            if found is not None and found.is_dir():
                end = self.descend(found, *steps[1:])
                if end is not None:
                    return end
        return None

    def folders(self, base: Path) -> list[Path]:
        """The folders in a folder, by name; none where it does not exist."""
        return [p for p in self._listing(base).values() if p.is_dir() and not p.name.startswith(".")]

    def frames(self, folder: Path) -> dict[int, Path]:
        """The frames of a clip by number.

        Raises:
            RowError: none there, or two claim one number.
        """
        if folder not in self._frames:
            try:
                self._frames[folder] = frame_files(folder)
            except ConfigError as error:
                what, _, mend = str(error).partition("\n")
                raise RowError(what, mend) from error
        return self._frames[folder]

    def _listing(self, folder: Path) -> dict[str, Path]:
        if folder not in self._names:
            inside = sorted(folder.iterdir()) if folder.is_dir() else []
            self._names[folder] = {path.name.casefold(): path for path in inside}
        return self._names[folder]


@dataclass(frozen=True, slots=True)
class Fit:
    """An annotation in the numbers of the files: add ``shift`` to it; ``missing`` frames are not there."""

    first: int
    shift: int
    missing: int


def fit_frames(numbers: Sequence[int], onset: int, offset: int, folder: Path) -> Fit:
    """How an annotation lies in a folder's frames.

    Usually the file names carry the annotator's numbers. Some copies hold the frames from onset to offset
    only, numbered anew: then there are exactly as many.

    Raises:
        RowError: neither is so.
    """
    first, last = numbers[0], numbers[-1]
    if first <= onset and offset <= last:
        inside = sum(onset <= number <= offset for number in numbers)
        return Fit(first, 0, offset + 1 - onset - inside)
    if len(numbers) == last - first + 1 == offset - onset + 1:
        return Fit(first, first - onset, 0)
    raise RowError(
        f"frames {onset}..{offset} do not lie in the frames {first}..{last} of {folder}",
        "copy the clip again whole, or correct onset and offset",
    )
