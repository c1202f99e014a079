"""Where figures go: PNG, PDF and CSV files, written whole or not at all, and the account of them."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from rawlabel.base.files import atomic_write

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | int | float | bool | None


@dataclass(slots=True)
class FiguresSummary:
    """What one call drew, what it left out, and the key numbers."""

    written: list[Path] = field(default_factory=list)
    """Files in the order in which they were written."""
    skipped: list[str] = field(default_factory=list)
    """One sentence for each figure, or part of one, that was not drawn, with the reason."""
    headline: list[str] = field(default_factory=list)
    """One line for each figure with its key numbers."""


@dataclass(frozen=True, slots=True)
class FigureFolder:
    """The folder that gets the files; keeps a `FiguresSummary` of what it was given."""

    path: Path
    summary: FiguresSummary = field(default_factory=FiguresSummary)

    def save(self, figure: Figure, name: str) -> None:
        """Write `name`.png and `name`.pdf. The bytes depend on the figure and matplotlib's version alone."""
        without_origin = {
            "png": {"Software": None},
            "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
        }
        for file_format, metadata in without_origin.items():
            target = self.path / f"{name}.{file_format}"
            with atomic_write(target) as stream, warnings.catch_warnings():
                # A class name in a script that the font lacks shows as boxes; the CSV has it in full.
                warnings.filterwarnings("ignore", message="Glyph .* missing from")
                figure.savefig(stream, format=file_format, metadata=metadata)
            self.summary.written.append(target)

    def write_csv(self, name: str, header: Sequence[str], rows: Iterable[Sequence[Cell]]) -> None:
        """Write `name`.csv: fractional numbers with six decimals, None as an empty cell."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(header)
        writer.writerows([_as_text(cell) for cell in row] for row in rows)
        target = self.path / f"{name}.csv"
        with atomic_write(target) as stream:
            stream.write(text.getvalue().encode("utf-8"))
        self.summary.written.append(target)


def _as_text(cell: Cell) -> str:
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "yes" if cell else "no"
    return f"{cell:.6f}" if isinstance(cell, float) else str(cell)
