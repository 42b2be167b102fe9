"""Laws of loss curves as ``dcpt laws`` lists and shows them."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dcpt.cli import show

if TYPE_CHECKING:
    from dcpt.laws.curves import CurveLaw


def describe_curve_law(law: CurveLaw) -> dict[str, Any]:
    """Everything a law of curves declares."""
    return {
        "name": law.name,
        "of": "curves",
        "title": law.title,
        "description": inspect.cleandoc(type(law).__doc__ or law.title),
        "formula": law.formula,
        "reference": law.reference,
        "sides": list(law.sides),
        "needs": list(law.needs),
        "two_phase": law.two_phase,
        "warmup": law.warmup,
        "rewarm": law.rewarm,
        "gains_at_zero": law.gains_at_zero,
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


def curve_laws_text(laws: Sequence[CurveLaw], families: Sequence[str]) -> str:
    """The laws of curves as a table, and the patterns of names beyond it."""
    rows = [
        {
            "name": law.name,
            "reads": " ".join(("rates", *law.needs)),
            "parameters": " ".join(law.names),
            "formula": law.formula,
            "reference": law.reference,
        }
        for law in laws
    ]
    lines = ["laws of loss curves, which read the learning rate of every step:", "", show.table(rows)]
    if families:
        from dcpt.laws.curves.cpt_dynamics import OPTIONS

        lines += ["", f"and, by pattern: {', '.join(families)}"]
        lines += [f"cpt-dynamics takes +{', +'.join(OPTIONS)}"]
        lines += ["any of them takes +skip, +signed or +peak: how the warm-up in front counts"]
    from dcpt.cli.curve_out_of_domain import FORMULA, OUT_OF_DOMAIN, REFERENCE

    lines += ["", f"and for losses on third sets {OUT_OF_DOMAIN}: L = {FORMULA} ({REFERENCE})"]
    return "\n".join(lines)


def show_curve_law(law: CurveLaw) -> None:
    """A law of curves in full."""
    facts = describe_curve_law(law)
    show.result(f"{law.name}: L = {law.formula}\n{law.reference}\n")
    show.result(facts["description"])
    reads = ", ".join(["the learning rate of every step", *law.needs])
    show.result(f"\nfor the {' and the '.join(law.sides)} loss; reads {reads}")
    if law.two_phase:
        show.result("needs to know where continual pre-training began")
    if law.gains_at_zero:
        show.result("steps at a rate of 0 go on lowering the loss: compare no schedules that end with them")
    show.result(f"\n{show.table(facts['parameters'])}")
