"""``dcpt schema``: JSON schemas of the files people write."""

from __future__ import annotations

import json as json_format
from typing import Annotated, Any, Literal

import typer

from dcpt.cli import show

Kind = Literal["sweep", "objective", "mixture-question", "columns"]


def schema(
    kind: Annotated[Kind, typer.Argument(help="Kind of file.")],
    json: Annotated[
        bool, typer.Option("--json", help="Wrap the schema in one document like other commands'.")
    ] = False,
) -> None:
    """Print the JSON schema of a kind of file, for editors that complete and check."""
    if json:
        show.document("schema", {"file": kind, "schema": file_schema(kind)})
    else:
        show.result(json_format.dumps(file_schema(kind), indent=1))


def file_schema(kind: Kind) -> dict[str, Any]:
    """JSON schema of what a person may write into a file of that kind."""
    from pydantic.json_schema import GenerateJsonSchema

    if kind == "sweep":
        from dcpt.sweep.spec import SweepSpec as Model
    elif kind == "objective":
        from dcpt.plan.objective import Objective as Model  # type: ignore[assignment]
    elif kind == "mixture-question":
        from dcpt.plan.mixtures.question import MixtureQuestion as Model  # type: ignore[assignment]
    else:
        from dcpt.ingest.column_map import ColumnMap as Model  # type: ignore[assignment]

    class AsWritten(GenerateJsonSchema):
        """What a validator reads from text (7B, general <= +2%) may be written as text; lists may not."""

        def function_before_schema(self, schema: Any) -> dict[str, Any]:
            read = super().function_before_schema(schema)
            return read if read.get("type") == "array" else {"anyOf": [read, {"type": "string"}]}

    made = Model.model_json_schema(schema_generator=AsWritten)
    return {"$schema": AsWritten.schema_dialect, **made}
