"""Writes the report of a reproduction: the paper's figures beside ours, honest beside leaked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import numpy as np
from matplotlib import pyplot

from stream_mer.training.paper_study import VIEWS, Dealt, FaceClip, PictureQuality, Recognition, Views

PAPER = "the paper (JMTR 10(1), 2025)"
PUBLISHED = ((PAPER, 30.887, 0.938, 0.000865), ("the earlier work it beats", 29.5, 0.8502, 0.00085))
SEEN = (
    "The super-resolver was trained on pictures of most of these people, so **the rows of SR above are "
    "leaked, no result**. Over those people alone whom it never saw:"
)
COLOURS = {"HR": "0.35", "SR": "C0", "bicubic": "C1", "LR": "C3"}


@dataclass(frozen=True, slots=True)
class Study:
    """What was found on one dataset; ``views`` are its clips, for the picture of examples."""

    name: str
    clips: tuple[FaceClip, ...]
    views: Views
    quality: tuple[PictureQuality, ...]
    recognition: tuple[Recognition, ...]
    dealt: tuple[Dealt, ...]


@dataclass(frozen=True, slots=True)
class Report:
    """A whole reproduction.

    ``notes`` go under the title, such as what was synthetic and who was left out. ``composite`` is the
    table of MEGC 2019, if its three datasets were given, with its remarks.
    """

    title: str
    notes: tuple[str, ...]
    engine: str
    studies: tuple[Study, ...]
    composite: tuple[Recognition, ...] = ()
    remarks: tuple[str, ...] = ()


def write_report(report: Report, out: Path, *, show_faces: bool) -> Path:
    """Write ``report.md`` and its plots into a folder.

    Args:
        report: what was found.
        out: the folder; made if need be.
        show_faces: whether faces may be shown; licences of most datasets forbid it.

    Returns:
        The Markdown file.
    """
    out.mkdir(parents=True, exist_ok=True)
    parts = [
        f"# {report.title}",
        "\n".join(f"- {note}" for note in report.notes),
        f"Super-resolution by {report.engine}. Degradation: area x4, Gaussian 3x3 on the 32x32 picture, "
        "median on half of the clips.",
    ]
    for study in report.studies:
        parts += _section(study, out, show_faces)
    if report.composite:
        parts += ["## MEGC 2019 composite, three classes", *report.remarks]
        parts += ["Pooled over all folds, leave one subject out.", _recognition_table(report.composite)]
    path = out / "report.md"
    path.write_text("\n\n".join(parts) + "\n", encoding="utf-8")
    return path


def _section(study: Study, out: Path, show_faces: bool) -> list[str]:
    name = study.name
    plot_recognition(study.recognition, out / f"{name}-recognition.png")
    plot_quality(study.quality, out / f"{name}-quality.png")
    people, labels = {c.subject for c in study.clips}, sorted({c.label for c in study.clips})
    counts = ", ".join(f"{label} {sum(c.label == label for c in study.clips)}" for label in labels)
    parts = [
        f"## {name}",
        f"{len(study.clips)} clips of {len(people)} people: {counts}. Chance is about {1 / len(labels):.2f}.",
        f"### {name}: super-resolution 32 to 128",
        "Per picture, RGB, then the mean over the test pictures.",
        _quality_table(study.quality),
        f"![PSNR by clip]({name}-quality.png)",
        f"### {name}: recognition, leave one subject out",
        "Everything is chosen inside the training people; predictions are pooled; in brackets the 95 % "
        "interval from drawing people with replacement. The last column picks each fold's setting or epoch "
        "by its own test. **It is leaked, no result**, and printed to show what that gains.",
        _recognition_table(study.recognition),
        f"![UF1 by method and view]({name}-recognition.png)",
        f"### {name}: recognition, 70/20/10 as the paper deals",
        "Accuracy on the 20 %. Dealt at random (frames for the CNN, clips for the SVMs), the same people and "
        "even the same clips are on both sides; disjoint, every person is on one.",
        _dealt_table(study.dealt),
    ]
    if show_faces:
        plot_examples(study.views, out / f"{name}-examples.png")
        parts += [f"### {name}: examples", f"![{', '.join(VIEWS)}]({name}-examples.png)"]
    return parts


def _quality_table(rows: Sequence[PictureQuality]) -> str:
    lines = ["| | test | pictures | PSNR dB | SSIM | MSE |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {r.method} | {r.split} | {r.pictures} | {r.psnr:.2f} | {r.ssim:.3f} | {r.mse:.6f} |" for r in rows
    ]
    lines += [f"| {name} | frame-random | | {p:g} | {s:g} | {m:g} |" for name, p, s, m in PUBLISHED]
    return "\n".join(lines)


def _recognition_table(rows: Sequence[Recognition]) -> str:
    lines = [
        "| method | sees | accuracy | UF1 | UAR | LEAKED, no result: accuracy / UF1 |",
        "|---|---|---|---|---|---|",
    ]
    lines += [
        f"| {r.method} | {r.view} | {r.honest.accuracy:.3f} | {r.uf1} | {r.honest.uar:.3f} "
        f"| {r.leaked.accuracy:.3f} / {r.leaked.uf1:.3f} |"
        for r in rows
    ]
    if all(r.unseen is None for r in rows):
        return "\n".join(lines)
    lines += ["", SEEN, "", "| method | sees | clips | accuracy | UF1 | UAR |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {r.method} | {r.view} | {f.samples} | {f.accuracy:.3f} | {f.uf1:.3f} | {f.uar:.3f} |"
        for r in rows
        if (f := r.unseen) is not None
    ]
    return "\n".join(lines)


def _dealt_table(rows: Sequence[Dealt]) -> str:
    lines = ["| method | sees | at random, as printed | people apart |", "|---|---|---|---|"]
    lines += [f"| {r.method} | {r.view} | {r.random:.3f} | {r.disjoint:.3f} |" for r in rows]
    return "\n".join(lines)


def plot_recognition(rows: Sequence[Recognition], picture: Path) -> None:
    """Bars of UF1 with intervals, a group per method, and the leaked figure as a hollow mark."""
    methods = list(dict.fromkeys(r.method for r in rows))
    figure, axes = pyplot.subplots(figsize=(8, 4.5), layout="constrained")
    for k, view in enumerate(VIEWS):
        here = [r for r in rows if r.view == view]
        places = [methods.index(r.method) + 0.2 * (k - 1.5) for r in here]
        values = np.array([r.uf1.value for r in here])
        # A percentile interval need not hold the value itself.
        reach = [
            [max(r.uf1.value - r.uf1.low, 0) for r in here],
            [max(r.uf1.high - r.uf1.value, 0) for r in here],
        ]
        axes.bar(places, values, 0.18, color=COLOURS[view], label=view, yerr=reach, capsize=3)
        leaked = [r.leaked.uf1 for r in here]
        axes.plot(places, leaked, "o", mfc="none", mec="k", label="leaked, no result" if k == 3 else None)
    axes.set_xticks(range(len(methods)), methods)
    axes.set(ylim=(0, 1), ylabel="UF1, leave one subject out")
    figure.legend(ncols=5, fontsize="small", loc="outside upper center")
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)


def plot_quality(rows: Sequence[PictureQuality], picture: Path) -> None:
    """Histograms of the mean PSNR of each clip, with the paper's figure as a line."""
    figure, axes = pyplot.subplots(figsize=(8, 3.6), layout="constrained")
    shown = [row for row in rows if row.split == "frame-random"]
    every = [value for row in shown for value in row.by_clip]
    bins = np.linspace(min(every) - 0.2, max(*every, PUBLISHED[0][1]) + 0.4, 30)
    for row in shown:
        axes.hist(
            row.by_clip, bins, alpha=0.7, color=COLOURS[row.method], label=f"{row.method}: {row.psnr:.2f} dB"
        )
    axes.axvline(
        PUBLISHED[0][1], color="k", ls="--", lw=1, label=f"{PAPER}: {PUBLISHED[0][1]} dB, its own data"
    )
    axes.set(xlabel="mean PSNR of a clip, dB", ylabel="clips")
    axes.legend(fontsize="small")
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)


def plot_examples(views: Views, picture: Path, rows: int = 3) -> None:
    """The middle frame of a few clips in every view."""
    count = len(views.of["HR"])
    chosen = sorted({round(k) for k in np.linspace(0, count - 1, rows)})
    figure, axes = pyplot.subplots(
        len(chosen),
        len(VIEWS),
        figsize=(2 * len(VIEWS), 2 * len(chosen)),
        layout="constrained",
        squeeze=False,
    )
    for row, clip in enumerate(chosen):
        for column, view in enumerate(VIEWS):
            frames = views.of[view][clip]
            axes[row][column].imshow(frames[len(frames) // 2], interpolation="nearest")
            axes[row][column].axis("off")
            if row == 0:
                axes[row][column].set_title(view)
    figure.savefig(picture, dpi=110)
    pyplot.close(figure)
