"""The classifier's material: videos split by person, windows from the product's own way, made only once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
cv2 = pytest.importorskip("cv2")

from stream_mer.app.material import read_split  # noqa: E402
from stream_mer.synth.clip import Clip, frames_of  # noqa: E402
from stream_mer.synth.plan import plan_clip  # noqa: E402
from stream_mer.synth.spec import ClipSpec  # noqa: E402
from stream_mer.training.clf_data import NONE, UNCLEAR  # noqa: E402
from stream_mer.training.clf_pack import load_packs  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SPLIT = ROOT / "calibration" / "score" / "videos.toml"


def test_no_video_and_no_person_is_in_both_halves() -> None:
    tune, final = read_split(SPLIT, "tune"), read_split(SPLIT, "final")
    assert not set(tune) & set(final)
    names = [name for half in (tune, final) for files in half.values() for name in files]
    assert len(names) == len(set(names))


def test_every_open_video_has_a_place(videos: Path) -> None:
    placed = {n for part in ("tune", "final") for files in read_split(SPLIT, part).values() for n in files}
    assert placed == {f.name for f in videos.iterdir() if f.suffix != ".md"}


def few_smiles(faces: Path, folder: Path) -> Path:
    """Portraits of two training people, of whom one is set aside, and of a validation person."""
    rows = ["split,path,person"]
    for split, number in (("train", "003"), ("train", "017"), ("val", "121")):
        for kind in ("neutral", "smile"):
            name = f"{split}/london/{number}_{kind}.jpg"
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes((faces / name).read_bytes())
            rows.append(f"{split},{name},london-{number}")
    (folder / "index.csv").write_text("\n".join(rows))
    return folder


def test_nobody_set_aside_and_no_validation_person_teaches_a_smile(
    faces: Path, assets_dir: Path, tmp_path: Path
) -> None:
    from window_studio import read_training_smiles

    known, set_aside = read_training_smiles(few_smiles(faces, tmp_path), assets_dir)
    assert known is not None
    assert known.shape == (468, 2)
    assert set_aside is None


def test_nothing_is_asked_of_a_clips_event_that_two_pictures_show() -> None:
    from make_windows_clips import spans_of

    spec = ClipSpec(duration_s=8.0, fps=30.0, event_rate=60.0, repeat_rate=0.2)
    portrait, mesh = np.zeros((64, 64, 3), np.uint8), np.zeros((468, 2))
    plan = plan_clip(spec, 3)
    clip = Clip(
        portrait[None], plan.pts_ns, plan.events, plan.distractors, (), mesh[None], spec, 3, frames_of(plan)
    )
    events, others = spans_of(clip)
    asked = [e.onset_ns for e, shown in zip(plan.events, frames_of(plan), strict=True) if shown >= 3]
    assert 0 < len(asked) < len(plan.events)
    assert [e.onset_ns for e in events] == asked
    unclear = [s.onset_ns for s in others if s.label == UNCLEAR]
    assert sorted([*asked, *unclear]) == [e.onset_ns for e in plan.events]


def test_who_smiles_does_not_depend_on_the_size_of_the_film() -> None:
    from make_windows_video import SIZES, SMILES
    from window_studio import drawn_smile

    smile = [np.zeros((468, 2))]
    smiles = np.array([drawn_smile(smile, seed, SMILES) is not None for seed in range(2000)])
    sizes = np.array([np.random.default_rng(seed).uniform(*SIZES) for seed in range(2000)])
    assert sizes[smiles].mean() == pytest.approx(sizes[~smiles].mean(), abs=0.05)


def test_half_of_the_people_smile_as_somebody_did() -> None:
    from window_studio import drawn_smile

    smiles = [np.full((468, 2), float(i)) for i in range(5)]
    drawn = [drawn_smile(smiles, 7, number) for number in range(200)]
    assert 80 < sum(one is None for one in drawn) < 120
    assert {float(one[0, 0]) for one in drawn if one is not None} == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert drawn_smile(smiles, 7, 3) is drawn[3]
    assert drawn_smile([], 7, 3) is None


def test_windows_of_a_clip_and_of_a_video(
    faces: Path, videos: Path, assets_dir: Path, tmp_path: Path
) -> None:
    import make_windows

    config = tmp_path / "config.toml"
    config.write_text("[clips]\ntrain = 0\nchoose = 1\nval = 0\nseed = 4\n[videos]\npasses = 1\nseed = 4\n")
    split = tmp_path / "split.toml"
    split.write_text('[tune]\nsomeone = ["asl_eat.mkv"]\n[final]\nother = ["absent.mkv"]\n')
    packs = tmp_path / "packs"
    rest = ["--out", str(packs), "--assets", str(assets_dir), "--smiles", str(few_smiles(faces, tmp_path))]
    assert make_windows.main(["clips", str(config), "--data", str(faces), *rest]) == 0
    assert make_windows.main(["video", str(config), "--data", str(videos), "--split", str(split), *rest]) == 0
    table = load_packs(packs)
    assert table["raw"].shape[1:] == (11, 32, 32)
    assert np.isfinite(table["raw"].astype(np.float32)).all()
    real = table["real"].astype(bool)
    assert set(table["part"][real]) == {"train"}
    assert set(table["part"][~real]) == {"choose"}
    assert {"native", "lr"} <= set(table["path"])
    quiet = real & (table["clip"] == "asl_eat.mkv")
    assert (table["target"][quiet] == NONE).all()
    events = table["target"] != NONE
    inside = (table["onset_ns"] < table["centre_ns"]) & (table["centre_ns"] < table["offset_ns"])
    assert inside[events].mean() > 0.95
    assert (table["peak"][events] > 0.002).all()
    without = ["--out", str(packs), "--assets", str(assets_dir)]
    assert make_windows.main(["clips", str(config), "--data", str(faces), *without]) == 2
    before = {f.name: f.stat().st_mtime_ns for f in packs.iterdir()}
    assert make_windows.main(["video", str(config), "--data", str(videos), "--split", str(split), *rest]) == 0
    assert {f.name: f.stat().st_mtime_ns for f in packs.iterdir()} == before
