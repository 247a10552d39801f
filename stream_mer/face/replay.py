"""A face detector that gives back detections it was told beforehand, for tests and demonstrations."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from stream_mer.face.boxes import clipped
from stream_mer.types import Detection, ImageU8, require_picture


class ReplayDetector:
    """A ``FaceDetector`` whose nth call answers the nth entry of a script, whatever the picture.

    Args:
        script: detections per call. After the last entry it answers "no face".
        loop: start over after the last entry instead.
    """

    def __init__(self, script: Iterable[Sequence[Detection]], *, loop: bool = False) -> None:
        self._script = tuple(tuple(entry) for entry in script)
        self._loop = loop
        self.calls = 0

    def detect(self, rgb: ImageU8) -> list[Detection]:
        """The next entry of the script, strongest first, clipped to ``rgb``."""
        require_picture(rgb, "picture to detect in")
        index = self.calls % len(self._script) if self._loop and self._script else self.calls
        self.calls += 1
        entry = self._script[index] if index < len(self._script) else ()
        height, width = rgb.shape[:2]
        inside = [
            Detection(box, d.score, d.keypoints)
            for d in entry
            if (box := clipped(d.box, width, height)) is not None
        ]
        return sorted(inside, key=lambda d: -d.score)

    def close(self) -> None:
        """Nothing to free."""
