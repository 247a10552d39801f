"""``stream-mer export``: a run's events in another format."""

from __future__ import annotations

from pathlib import Path

from stream_mer.sinks.export import export as export_events


def export(run_dir: Path, to: str, out: Path | None) -> int:
    """Convert the events of a run; prints where the file is.

    Raises:
        ConfigError: no event log there, or a format that needs a package that is missing.
        OutputError: the file cannot be written.
    """
    print(export_events(run_dir, to, out))
    return 0
