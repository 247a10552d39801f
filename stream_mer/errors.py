"""Every error a user can meet, in one tree.

    StreamMerError                     exit code
    ├── ConfigError     (ValueError)   2   a flag, a file of settings or an argument is wrong
    ├── SourceError     (OSError)      3   the video cannot be opened or read
    │   ├── SourceNotFound             3   (also FileNotFoundError)
    │   └── SourceDamaged              3   opened, but not one frame could be read
    ├── OutputError     (OSError)      5   an output cannot be written (full disk, no permission)
    ├── AssetError      (OSError)      4   a model file cannot be obtained or has the wrong digest
    ├── EngineError     (RuntimeError) 4   an engine is unknown, does not load or answers nonsense
    │   └── DeviceError                4   the device it runs on is out of memory or lost
    └── StageError      (RuntimeError) 5   a pipeline stage failed; the cause is chained

A message is one to three lines: what (with the value), why, what to do.
"""

from __future__ import annotations


class StreamMerError(Exception):
    """Root of the tree; ``exit_code`` is what the command line returns for it."""

    exit_code = 5


class ConfigError(StreamMerError, ValueError):
    """A setting contradicts another one, or lies outside its range."""

    exit_code = 2


class SourceError(StreamMerError, OSError):
    """A video source cannot be opened or read.

    ``reason`` is one word for counting: ``refused``, ``not_found``, ``unresolved``, ``unreachable``,
    ``stall``, ``reset``, ``server``, ``unreadable`` or ``other``.
    """

    exit_code = 3
    reason = "other"


class SourceNotFound(SourceError, FileNotFoundError):
    """There is nothing at the given place."""


class SourceDamaged(SourceError):
    """The source opened but gave no usable picture."""


class OutputError(StreamMerError, OSError):
    """An output file cannot be created or written."""


class AssetError(StreamMerError, OSError):
    """A model file is missing, cannot be fetched, or has the wrong digest."""

    exit_code = 4


class EngineError(StreamMerError, RuntimeError):
    """An engine is unknown, does not load, or returns something malformed."""

    exit_code = 4


class DeviceError(EngineError):
    """A GPU is absent, out of memory or lost; the same network may still run elsewhere."""


class StageError(StreamMerError, RuntimeError):
    """A pipeline stage raised; the original exception is the ``__cause__``."""
