"""Windows of different making are not mixed: neither while they are made nor when a network learns."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch")
import window_making
from window_making import STAMP, claim, making, require_one_making

from stream_mer.errors import ConfigError


def test_a_folder_takes_windows_of_one_making_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    claim(tmp_path, smiles=True)
    claim(tmp_path, smiles=True)  # goes on
    with pytest.raises(ConfigError, match="made otherwise"):
        claim(tmp_path, smiles=False)
    monkeypatch.setattr(window_making, "code_digest", lambda: "another tracker")
    with pytest.raises(ConfigError, match="made otherwise"):
        claim(tmp_path, smiles=True)


def test_windows_that_nothing_is_known_of_are_not_joined(tmp_path: Path) -> None:
    (tmp_path / "train_00000.npz").write_bytes(b"")
    with pytest.raises(ConfigError, match="nothing says how"):
        claim(tmp_path, smiles=True)
    assert not (tmp_path / STAMP).exists()


def test_every_file_that_lays_windows_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = making(True)
    for file in window_making.FILES:
        changed = tmp_path / file.name
        changed.write_text(file.read_text() + "\nADDED = 1\n")
        others = [changed if f == file else f for f in window_making.FILES]
        with monkeypatch.context() as patch:
            patch.setattr(window_making, "FILES", others)
            assert making(True) != before
            changed.write_text(file.read_text() + "\n# only a comment\n")
            assert making(True) == before


def test_a_network_learns_from_one_making_only(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    require_one_making([one, two])  # from before anything was noted
    claim(one, smiles=True)
    with pytest.raises(ConfigError, match="not all made alike"):
        require_one_making([one, two])
    claim(two, smiles=True)
    require_one_making([one, two])
    (two / STAMP).write_text("{")
    with pytest.raises(ConfigError, match="cannot be read"):
        require_one_making([one, two])
