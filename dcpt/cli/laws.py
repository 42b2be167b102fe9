"""``dcpt laws``: the laws on offer, and one of them in full."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from dcpt.cli import show
from dcpt.cli.options import example

if TYPE_CHECKING:
    from dcpt.laws.law import Law


class _ByName(TyperGroup):
    """``dcpt laws NAME`` is short for ``dcpt laws show NAME``."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and args[0] not in self.commands:
            args = ["show", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(help="List the laws; show one: dcpt laws NAME.", invoke_without_command=True, cls=_ByName)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]


@app.callback(epilog=example("dcpt laws"))
def list_(context: typer.Context, json: Json = False) -> None:
    """List the laws; show one: dcpt laws NAME."""
    context.obj = json
    if context.invoked_subcommand is not None:
        return
    from dcpt.cli.curve_laws import curve_laws_text, describe_curve_law
    from dcpt.laws.curves.registry import list_curve_families, list_curve_laws
    from dcpt.laws.registry import list_families, list_laws

    laws = [_describe(law, latex=json) for law in list_laws()]
    families = [family.usage for family in list_families()]
    curves, curve_families = list_curve_laws(), [family.usage for family in list_curve_families()]
    if json:
        listed = {"curve_laws": [describe_curve_law(law) for law in curves], "curve_families": curve_families}
        show.document("laws", {"laws": laws, "families": families, **listed})
        return
    rows = [
        {
            "name": law["name"],
            "inputs": " ".join(item["name"] for item in law["inputs"]),
            "sides": " ".join(law["sides"]),
            "parameters": " ".join(item["name"] for item in law["parameters"]),
            "formula": law["formula"],
            "reference": law["reference"],
        }
        for law in laws
    ]
    show.result(show.table(rows))
    if families:
        show.result(f"\nand, by pattern: {', '.join(families)}")
    show.result(f"\n{curve_laws_text(curves, curve_families)}")


@app.command("show", epilog=example("dcpt laws show d-cpt"))
def show_(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="Name of the law.")],
    json: Json = False,
) -> None:
    """Show a law: formula, inputs, parameters with bounds and units, reference."""
    from dcpt.cli.curve_laws import describe_curve_law, show_curve_law
    from dcpt.cli.curve_reading import speaks_of_curves
    from dcpt.laws.registry import get_law

    if speaks_of_curves([name]):
        from dcpt.laws.curves.registry import get_curve_law

        curve_law = get_curve_law(name)
        if json or context.obj:
            show.document("law", describe_curve_law(curve_law))
        else:
            show_curve_law(curve_law)
        return
    law = get_law(name)
    facts = _describe(law)
    if json or context.obj:  # dcpt laws --json NAME
        show.document("law", facts)
        return
    show.result(f"{law.name}: L = {law.formula}\n{law.reference}\n")
    show.result(facts["description"])
    show.result(f"\nfor the {' and the '.join(law.sides)} loss\n")
    show.result(show.table(facts["inputs"]))
    show.result("")
    show.result(show.table(facts["parameters"]))
    show.result(f"\n{law.latex}")


def _describe(law: Law, latex: bool = True) -> dict[str, Any]:
    """Everything a law declares; its LaTeX is made only where it is wanted, which takes a moment each."""
    from dcpt.core.symbols import symbol_of

    own = {column.name: column for column in law.columns}
    slopes = {-1: "falls", 1: "rises"}
    inputs = []
    for name in law.inputs:
        symbol = own.get(name) or symbol_of(name)
        low, high = law.domain.get(name, (None, None))
        inputs.append(
            {
                "name": name,
                "low": low,
                "high": high,
                "unit": "" if symbol is None else symbol.unit,
                "loss": slopes.get(law.monotone.get(name, 0), ""),
                "meaning": "" if symbol is None else symbol.meaning,
            }
        )
    return {
        "name": law.name,
        "title": law.title,
        "description": inspect.cleandoc(type(law).__doc__ or law.title),
        "formula": law.formula,
        **({"latex": law.latex} if latex else {}),
        "reference": law.reference,
        "sides": list(law.sides),
        "inputs": inputs,
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
