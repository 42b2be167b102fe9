"""``dcpt laws``: the laws on offer, and one of them in full."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from dcpt.cli import show
from dcpt.cli.options import example

app = typer.Typer(help="List the laws; show one.", invoke_without_command=True)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.callback(epilog=example("dcpt laws"))
def list_(context: typer.Context, json: Json = False) -> None:
    """List the laws."""
    if context.invoked_subcommand is not None:
        return
    from dcpt.laws.registry import list_laws

    laws = list_laws()
    if json:
        show.document("laws", {"laws": [_describe(law) for law in laws]})
    else:
        rows = [{"name": law.name, "formula": law.formula, "reference": law.reference} for law in laws]
        show.result(show.table(rows))


@app.command("show", epilog=example("dcpt laws show d-cpt"))
def show_(
    name: Annotated[str, typer.Argument(help="Name of the law.")],
    json: Json = False,
) -> None:
    """Show a law: formula, parameters with bounds and units, reference."""
    from dcpt.laws.registry import get_law

    law = get_law(name)
    facts = _describe(law)
    if json:
        show.document("law", facts)
        return
    show.result(f"{law.name}: {law.formula}\n{law.reference}\n")
    show.result(show.table(facts["parameters"]))


def _describe(law: Any) -> dict[str, Any]:
    return {
        "name": law.name,
        "title": law.title,
        "formula": law.formula,
        "latex": law.latex,
        "reference": law.reference,
        "parameters": [
            {
                "name": item.name,
                "kind": item.kind,
                "low": item.lo,
                "high": item.hi,
                "unit": item.unit,
                "meaning": item.meaning,
            }
            for item in law.parameters
        ],
    }
