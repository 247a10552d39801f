"""What made the training windows of a folder, so that no others join them in silence."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from stream_mer.app.provenance import code_digest
from stream_mer.errors import ConfigError
from stream_mer.training import clf_data, clf_measure, clf_pack, flow_net

STAMP = "making.json"
HERE = Path(__file__).parent
FILES = (
    *(Path(str(module.__file__)) for module in (clf_data, clf_measure, clf_pack, flow_net)),
    *(HERE / f"{name}.py" for name in ("make_windows_clips", "make_windows_video", "window_studio")),
)
"""What lays and measures windows, beside what makes pictures and finds faces (``app.provenance``)."""


def making(smiles: bool) -> dict[str, object]:
    """Digest of the code that makes windows, comments left out, and whether people smile as real ones."""
    digest = hashlib.sha256(code_digest().encode())
    for file in FILES:
        digest.update(ast.unparse(ast.parse(file.read_text(encoding="utf-8"))).encode())
    return {"code": digest.hexdigest()[:16], "smiles": smiles}


def claim(folder: Path, smiles: bool) -> None:
    """Note in the folder what makes its windows from now on.

    Raises:
        ConfigError: it holds windows of another making, or of one that is not known.
    """
    stamp, now = folder / STAMP, making(smiles)
    known = _read(folder)
    if known == now:
        return
    if known is not None or any(folder.glob("*.npz")):
        raise ConfigError(
            f"{folder} holds windows that were made otherwise ({known or 'nothing says how'}; now {now}).\n"
            "Make them in another folder, or delete those first: a network must not learn from a mixture."
        )
    stamp.write_text(json.dumps(now) + "\n", encoding="utf-8")


def require_one_making(folders: Sequence[Path]) -> None:
    """Check that the windows of all folders were made alike.

    Raises:
        ConfigError: they were not.
    """
    made = {str(folder): _read(folder) for folder in folders}
    if len({json.dumps(one) for one in made.values()}) > 1:
        told = ", ".join(f"{folder}: {one or 'nothing says how'}" for folder, one in made.items())
        raise ConfigError(f"the windows were not all made alike ({told}).\nMake them anew in one folder.")


def _read(folder: Path) -> dict[str, object] | None:
    try:
        known: dict[str, object] = json.loads((folder / STAMP).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except ValueError as error:
        raise ConfigError(
            f"{folder / STAMP} cannot be read: {error}\nDelete the folder's windows."
        ) from error
    return known
