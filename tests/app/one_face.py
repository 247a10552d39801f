"""A detector that always finds the face where a clip's head starts: no model, the tracker does the rest."""

from __future__ import annotations

from stream_mer.app.rendered import ClipSource
from stream_mer.face.boxes import detection_at
from stream_mer.face.replay import ReplayDetector
from stream_mer.synth.clip import iterate_clip
from stream_mer.types import SourceInfo


class OneDetector:
    """Builds such detectors for one clip."""

    def __init__(self, clip: ClipSource) -> None:
        _, frames = iterate_clip(clip.person.rgb, clip.person.mesh, clip.spec, clip.seed)
        self.pose = next(iter(frames)).pose

    def build(self, info: SourceInfo) -> ReplayDetector:
        return ReplayDetector([[detection_at(self.pose)]], loop=True)
