"""What a path on the command line holds: its kind by the endings of its files."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dcpt.core.errors import DataError
from dcpt.corpus.spec import SourceSpec

Kind = Literal["text", "jsonl", "parquet"]

_ENDINGS: dict[Kind, tuple[str, ...]] = {
    "jsonl": (".jsonl", ".jsonl.gz"),
    "parquet": (".parquet",),
    "text": (".txt",),
}


def source_of(path: Path, column: str = "text") -> SourceSpec:
    """A file or folder as a source of documents.

    Parameters
    ----------
    path : path
        A .jsonl, .jsonl.gz, .parquet or .txt file, or a folder of one kind of them.
    column : str
        Field that holds the text, where rows have fields.

    Raises
    ------
    DataError
        When there is no such file or folder, or its kind cannot be told.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder.")
    found: list[Kind] = [kind for kind in _ENDINGS if _holds(path, _ENDINGS[kind])]
    if len(found) != 1:
        kinds = " and ".join(found) or "no .jsonl, .jsonl.gz, .parquet or .txt files"
        raise DataError(f"{path}: holds {kinds}; wanted one kind of documents.")
    kind = found[0]
    if kind == "text":
        return SourceSpec(kind=kind, path=str(path))
    return SourceSpec(kind=kind, path=str(path), column=column)


def _holds(path: Path, endings: tuple[str, ...]) -> bool:
    if path.is_file():
        return path.name.endswith(endings)
    return any(item.is_file() and item.name.endswith(endings) for item in path.rglob("*"))
