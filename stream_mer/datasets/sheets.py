"""Reads the cells of a spreadsheet, new (.xlsx) or old (.xls), as tidy text.

The library is python-calamine: it reads both formats (CAS(ME)³ and some copies of CASME II come as .xls), is
released often and needs nothing else, where openpyxl reads only the new one and xlrd only the old one.
"""

from __future__ import annotations

import importlib
import unicodedata
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stream_mer.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Sheet:
    """A sheet's name and its cells; ``rows[0]`` is row 1 of the spreadsheet."""

    name: str
    rows: tuple[tuple[str, ...], ...]


def read_sheets(path: Path) -> list[Sheet]:
    """All sheets of a workbook, every cell as text (see ``cell_text``).

    Raises:
        ConfigError: no python-calamine, no such file, or it cannot be read; the message says how to mend it.
    """
    try:
        calamine: Any = importlib.import_module("python_calamine")
    except ImportError as error:
        raise ConfigError(
            f"reading {path.name} needs python-calamine, which is not installed\n"
            "run: python -m pip install 'stream-mer[research]'"
        ) from error
    try:
        book = calamine.CalamineWorkbook.from_path(str(path))
        return [_sheet(book, name) for name in book.sheet_names]
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error}\ncheck the path and its permissions") from error
    except calamine.PasswordError as error:
        raise ConfigError(
            f"{path} is protected by a password\nopen it and save a copy without one"
        ) from error
    except (
        calamine.CalamineError,
        calamine.ZipError,
        calamine.XmlError,
        calamine.WorksheetNotFound,
    ) as error:
        raise ConfigError(
            f"{path} is no spreadsheet that can be read: {error}\n"
            "download it again, or open it and save it as .xlsx"
        ) from error


def _sheet(book: Any, name: str) -> Sheet:
    rows = book.get_sheet_by_name(name).to_python(skip_empty_area=False)
    return Sheet(name, tuple(tuple(cell_text(cell) for cell in row) for row in rows))


def cell_text(value: object) -> str:
    """A cell as text: whole numbers without a point, wide and odd characters made plain, no outer space.

    >>> cell_text(46.0), cell_text("４，７\\u00a0"), cell_text(None)
    ('46', '4,7', '')
    """
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    text = unicodedata.normalize("NFKC", str(value))
    return " ".join(text.split())
