"""Finds faces with the MediaPipe Tasks face detector (BlazeFace, short or full range), on the CPU.

The detector runs in IMAGE mode: it keeps no state between pictures, needs no rising time stamps, and
costs the same as VIDEO mode (1.3 against 1.3 ms short range, 3.3 against 3.3 ms full range, one core),
with identical answers. LIVE_STREAM mode skips pictures and can hang, so it is not used.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import mediapipe as mp
import numpy as np
from mediapipe.tasks.python import BaseOptions, vision

from stream_mer.errors import AssetError, ConfigError, EngineError
from stream_mer.face.boxes import clipped
from stream_mer.types import Box, Detection, ImageU8, require_picture

_SUPPRESSION_IOU = 0.3
"""Two answers that overlap more than this are one face (MediaPipe's own default)."""

_NOISE = re.compile(
    rb"[IW]\d{4} \d\d:\d\d:[\d.]+ +\d+ [\w./]+\.(cc|h):\d+\]"
    rb"|INFO: (Created|Initialized) TensorFlow Lite"
    rb"|WARNING: All log messages before absl::InitializeLog\(\)"
)
"""What MediaPipe's C++ says while all is well; absl lines of rank E and F do not match."""

_stderr_lock = threading.Lock()


class MediaPipeDetector:
    """A ``FaceDetector`` around one MediaPipe model.

    What a model can see depends on the longer side of the picture it is given: short range finds faces
    wider than about a tenth of it, full range those wider than about a twentieth.

    One thread at a time. Close it; if that is forgotten, it is closed when collected, or dropped
    silently at the interpreter's exit.

    Args:
        model: ``face_detection_short_range.tflite`` or ``face_detection_full_range_sparse.tflite``.
        min_score: detections below this are not reported, 0..1.

    Raises:
        AssetError: the file is not there or is not a face detector.
        ConfigError: ``min_score`` lies outside 0..1.
    """

    def __init__(self, model: Path, *, min_score: float = 0.5) -> None:
        if not 0 <= min_score <= 1:
            raise ConfigError(f"the face detector's min_score must lie in 0..1, got {min_score:g}")
        self._model = model
        options = vision.FaceDetectorOptions(
            base_options=BaseOptions(model_asset_path=str(model)),
            running_mode=vision.RunningMode.IMAGE,
            min_detection_confidence=min_score,
            min_suppression_threshold=_SUPPRESSION_IOU,
        )
        with _quiet_stderr():
            try:
                detector = vision.FaceDetector.create_from_options(options)
            except (OSError, ValueError, RuntimeError, NotImplementedError) as error:
                raise AssetError(_not_loaded(model, error)) from error
            self._finalizer = weakref.finalize(self, _release, detector)
            self._detector: Any = detector
            try:  # a model of another kind loads without complaint and fails here
                self._run(np.full((64, 64, 3), 128, np.uint8))
            except EngineError as error:
                self.close()
                raise AssetError(f"{model} is a model, but not one of MediaPipe's face detectors") from error

    def detect(self, rgb: ImageU8) -> list[Detection]:
        """Faces in ``rgb``, strongest first.

        Args:
            rgb: ``(H, W, 3)`` uint8, any size, also empty or non-contiguous.

        Returns:
            Detections in pixels of ``rgb``. Boxes are clipped to the picture; key points are not, because
            the true place of an ear outside the picture is what places the crop.

        Raises:
            EngineError: MediaPipe failed, or the detector is closed.
        """
        require_picture(rgb, "picture to detect in")
        if self._detector is None:
            raise EngineError(f"the face detector {self._model.name} was used after close()")
        height, width = rgb.shape[:2]
        if height == 0 or width == 0:  # would put MediaPipe's graph into an error state for good
            return []
        found = [_detection(item, width, height) for item in self._run(rgb)]
        return sorted((d for d in found if d is not None), key=lambda d: -d.score)

    def close(self) -> None:
        """Free the network and its thread; idempotent."""
        self._detector = None
        self._finalizer()

    def _run(self, rgb: ImageU8) -> list[Any]:
        image = mp.Image(image_format=mp.ImageFormat.SRGB, data=np.ascontiguousarray(rgb))
        try:
            result = self._detector.detect(image)
        except (RuntimeError, ValueError) as error:
            raise EngineError(f"the face detector {self._model.name} failed: {_first_line(error)}") from error
        return list(result.detections)


def _detection(item: Any, width: int, height: int) -> Detection | None:
    """MediaPipe's answer as ours; None if nothing of it lies in the picture.

    Their key points are already in our order (they name them from the subject's side) and normalised.
    """
    place = item.bounding_box
    if place.width <= 0 or place.height <= 0:
        return None
    whole = Box(place.origin_x, place.origin_y, place.origin_x + place.width, place.origin_y + place.height)
    box = clipped(whole, width, height)
    if box is None:
        return None
    points = np.array([[point.x * width, point.y * height] for point in item.keypoints], np.float64)
    return Detection(box, float(item.categories[0].score), points)


def _release(detector: Any) -> None:
    try:
        detector.close()
    except RuntimeError:
        # At the interpreter's exit MediaPipe's worker thread is gone before any exit hook of ours runs, so
        # close() cannot work and its __del__ would print a traceback. The process frees the memory.
        detector._handle = None


@contextmanager
def _quiet_stderr() -> Iterator[None]:
    """Keep C++'s start-up chatter off the terminal; everything else is passed on when the block ends.

    The chatter is written straight to file descriptor 2, past ``sys.stderr`` and past any log level we
    can set, so the descriptor itself is diverted for the few milliseconds of loading.
    """
    with _stderr_lock:
        with suppress(OSError, ValueError, AttributeError):  # sys.stderr may be None or closed
            sys.stderr.flush()
        try:
            saved = os.dup(2)
        except OSError:  # started without a stderr: nothing to keep clean
            yield
            return
        with tempfile.TemporaryFile() as diverted:
            os.dup2(diverted.fileno(), 2)
            failed = True
            try:
                yield
                failed = False
            finally:
                with suppress(OSError, ValueError, AttributeError):
                    sys.stderr.flush()
                os.dup2(saved, 2)
                os.close(saved)
                diverted.seek(0)
                rest = b"".join(line for line in diverted if not _NOISE.match(line))
                if rest and not failed:  # an exception says it already, and in fewer lines
                    with suppress(OSError):
                        os.write(2, rest)


def _not_loaded(model: Path, error: Exception) -> str:
    if not model.is_file():
        return f"no face detector model at {model}"
    return f"{model} is not a face detector MediaPipe can run\n{_first_line(error)}"


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
