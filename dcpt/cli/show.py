"""How the command line speaks: results to stdout, talk to stderr, one JSON document on request."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any

JSON_SCHEMA_VERSION = 1


def say(text: str) -> None:
    """Talk: a line to stderr."""
    print(text, file=sys.stderr, flush=True)


def result(text: str) -> None:
    """A result: text to stdout."""
    print(text, flush=True)


def document(kind: str, content: Mapping[str, Any]) -> None:
    """The one JSON document of a command run with ``--json``."""
    body = {"schema_version": JSON_SCHEMA_VERSION, "kind": kind, **content}
    print(json.dumps(plain(body), indent=1, allow_nan=False))


def table(rows: Sequence[Mapping[str, Any]], columns: Sequence[str] | None = None) -> str:
    """Rows as aligned text, numbers to the right."""
    if not rows:
        return "(none)"
    names = list(columns or rows[0])
    cells = [[_cell(row.get(name)) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(names)]
    right = [all(not isinstance(row.get(name), str) for row in rows) for name in names]

    def line(parts: Sequence[str]) -> str:
        return "  ".join(
            part.rjust(width) if side else part.ljust(width)
            for part, width, side in zip(parts, widths, right, strict=True)
        ).rstrip()

    return "\n".join(line(parts) for parts in [names, *cells])


def hours(value: float) -> str:
    """Hours in the unit a reader expects: ``42 s``, ``3.1 min``, ``5.2 h``."""
    seconds = value * 3600
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 5400 else f"{value:.1f} h"


def _cell(value: Any) -> str:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def plain(value: Any) -> Any:
    """A value as JSON has it: numbers of numpy as Python's, those that are not finite as None."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if hasattr(value, "item") and getattr(value, "ndim", 1) == 0:
        value = value.item()
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, (str, int, float, bool)):
        return value
    return str(value)
