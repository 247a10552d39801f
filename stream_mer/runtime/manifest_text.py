"""Turns a manifest into TOML text, always the same text for the same manifest.

Written by hand because Python reads TOML but does not write it, and because a retraining should
show as a clean diff: fixed order of keys, tables sorted, one line a value.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from stream_mer.runtime.schema import Manifest, TensorSpec


def _text(value: str) -> str:
    """A TOML basic string; every control character is escaped, so the value is one line."""
    escapes = {'"': '\\"', "\\": "\\\\", "\n": "\\n", "\t": "\\t", "\r": "\\r"}
    body = (
        escapes.get(char, char if char >= " " and char != "\x7f" else f"\\u{ord(char):04x}") for char in value
    )
    return f'"{"".join(body)}"'


def _value(value: str | float | bool) -> str:
    if isinstance(value, str):
        return _text(value)
    return str(value).lower() if isinstance(value, bool) else repr(value)


def _lines(table: Mapping[str, str | float | bool]) -> list[str]:
    return [f"{_text(key) if '.' in key else key} = {_value(value)}" for key, value in table.items()]


def _tensor_lines(header: str, spec: TensorSpec) -> list[str]:
    shape = ", ".join('"N"' if size is None else str(size) for size in spec.shape)
    layout = [f"layout = {_text(spec.layout)}"] if spec.layout else []
    return [
        "",
        header,
        f"name = {_text(spec.name)}",
        f"shape = [{shape}]",
        f'dtype = "{spec.dtype}"',
        *layout,
    ]


def dump_manifest(manifest: Manifest) -> str:
    """The TOML text of a manifest; ``parse_manifest`` gives an equal manifest back."""
    top: dict[str, str | float | bool] = {"name": manifest.name, "task": manifest.task}
    top |= {"version": manifest.version, "trained": manifest.trained}
    if manifest.trained:
        top |= {"file": manifest.file, "sha256": manifest.sha256}
    top |= {"precision": manifest.precision, "parameters": manifest.parameters}
    lines = _lines(top | {"gflop": float(manifest.gflop)})
    lines += _tensor_lines("[input]", manifest.inputs)
    header = "[output]" if len(manifest.outputs) == 1 else "[[output]]"
    for spec in manifest.outputs:
        lines += _tensor_lines(header, spec)
    training = manifest.training
    source: dict[str, str | float | bool] = {"data": training.data, "licence": training.licence}
    source |= {"command": training.command, "seed": training.seed, "steps": training.steps}
    metrics = {key: float(value) for key, value in sorted(manifest.metrics.items())}
    sections: Sequence[tuple[str, Mapping[str, str | float | bool]]] = (
        ("preprocess", dict(sorted(manifest.preprocess.items()))),
        ("training", source),
        ("metrics", metrics),
        ("notes", dict(sorted(manifest.notes.items()))),
    )
    for name, table in sections:
        if table:
            lines += ["", f"[{name}]", *_lines(table)]
    return "\n".join(lines) + "\n"
