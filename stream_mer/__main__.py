"""``python -m stream_mer`` is ``stream-mer``."""

from stream_mer.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
