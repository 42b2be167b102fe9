"""The table of ``dcpt plan --sweep`` as a file: rows with their question, by the file's ending."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

SCHEMA_VERSION = 1
"""Of the JSON document, and of the column ``schema_version`` of the tables."""

TABLES = (".csv", ".parquet", ".jsonl")
ENDINGS = (".json", *TABLES)


def check_ending(path: Path) -> None:
    """Refuse a file whose ending says no format, before the question is answered.

    Raises
    ------
    ConfigError
        Naming the endings there are.
    """
    if path.suffix not in ENDINGS:
        raise ConfigError(f"-o: got {str(path)!r}; wanted a file that ends in {', '.join(ENDINGS)}.")


def write_what_if(path: Path, frame: pd.DataFrame, question: dict[str, Any]) -> Path:
    """Write the rows of a table, atomically: JSON with the question beside them, or a table of them.

    Parameters
    ----------
    path : Path
        File; see `check_ending`.
    frame : DataFrame
        The rows; cells without an answer are empty.
    question : dict
        What was asked, for JSON: fits, objective, axis, unit. JSON has the reasons of rows without an answer,
        too (`unreachable`, by the number of the row).
    """
    from dcpt.core import files
    from dcpt.core.table_file import write_frame

    if path.suffix in TABLES:
        return write_frame(path, frame.assign(schema_version=SCHEMA_VERSION))
    rows = [
        {str(name): None if value != value else value for name, value in row.items()}
        for row in frame.to_dict("records")
    ]
    reasons = {str(number): reason for number, reason in frame.attrs.get("unreachable", {}).items()}
    head = {"schema_version": SCHEMA_VERSION, "kind": "what-if", **question}
    return files.write_json(path, {**head, "rows": rows, "unreachable": reasons})
