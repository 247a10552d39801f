"""stream_mer finds facial micro-expressions in video, live or recorded."""

from __future__ import annotations

import sys

TYPE_CHECKING = False  # as typing's own, which would have to be loaded before Ctrl-C is looked after

# OpenCV must be loaded before PyAV: the other way round cv2.imshow hangs for ever (opencv#29195).
try:
    import cv2 as _cv2  # noqa: F401
except KeyboardInterrupt:
    # Loading takes a moment; Ctrl-C in it needs no traceback if this is the program and not a library.
    if sys.argv[0] == "-m" or sys.argv[0].endswith("stream-mer"):
        raise SystemExit(130) from None
    raise
except ImportError as _error:
    raise ImportError(
        f"OpenCV does not load: {_error}.\n"
        "On Debian or Ubuntu: sudo apt-get install libgl1 libglib2.0-0 libegl1 libgles2"
    ) from _error

__version__ = "0.1.0"

if TYPE_CHECKING:
    from stream_mer.app.engines import Classifier, SuperResolver, load_classifier, load_super_resolver
    from stream_mer.app.recorded import process
    from stream_mer.app.streaming import stream

__all__ = [
    "Classifier",
    "SuperResolver",
    "load_classifier",
    "load_super_resolver",
    "process",
    "stream",
]

_HOMES = {
    "Classifier": "stream_mer.app.engines",
    "SuperResolver": "stream_mer.app.engines",
    "load_classifier": "stream_mer.app.engines",
    "load_super_resolver": "stream_mer.app.engines",
    "process": "stream_mer.app.recorded",
    "stream": "stream_mer.app.streaming",
}


def __getattr__(name: str) -> object:
    """Load the public functions on first use, so that ``import stream_mer`` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'stream_mer' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
