"""4DME, its grey videos: 60 frames a second, several classes to a clip at once."""

from __future__ import annotations

import re
from pathlib import Path

from stream_mer.datasets.annotated import Found, Scheme, frames_base, make_records, no_folder
from stream_mer.datasets.errata import apply_errata
from stream_mer.datasets.findings import Dataset, Findings
from stream_mer.datasets.places import Places
from stream_mer.datasets.tables import Row, find_workbook, read_table

CLASSES = ("positive", "negative", "surprise", "repression", "others")
FOURDME = Scheme("4dme", 60.0, frozenset(CLASSES))
WORKBOOKS = ("4DME_Labelling_Micro*.xls*", "4DME*.xls*")
COLUMNS = {
    "subject": ("sub_ID", "Subject"),
    "clip": ("fold_name", "Filename"),
    "label": ("Emotion",),
    "onset": ("Onset",),
    "apex": ("Apex",),
    "offset": ("Offset",),
    "aus": ("AUs", "AU"),
    "eye blink": ("eye blink",),
    **{name: (name.capitalize(),) for name in CLASSES},
}
_VISIT = re.compile(r"(?<=\d)_\w+\W*$")
"""What tells a person's visits apart: ``_1st`` of ``S13_1st``, ``_2`` of ``S58_2``."""


def read_4dme(root: Path, frames: Path | None = None) -> Dataset:
    """4DME: ``gray_micro/<sub_ID>/<fold_name>/`` and ``4DME_Labelling_Micro_release v1.xlsx``.

    A record's ``labels`` are all classes marked 1; ``label`` is the first. Action units marked "(k)" are
    left out. The folders may be one for each clip, too (``gray_micro/<sub_ID>_<fold_name>/``). A record's
    ``subject`` is the person: who came twice (``S13_1st``, ``S13_2nd``) must not be in training and test.
    """
    findings, places = Findings(), Places()
    table = find_workbook(root, WORKBOOKS, "4dme", findings)
    rows = [_plain(row) for row in read_table(table, COLUMNS, optional=("eye blink", "label", *CLASSES))]
    base = frames_base(root, ("gray_micro", "grey_micro", "4DME/gray_micro"), frames, places)

    def find(row: Row) -> Found:
        subject, clip = row.cells["subject"], row.cells["clip"]
        folder = places.descend(base, (subject, subject.zfill(2)), (clip,)) if subject and clip else None
        folder = folder or places.descend(base, (f"{subject}_{clip}",))
        if folder is None:
            raise no_folder(base, (subject, clip))
        return Found(_VISIT.sub("", subject), clip, folder)

    mended = [_marked(row) for row in apply_errata("4dme", rows, table, findings)]
    records = make_records(FOURDME, mended, table, places, findings, find)
    return Dataset(
        "4dme", root, table, tuple(records), tuple(findings.problems), tuple(findings.corrections), len(rows)
    )


def _plain(row: Row) -> Row:
    """The row without the apostrophes that make a spreadsheet take numbers for text."""
    return row.with_cells({name: text.strip("'’ ") for name, text in row.cells.items()})


def _marked(row: Row) -> Row:
    """The row with its label made of the marked classes; the text column only where none is marked."""
    marked = [name for name in CLASSES if row.cells.get(name, "").lower() in ("1", "true", "yes")]
    return row.with_cells({"label": "+".join(marked)}) if marked else row
