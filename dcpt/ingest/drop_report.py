"""What became of the rows of a file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class DropReport:
    """What became of the rows of an imported file.

    Attributes
    ----------
    read, kept : int
        Rows in the file, rows in the table.
    dropped : mapping of str to int
        Rows left out, by reason.
    ignored : tuple of str
        Columns of the file that no symbol of the loss table was mapped to.
    notes : tuple of str
        What was assumed or looks odd, in sentences.
    """

    read: int
    kept: int
    dropped: Mapping[str, int]
    ignored: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        parts = [f"{self.read} rows read, {self.kept} kept"]
        parts += [f"{count} dropped: {reason}" for reason, count in self.dropped.items()]
        if self.ignored:
            parts.append(f"columns not used: {', '.join(self.ignored)}")
        return "; ".join(parts)
