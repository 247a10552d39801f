"""The command line: flags in, one call into the app, errors out as one to three lines."""

from __future__ import annotations

import argparse
import io
import signal
import sys
import threading
from collections.abc import Sequence

from stream_mer import __version__
from stream_mer.cli import engines, find, live, look, recorded, synth
from stream_mer.errors import StreamMerError

INTERRUPTED = 130
FAMILIES = (recorded, live, find, synth, engines, look)
"""One module per family of verbs; each adds its own and imports the app only inside them, because
'stream-mer --help' must not load networks."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code (0 ok, 2 usage, 3 source, 4 engine, 5 failure, 130 Ctrl-C)."""
    for stream in (sys.stdout, sys.stderr):  # no terminal's character set may end a run over a file's name
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    args = _parser().parse_args(argv)
    if threading.current_thread() is threading.main_thread():
        # 'docker stop' and systemd ask so; the outputs are then closed as after Ctrl-C.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return int(args.run(args))
    except StreamMerError as error:
        if args.debug:
            raise
        print(f"stream-mer: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()  # whoever read our output has gone; nothing more can be said
        return StreamMerError.exit_code
    except OSError as error:
        if args.debug:
            raise
        print(f"stream-mer: {error}", file=sys.stderr)
        return StreamMerError.exit_code
    except KeyboardInterrupt:
        print("stream-mer: interrupted; outputs were closed and hold everything up to here", file=sys.stderr)
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="stream-mer", description="Finds facial micro-expressions in video."
    )
    parser.add_argument("--version", action="version", version=f"stream-mer {__version__}")
    verbs = parser.add_subparsers(metavar="VERB", required=True)
    for family in FAMILIES:
        family.add(verbs)
    return parser
