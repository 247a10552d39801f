"""Collects what was odd about a source and says each thing once, with how often and since when."""

from __future__ import annotations

from dataclasses import dataclass

_NS_PER_S = 1e9

TEXTS = {
    "missing": ("pictures without a time stamp", "their times follow from the frame rate"),
    "repeated": ("pictures repeating the time stamp before them", "they were moved just behind it"),
    "backward": ("pictures stamped earlier than the one before", "they were moved just behind it"),
    "break": ("breaks of the time line", "as in glued files or on a restart; each starts a new epoch"),
    "concealed": ("damaged pictures patched up by the decoder", "what is found there is doubtful"),
    "interlaced": ("interlaced pictures", "moving faces look combed; deinterlace the video first"),
    "slanted": ("pictures with a rotation that is no quarter turn", "they are left as they are"),
    "unreadable": ("failed reads", "what they held is missing"),
    "resized": ("changes of the picture size", "later pictures have another size"),
}
"""Every kind of oddity: what is counted, and what follows from it."""


@dataclass(slots=True)
class _Tally:
    count: int
    first_ns: int


class Notes:
    """Tallies of oddities, and free sentences."""

    def __init__(self) -> None:
        self._tallies: dict[str, _Tally] = {}
        self._sentences: list[str] = []
        self._size: tuple[int, int] | None = None

    def add(self, kind: str, pts_ns: int) -> None:
        """Count one oddity of a ``kind`` of ``TEXTS`` seen at ``pts_ns``."""
        if kind not in TEXTS:
            raise ValueError(f"unknown kind of note {kind!r}")
        tally = self._tallies.setdefault(kind, _Tally(0, pts_ns))
        tally.count += 1

    def say(self, sentence: str) -> None:
        """Add a sentence as it is."""
        self._sentences.append(sentence)

    def size(self, width: int, height: int, pts_ns: int) -> None:
        """Notice the size of a picture, px."""
        if self._size not in (None, (width, height)):
            self.add("resized", pts_ns)
        self._size = (width, height)

    def lines(self) -> tuple[str, ...]:
        """One sentence per kind, in the order they first came up, then the free ones."""
        counted = [
            f"{TEXTS[kind][0]}: {tally.count}, first at {tally.first_ns / _NS_PER_S:.2f} s; {TEXTS[kind][1]}"
            for kind, tally in self._tallies.items()
        ]
        return (*counted, *self._sentences)
