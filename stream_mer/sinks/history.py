"""What an overlay must remember between frames: recent scores, banners, faces and the frame rate.

A state machine without I/O: results are pushed in, the drawing reads what is there. All its times
are *display time*, one line that goes on over reconnects, although the source's own clock may start
again with every epoch.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from stream_mer.sinks.style import PLACES, Layout, Place
from stream_mer.types import Event, FaceCrop, FaceTrack, Rejection, Result

SECOND = 1_000_000_000
FACE_HOLD_NS = SECOND
"""How long a face that is not seen keeps its place (and its redaction)."""
CROP_HOLD_NS = SECOND // 2
FPS_SPAN_NS = 3 * SECOND // 2


@dataclass(frozen=True, slots=True)
class DrawSettings:
    """How the overlay looks.

    Args:
        threshold: probability from which a candidate is an event, drawn as a dashed line, 0..1.
        strip_s: seconds of past shown in the score strip.
        banner_s: seconds an event's banner stays, at least 1.
        redact: faces are made unrecognisable everywhere in the picture, insets included.
        insets: show each face's LR picture and what it was super-resolved to.
        strip: show the score strip.
    """

    threshold: float = 0.5
    strip_s: float = 6.0
    banner_s: float = 2.5
    redact: bool = False
    insets: bool = True
    strip: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.threshold <= 1:
            raise ValueError(f"threshold must lie in 0..1, got {self.threshold}")
        if self.strip_s <= 0 or self.banner_s < 1:
            raise ValueError(f"need strip_s > 0 and banner_s >= 1, got {self.strip_s} and {self.banner_s}")


@dataclass(frozen=True, slots=True)
class Status:
    """What the pipeline knows and a result does not say; shown in the status line where given.

    ``coverage`` 0..1, ``dropped`` frames lost so far by whatever cause, ``latency_ms`` from the
    camera to here.
    """

    coverage: float | None = None
    dropped: int | None = None
    latency_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """An event or a rejected candidate (drawn dimly) with its times on the display's time line, ns."""

    event: Event | Rejection
    onset_ns: int
    apex_ns: int
    offset_ns: int
    decided_ns: int
    slot: int = 0

    @property
    def rejected(self) -> bool:
        """Whether this was turned down."""
        return isinstance(self.event, Rejection)


@dataclass(frozen=True, slots=True)
class SeenFace:
    """A track as it was last seen, ``seen_ns`` of display time, and its last crop if still fresh."""

    track: FaceTrack
    seen_ns: int
    slot: int
    crop: FaceCrop | None = None
    crop_ns: int = 0


class History:
    """Everything the drawing needs besides the result itself."""

    def __init__(self, settings: DrawSettings | None = None) -> None:
        self.settings = settings or DrawSettings()
        self.status = Status()
        self.now_ns = 0
        self.place: Place = "right"
        self._offsets: dict[int, int] = {}
        self._epoch: int | None = None
        self._step = SECOND // 25
        self._times: deque[int] = deque()
        self._scores: dict[int, dict[int, float]] = {}
        self._marks: list[Mark] = []
        self._banners: list[Mark] = []
        self._faces: dict[int, SeenFace] = {}
        self._better_since: int | None = None
        self._first_face = True

    def push(self, result: Result, *, status: Status | None = None) -> None:
        """Take the next result, before it is drawn.

        Args:
            result: in the order of the stream.
            status: replaces what the status line shows.
        """
        self._advance(result)
        if status is not None:
            self.status = status
        self._see(result)
        for score in result.scores:
            curve = self._scores.setdefault(score.track_id, {})
            at = self._display(score.epoch, score.centre_ns)
            curve[at] = max(score.event_probability, curve.get(at, 0.0))
        for event in result.events:
            mark = self._mark(event, slot=self._free_slot())
            self._banners.append(mark)
            self._marks.append(mark)
        self._marks += [self._mark(event) for event in result.rejected]
        self._forget()

    @property
    def fps(self) -> float | None:
        """Frames per second of the stream's own clock over the last second and a half."""
        if len(self._times) < 3:
            return None
        return (len(self._times) - 1) * SECOND / (self._times[-1] - self._times[0])

    @property
    def faces(self) -> list[SeenFace]:
        """Faces seen within the last second, in the order of their places."""
        return sorted(self._faces.values(), key=lambda face: face.slot)

    @property
    def banners(self) -> list[Mark]:
        """Events whose banner is up, in the order of their places."""
        return sorted(self._banners, key=lambda mark: mark.slot)

    @property
    def marks(self) -> list[Mark]:
        """Events and rejected candidates that the strip can still show."""
        return self._marks

    def curve(self, track_id: int) -> list[tuple[int, float]]:
        """``(display ns, event probability)`` of one track, in time order."""
        return sorted(self._scores.get(track_id, {}).items())

    def _advance(self, result: Result) -> None:
        frame = result.frame
        if frame.epoch != self._epoch:
            # A new clock starts one frame after the old one's last picture; the first is taken as it is.
            start = frame.pts_ns if self._epoch is None else self.now_ns + self._step
            self._offsets.pop(frame.epoch, None)
            self._offsets[frame.epoch] = start - frame.pts_ns
            self._epoch = frame.epoch
            for old in list(self._offsets)[:-3]:
                del self._offsets[old]
        now = max(frame.pts_ns + self._offsets[frame.epoch], self.now_ns)
        if self._times and now > self._times[-1]:
            self._step = min(now - self._times[-1], SECOND)
        self.now_ns = now
        if not result.repeated:
            self._times.append(now)
        while self._times and now - self._times[0] > FPS_SPAN_NS:
            self._times.popleft()

    def _display(self, epoch: int, ns: int) -> int:
        return ns + self._offsets.get(epoch, self._offsets.get(self._epoch or 0, 0))

    def _see(self, result: Result) -> None:
        for track in result.tracks:
            known = self._faces.get(track.track_id)
            slot = known.slot if known else _lowest_free({face.slot for face in self._faces.values()})
            crop, crop_ns = (known.crop, known.crop_ns) if known else (None, 0)
            self._faces[track.track_id] = SeenFace(track, self.now_ns, slot, crop, crop_ns)
        for crop in result.crops:
            face = self._faces.get(crop.track.track_id)
            if face:
                self._faces[crop.track.track_id] = SeenFace(
                    face.track, face.seen_ns, face.slot, crop, self.now_ns
                )
        self._place_insets(result)

    def _place_insets(self, result: Result) -> None:
        """Move the insets where they hide less of the faces, but only after a second of being sure.

        Insets that jump about are worse than a covered cheek; at the very first face they may.
        """
        if not self.settings.insets or not result.tracks:
            return
        layout = Layout.of(*result.frame.rgb.shape[:2], faces=len(self._faces), strip=self.settings.strip)
        slots, boxes = [face.slot for face in self._faces.values()], [track.box for track in result.tracks]
        cost = {place: layout.covered(place, slots, boxes) for place in PLACES}
        best = min(PLACES, key=lambda place: cost[place])
        margin = 0.0 if self._first_face else 0.02 * sum(box.width * box.height for box in boxes)
        if cost[self.place] - cost[best] <= margin:
            self._better_since = None
        elif self._better_since is None and not self._first_face:
            self._better_since = self.now_ns
        elif self._first_face or self.now_ns - (self._better_since or 0) >= SECOND:
            self.place, self._better_since = best, None
        self._first_face = False

    def _mark(self, event: Event | Rejection, slot: int = 0) -> Mark:
        onset, apex, offset = (
            self._display(event.epoch, t) for t in (event.onset_ns, event.apex_ns, event.offset_ns)
        )
        return Mark(event, onset, apex, offset, self.now_ns, slot)

    def _free_slot(self) -> int:
        return _lowest_free({banner.slot for banner in self._banners})

    def _forget(self) -> None:
        """Drop what is too old to be drawn."""
        now = self.now_ns
        oldest = now - round((self.settings.strip_s + 1) * SECOND)
        self._scores = {
            track: kept
            for track, curve in self._scores.items()
            if (kept := {at: p for at, p in curve.items() if at >= oldest})
        }
        self._marks = [mark for mark in self._marks if mark.offset_ns >= oldest]
        keep = round(self.settings.banner_s * SECOND)
        self._banners = [mark for mark in self._banners if now - mark.decided_ns < keep]
        self._faces = {
            track: SeenFace(face.track, face.seen_ns, face.slot, face.crop, face.crop_ns)
            if now - face.crop_ns <= CROP_HOLD_NS
            else SeenFace(face.track, face.seen_ns, face.slot)
            for track, face in self._faces.items()
            if now - face.seen_ns <= FACE_HOLD_NS
        }


def _lowest_free(taken: set[int]) -> int:
    return next(slot for slot in range(len(taken) + 1) if slot not in taken)
