"""``python -m stream_mer`` is ``stream-mer``."""

from __future__ import annotations

INTERRUPTED = 130


def run() -> int:
    """Load the command line and run it; returns the exit code. Ctrl-C while it loads needs no traceback."""
    try:
        from stream_mer.cli import main

        return main()
    except KeyboardInterrupt:
        return INTERRUPTED


if __name__ == "__main__":
    raise SystemExit(run())
