"""Turns the rows of any dataset's workbook into records: frames, labels, action units, kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stream_mer.datasets.findings import Findings, RowError
from stream_mer.datasets.places import Places, fit_frames
from stream_mer.datasets.records import UNLABELLED, ClipRecord, parse_action_units
from stream_mer.datasets.tables import Row, frame_number, require_frame

SYNONYMS = {
    "other": "others",
    "happy": "happiness",
    "sad": "sadness",
    "angry": "anger",
    "fearful": "fear",
    "disgusted": "disgust",
    "surprised": "surprise",
    "neg": "negative",
    "ne": "negative",
    "pos": "positive",
    "po": "positive",
    "sur": "surprise",
    "su": "surprise",
}
"""How the same label is also written, across datasets and versions of one."""
SEVEN = frozenset({"happiness", "surprise", "disgust", "fear", "sadness", "anger", "others"})
CASME2_LABELS = frozenset({"happiness", "surprise", "disgust", "repression", "others", "sadness", "fear"})
SAMM_LABELS = SEVEN | {"contempt"}
THREE = frozenset({"negative", "positive", "surprise"})


@dataclass(frozen=True, slots=True)
class Scheme:
    """What all records of a dataset share; ``first``: the number its annotators give a clip's first frame."""

    name: str
    fps: float
    labels: frozenset[str]
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """Whose clip a row is about, and the folder with its frames."""

    subject: str
    clip: str
    folder: Path


def make_records(
    scheme: Scheme,
    rows: Iterable[Row],
    table: Path,
    places: Places,
    findings: Findings,
    find: Callable[[Row], Found],
) -> list[ClipRecord]:
    """A record for every row that can be one; everything else goes to ``findings``.

    Args:
        find: the subject, clip and folder of a row; raises ``RowError`` when there is no such folder.
    """
    records: list[ClipRecord] = []
    seen: dict[tuple[Path, int, str], int] = {}
    for row in rows:
        try:
            record = _record(scheme, row, table, places, findings, find)
        except RowError as error:
            findings.leave_out(table, row.number, error.what, error.mend)
            continue
        except ValueError as error:  # the record's own checks
            findings.leave_out(table, row.number, str(error), "correct that cell")
            continue
        key = (record.path, record.onset, record.kind)  # not the clip: two names may lead to one folder
        first = seen.setdefault(key, row.number)
        if first != row.number:
            findings.leave_out(
                table, row.number, f"same clip and onset as row {first}", "remove one of the two rows"
            )
            continue
        records.append(record)
    # A clip cut to its expression and numbered anew begins with its onset: that one is fitted already.
    first = 0 if scheme.first is None else scheme.first
    early = [record for record in records if record.first_frame < min(first, record.onset)]
    if early:
        findings.warn(
            early[0].path.parent,
            None,
            f"the frames of {len(early)} clips begin at {early[0].first_frame}, those of {scheme.name} at "
            f"{first} or later: onset, apex and offset may be one frame off",
            "number them as the dataset does, or copy them again",
        )
    return records


def _record(
    scheme: Scheme,
    row: Row,
    table: Path,
    places: Places,
    findings: Findings,
    find: Callable[[Row], Found],
) -> ClipRecord:
    onset, apex, offset = read_span(row, table, findings)
    found = find(row)
    fit = fit_frames(list(places.frames(found.folder)), onset, offset, found.folder)
    if fit.missing:
        findings.warn(
            table,
            row.number,
            f"{fit.missing} of the frames {onset}..{offset} are missing in {found.folder}",
            "copy the clip again, if your archive has them",
        )
    labels = read_labels(row, scheme.labels, table, findings)
    return ClipRecord(
        dataset=scheme.name,
        subject=found.subject,
        clip=found.clip,
        path=found.folder,
        fps=scheme.fps,
        onset=onset + fit.shift,
        apex=None if apex is None else apex + fit.shift,
        offset=offset + fit.shift,
        label=labels[0] if labels else UNLABELLED,
        action_units=read_units(row, table, findings),
        first_frame=fit.first,
        kind=read_kind(row),
        labels=labels,
        row=row.number,
    )


def read_span(row: Row, table: Path, findings: Findings) -> tuple[int, int | None, int]:
    """Onset, apex and offset of a row, with the slips that every dataset has.

    No offset (empty or 0): the apex, as SOFTNet takes it. An apex of 0 or outside is none.

    Raises:
        RowError: no onset, neither offset nor apex, or offset before onset.
    """
    onset, apex, offset = require_frame(row, "onset"), frame_number(row, "apex"), frame_number(row, "offset")
    if apex == 0 and onset > 0:
        apex = None
    if not offset:
        if not apex:
            raise RowError("offset is 0 or empty, and there is no apex", "write the last frame's number")
        findings.corrections.append(
            f"row {row.number}: no offset, taken at the apex {apex} (as SOFTNet does)"
        )
        offset = apex
    if offset < onset:
        raise RowError(f"offset {offset} lies before onset {onset}", "correct the one that is wrong")
    if apex is not None and not onset <= apex <= offset:
        findings.warn(
            table,
            row.number,
            f"apex {apex} lies outside {onset}..{offset}",
            "it is not used; correct it if you know better",
        )
        apex = None
    return onset, apex, offset


def read_labels(row: Row, known: frozenset[str], table: Path, findings: Findings) -> tuple[str, ...]:
    """The labels of a row, tidied; none, or one that is not ``known``, is reported and kept."""
    parts = [
        part.strip().lower() for part in re.split(r"[,;/+&]", row.cells.get("label", "")) if part.strip()
    ]
    labels = tuple(dict.fromkeys(SYNONYMS.get(part, part) for part in parts))
    if not labels and "label" in row.cells:
        findings.warn(table, row.number, "no emotion is named", "fill it in; it belongs to no class")
    for label in labels:
        if label not in known:
            findings.warn(
                table,
                row.number,
                f"unknown label {label!r}",
                f"known are {', '.join(sorted(known))}; correct it, or leave the row out",
            )
    return labels


def read_units(row: Row, table: Path, findings: Findings) -> tuple[str, ...]:
    """The action units of a row; parts that are none are reported and left out, "(k)" ones as well.

    Source: MEB leaves out what 4DME's coders marked "(k)".
    """
    units: list[str] = []
    for part in re.split(r"[+,;\s]+", row.cells.get("aus", "")):
        if part.lower().endswith("(k)"):
            continue
        try:
            units += parse_action_units(part)
        except ValueError:
            findings.warn(
                table, row.number, f"{part!r} is not an action unit", "write them like 4+R12; it is not used"
            )
    return tuple(dict.fromkeys(units))


def read_kind(row: Row) -> str:
    """``macro`` where the row says so, otherwise ``micro``."""
    return "macro" if row.cells.get("kind", "").strip().lower().startswith("macro") else "micro"


def padded(text: str, width: int, prefix: str = "") -> str:
    """A subject as folders write it: its number with zeros in front, after a prefix.

    >>> padded("sub 7", 2, "sub"), padded("SPNO.12", 1, "spNO.")
    ('sub07', 'spNO.12')
    """
    digits = re.findall(r"\d+", text)
    return f"{prefix}{int(digits[-1]):0{width}d}" if digits else text


def no_folder(base: Path, names: Sequence[str]) -> RowError:
    """The error for a clip that has no folder."""
    return RowError(
        f"there is no folder {'/'.join(names)} in {base}",
        "copy the clip there, or say --frames if the clips are in another folder",
    )


def frames_base(root: Path, names: Sequence[str], given: Path | None, places: Places) -> Path:
    """The folder of the clips: the one given, else the first of ``names`` there is, else the root."""
    if given is not None:
        return given
    for name in names:
        found = places.descend(root, *[(part,) for part in name.split("/")])
        if found is not None:
            return found
    return root
