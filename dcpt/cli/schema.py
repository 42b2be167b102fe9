"""``dcpt schema``: JSON schemas of the files people write."""

from __future__ import annotations

import json
from typing import Annotated, Literal

import typer

from dcpt.cli import show


def schema(
    kind: Annotated[Literal["sweep", "objective"], typer.Argument(help="Kind of file.")],
) -> None:
    """Print the JSON schema of a kind of file, for editors that complete and check."""
    if kind == "sweep":
        from dcpt.sweep.spec import SweepSpec as Model
    else:
        from dcpt.plan.objective import Objective as Model  # type: ignore[assignment]
    show.result(json.dumps(Model.model_json_schema(), indent=1))
