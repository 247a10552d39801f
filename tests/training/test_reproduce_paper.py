"""The whole reproduction on rendered clips, and on miniatures of the datasets with real pictures in them."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import openpyxl
import pytest

pytest.importorskip("sklearn")
pytest.importorskip("matplotlib")
torch = pytest.importorskip("torch")

import evaluate  # noqa: E402
import paper_clips  # noqa: E402
import paper_engine  # noqa: E402
import reproduce_paper  # noqa: E402

from stream_mer.core.splits import subject_disjoint  # noqa: E402
from stream_mer.errors import ConfigError  # noqa: E402
from stream_mer.training import sr_network  # noqa: E402
from stream_mer.training.paper_study import FaceClip, frame_splits, make_views, picture_quality  # noqa: E402
from stream_mer.training.sr_data import held_out  # noqa: E402

torch.set_num_threads(1)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three 'people', one clip of each class, in the layout of anyone's own clips."""
    root = tmp_path_factory.mktemp("rendered")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(paper_clips, "VARIANTS", paper_clips.VARIANTS[:3])
        paper_clips.render_dataset(root, None, 1, 1, None)
    return root


def as_casme2(rendered: Path, root: Path) -> Path:
    """The same clips as CASME II keeps its own."""
    book = openpyxl.Workbook()
    head = ("Subject", "Filename", None, "OnsetFrame", "ApexFrame", "OffsetFrame", None, "Action Units")
    book.active.append((*head, "Estimated Emotion"))
    for number, person in enumerate(sorted(p for p in rendered.iterdir() if p.is_dir()), 1):
        for clip in sorted(person.iterdir()):
            row = (number, clip.name, None, 6, "/", 25, None, "4", clip.name[:-1])
            book.active.append(row)
            shutil.copytree(clip, root / "CASME2-RAW" / f"sub{number:02d}" / clip.name)
    book.save(root / "CASME2-coding-20140508.xlsx")
    return root


def test_synthetic_report_says_so_and_has_everything(
    tmp_path: Path, assets_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(paper_clips, "VARIANTS", paper_clips.VARIANTS[:3])
    words = ["--synthetic", "--clips-each", "1", "--epochs", "1", "--engine", "compact-x4", "--out", tmp_path]
    assert reproduce_paper.main(list(map(str, words))) == 0
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    assert text.splitlines()[0] == "# Reproduction of the paper on SYNTHETIC clips"
    assert "NASA" in text
    assert "30.887" in text
    assert "**It is leaked, no result**" in text
    for method in ("LBP-TOP", "LPQ-TOP", "CNN"):
        for view in ("HR", "SR", "bicubic", "LR"):
            assert text.count(f"| {method} | {view} |") == 2, "leave one subject out, and 70/20/10"
    for name in ("quality", "recognition", "examples"):
        assert f"(synthetic-{name}.png)" in text
        assert (tmp_path / f"synthetic-{name}.png").read_bytes().startswith(b"\x89PNG")


def test_a_licensed_layout_goes_the_same_way_without_faces_in_the_report(
    rendered: Path, assets_dir: Path, tmp_path: Path
) -> None:
    root = as_casme2(rendered, tmp_path / "CASME2")
    words = ["--casme2", root, "--epochs", "1", "--engine", "bicubic", "--out", tmp_path / "out"]
    assert reproduce_paper.main(list(map(str, words))) == 0
    text = (tmp_path / "out" / "report.md").read_text(encoding="utf-8")
    assert text.splitlines()[0] == "# Reproduction of the paper on casme2"
    assert "SYNTHETIC" not in text
    assert "15 clips of 3 people" in text
    assert not (tmp_path / "out" / "casme2-examples.png").exists()
    # The engine is bicubic interpolation itself, so both rows agree.
    rows = [
        line.split("|")[4:7]
        for line in text.splitlines()
        if line.startswith(("| SR | frame", "| bicubic | frame"))
    ]
    sr, bicubic = (float(row[0]) for row in rows)
    assert sr == pytest.approx(bicubic, abs=0.3)


def test_features_by_protocol(rendered: Path, assets_dir: Path, tmp_path: Path, capsys) -> None:
    root = as_casme2(rendered, tmp_path / "CASME2")
    sets = ["--set", f"casme2={root}"]
    assert evaluate.main(["features", "--protocol", "loso", *sets]) == 0
    assert "| LBP-TOP | " in (said := capsys.readouterr().out)
    assert "15 clips of 3 people" in said
    assert "disgust 3, happiness 3, others 3, repression 3, surprise 3\n\n|" in said
    assert evaluate.main(["features", "--protocol", "cd6me", *sets]) == 2
    assert "needs two or more" in capsys.readouterr().err
    assert evaluate.main(["features", "--protocol", "composite", *sets]) == 2
    assert "the composite needs smic-hs, samm, too" in capsys.readouterr().err
    assert evaluate.main(["features", "--protocol", "loso", "--set", "casme2"]) == 2


def test_leave_one_subject_out_takes_the_five_classes_of_casme2(
    rendered: Path, assets_dir: Path, tmp_path: Path, capsys
) -> None:
    # Nine clips of fear and sadness would make it another task than the one whose figures are published.
    root = as_casme2(rendered, tmp_path / "CASME2")
    book = openpyxl.load_workbook(root / "CASME2-coding-20140508.xlsx")
    book.active.cell(2, 9).value = "fear"
    book.active.cell(3, 9).value = None
    book.save(root / "CASME2-coding-20140508.xlsx")
    assert evaluate.main(["features", "--protocol", "loso", "--set", f"casme2={root}"]) == 0
    said = capsys.readouterr().out
    assert "2 of other classes, or of none, left out" in said
    assert "13 clips of 3 people" in said
    assert "fear" not in said
    assert "unlabelled" not in said


def test_a_dataset_without_emotions_is_refused_in_words(tmp_path: Path, capsys) -> None:
    header = ("sub", "count", "onset", "offset", "au")
    book = openpyxl.Workbook()
    for row in (header, (1, 1, 3, 6, "4")):
        book.active.append(row)
    book.save(tmp_path / "CAS(ME)3_part_C_ME.xlsx")
    folder = tmp_path / "part_C" / "01" / "a" / "color"
    folder.mkdir(parents=True)
    for number in range(1, 10):
        (folder / f"{number}.jpg").touch()
    assert evaluate.main(["features", "--protocol", "loso", "--set", f"casme3-c={tmp_path}"]) == 3
    assert "casme3-c names no emotions\ntake another protocol" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "give --casme2 PATH"),
        (["--synthetic", "--casme2", "x"], "not both"),
        (["--casme2", "nowhere"], "does not exist"),
    ],
)
def test_arguments_that_do_not_fit(words: list[str], message: str, tmp_path: Path, capsys) -> None:
    assert reproduce_paper.main([*words, "--out", str(tmp_path)]) == 2
    assert message in capsys.readouterr().err


def clips_of(people: int) -> list[FaceClip]:
    rng = np.random.default_rng(2)
    return [
        FaceClip(f"s{person}", "disgust", rng.integers(0, 256, (3, 128, 128, 3), dtype=np.uint8))
        for person in range(people)
        for _ in range(2)
    ]


def test_quality_is_that_of_the_test_pictures() -> None:
    clips = clips_of(5)
    views = make_views(clips, lambda lr: np.repeat(np.repeat(lr, 4, 1), 4, 2))
    assert [view[0].shape[1] for view in views.of.values()] == [128, 128, 128, 32]
    exact = make_views(clips, lambda lr: lr)
    exact.of["SR"][:] = [clip.faces for clip in clips]  # as if nothing were lost
    for row in picture_quality(clips, exact, frame_splits(clips)):
        assert row.pictures == len(next(s for s in frame_splits(clips) if s.name == row.split).test)
        if row.method == "SR":
            assert (row.ssim, row.mse) == (1.0, 0.0)


def test_training_takes_the_training_people_only() -> None:
    clips = clips_of(8)
    pack = paper_engine.training_pack(clips, seed=3)
    owners = [clip.subject for clip in clips for _ in clip.faces]
    allowed = {owners[i] for i in subject_disjoint(owners, 3).train}
    assert {p.person.split("#")[0] for p in pack.portraits} == allowed
    assert len({p.person for p in pack.portraits if held_out(p.person)}) == 1
    np.testing.assert_array_equal(pack.hr()[0], clips[0].faces[0] if "s0" in allowed else pack.hr()[0])


def test_a_resolver_can_be_trained_here(tmp_path: Path) -> None:
    config = Path(__file__).parents[2] / "engines" / "compact-x4" / "train_config.toml"
    text = "\n".join(
        "distil = 0.0" if line.startswith("distil") else line for line in config.read_text().splitlines()
    )
    (tmp_path / "run.toml").write_text(text)
    clips = clips_of(5)
    upscale, name = paper_engine.trained_upscaler([tmp_path / "run.toml"], 2, clips, tmp_path / "sr", 1)
    assert upscale(np.zeros((2, 32, 32, 3), np.uint8)).shape == (2, 128, 128, 3)
    assert "2 steps on the people of the disjoint training part" in name
    gan = "\n[gan]\npixel = 0.01\nperceptual = {}\nadversarial = 0.005\nfeatures = 2\nrate = 1e-4\n"
    (tmp_path / "gan.toml").write_text(text + gan.format(0.0))
    stages = [tmp_path / "run.toml", tmp_path / "gan.toml"]
    _, name = paper_engine.trained_upscaler(stages, 1, clips, tmp_path / "both", 1)
    assert "1 steps and 1 adversarial steps on the people" in name
    first, second = (sr_network.load_network(tmp_path / "both" / n / "last.pt")[1] for n in "12")
    moved = max(float((second.weights[n] - w).abs().max()) for n, w in first.ema.items())
    assert 0 < moved < 0.01, "the second stage goes on from the first"
    (tmp_path / "gan.toml").write_text(text + gan.format(1.0))
    with pytest.raises(ConfigError, match="needs a network's weights\ngive --features FILE"):
        paper_engine.trained_upscaler(stages, 1, clips, tmp_path / "none", 1)
    assert not (tmp_path / "none").exists(), "said before anything is trained"
