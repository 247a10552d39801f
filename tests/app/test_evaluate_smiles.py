"""What ``evaluate.py smiles`` asks for and says; nothing is watched or judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("matplotlib")
pytest.importorskip("torch")

import evaluate
import fold_judges

from stream_mer.app.folds import Watch
from stream_mer.app.material import Material
from stream_mer.app.trial import Trial
from stream_mer.synth.spec import TrueEvent

SMILE = TrueEvent(1_000_000_000, 1_050_000_000, 1_150_000_000, "happiness", ("12",), 0.02, 0)


def test_real_smiles_and_the_generators_are_judged_and_told_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[tuple[int, list[int]]] = []

    def judged(watch: Watch, *_: object) -> list[Trial]:
        given = watch.keywords  # type: ignore[attr-defined]
        asked.append((len(given.get("measured", ())), list(given["seeds"])))
        return [Trial("film", person, 1.0, 1.0, (SMILE,), ()) for person in ("a", "b")]

    monkeypatch.setattr(Material, "real_smiles", lambda _: [np.zeros((468, 2))] * 3)
    monkeypatch.setattr(fold_judges, "run_folds", judged)
    where = ["--data", str(tmp_path), "--cache", str(tmp_path), "--folds", str(tmp_path)]
    assert evaluate.main(["smiles", *where, "--seeds", "2", "--out", str(tmp_path / "out")]) == 0
    assert asked == [(3, [1, 2]), (0, [1, 2])]
    said = (tmp_path / "out" / "smiles.md").read_text()
    assert said.strip() in capsys.readouterr().out
    assert (
        "| as real people did (drawn from 3) | 0.00 [0.00, 0.00] | 0.00 [0.00, 0.00] | 0 of 0 | 2 |" in said
    )
