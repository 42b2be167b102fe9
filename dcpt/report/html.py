"""The report: one HTML page that needs no network, with its figures beside it as PNG."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.fit.fit_file import FitSet
from dcpt.fit.law_fit import LawFit
from dcpt.fit.unit_words import unit_of_amount, unit_words
from dcpt.launch.compare import Comparison
from dcpt.plan.plan import Plan
from dcpt.plan.plan_tables import spending
from dcpt.report import cards, figures
from dcpt.report.baseline_card import baseline_card
from dcpt.report.page import TONES, version, write_page
from dcpt.report.plan_tables import front_part, size_card
from dcpt.report.stability_card import stability_card
from dcpt.report.table import percent, power


def make_report(
    folder: Path | str,
    table: LossTable,
    fits: FitSet,
    plan: Plan | None = None,
    comparison: Comparison | None = None,
    extra: Mapping[str, Any] | None = None,
) -> Path:
    """Write ``report.html`` and ``figures/*.png`` into a folder.

    Parameters
    ----------
    folder : path
        Where to write; made if it does not exist.
    table : LossTable
        The losses the fits rest on.
    fits : FitSet
        Fitted laws.
    plan : Plan, optional
        The plan; without it the page shows fits and data only.
    comparison : Comparison, optional
        What launched runs measured.
    extra : mapping, optional
        ``leakage``: a frame, mapping or list of mappings shown with the data; every other entry is
        shown under "How this was made". All of it is escaped.

    Returns
    -------
    Path
        The page.

    Raises
    ------
    DataError
        When the disk refuses the write.
    """
    folder = Path(folder)
    extra = dict(extra or {})
    leakage = extra.pop("leakage", None)
    used = set() if plan is None else {(law.name, law.eval_set, law.metric) for law in plan.laws.values()}
    stack: list[cards.Card] = []
    if plan is not None:
        stack += cards.why_card(
            plan,
            figures.decision_figures(plan, folder),
            figures.trade_off_figure(plan, folder),
            front_part(plan),
        )
        sizes = size_card(plan)
        if sizes is not None:
            stack.append(sizes)
        others = baseline_card(plan)
        if others is not None:
            stack.append(others)
        if plan.caveats:
            stack.append(cards.caveat_card(plan.caveats))
    if comparison is not None:
        stack.append(cards.comparison_card(comparison, figures.comparison_figure(comparison, folder)))
    held_out = cards.holdout_card(fits)
    if held_out is not None:
        stack.append(held_out)
    for fit in _in_order(fits, used):
        planned = _key(fit) in used
        drawn = figures.fit_figures(fit, table, plan, folder) if planned or not used else []
        stack.append(cards.fit_card(fit, drawn, planned))
    stack += stability_card(table)
    stack.append(cards.data_card(table, {fit.metric for fit in fits}, leakage))
    stack.append(cards.made_card(_made(table, fits, plan), extra, "" if plan is None else plan.summary()))
    return write_page(
        folder,
        _title(plan, fits),
        _verdict(plan, fits),
        stack,
        None if plan is None else _answer(plan),
        None if plan is None else _explore(plan),
    )


def _key(fit: LawFit) -> tuple[str, str, str]:
    return fit.law.name, fit.eval_set, fit.metric


def _in_order(fits: FitSet, used: set[tuple[str, str, str]]) -> list[LawFit]:
    """Fits the plan uses first."""
    return sorted(fits, key=lambda fit: _key(fit) not in used)


def _title(plan: Plan | None, fits: FitSet) -> str:
    if plan is None:
        return f"{', '.join(fits.laws)} fitted to the {' and '.join(fits.eval_sets)} loss"
    text = str(plan.objective).replace("<=", "≤").replace(" -", " −")
    return text[0].upper() + text[1:]


def _verdict(plan: Plan | None, fits: FitSet) -> dict[str, str]:
    if plan is not None:
        word, _, rest = plan.verdict_line.partition(": ")
        line = rest[0].upper() + rest[1:]
        return {"word": word, "line": line, "tone": TONES[plan.verdict]}
    doubts = sum(len(fit.warnings) for fit in fits)
    if not doubts:
        return {"word": "Fitted", "line": "No fit reports a doubt.", "tone": "good"}
    return {"word": "Fitted", "line": f"The fits report {doubts} doubts, listed below.", "tone": "warn"}


def _answer(plan: Plan) -> dict[str, Any]:
    level = percent(plan.objective.level)
    known = plan.r_lo is not None and plan.r_hi is not None
    interval = f"{100 * plan.r_lo:.1f} to {percent(plan.r_hi, 1)}" if known else "not known"  # type: ignore
    before = "" if plan.base is None else f"{plan.base.value:.4f} before, {plan.base.source}"
    unit = unit_words(plan.unit)
    facts = [
        {"name": f"{level} interval of the share", "value": interval, "note": ""},
        {
            "name": f"General loss, {unit}",
            "value": f"{plan.general.mean:.4f}",
            "note": f"a run: {plan.general.obs_lo:.3f} to {plan.general.obs_hi:.3f}",
        },
        {
            "name": f"Domain loss, {unit}",
            "value": f"{plan.domain.mean:.4f}",
            "note": f"a run: {plan.domain.obs_lo:.3f} to {plan.domain.obs_hi:.3f}",
        },
    ]
    facts += [
        {
            "name": f"Ceiling of the {limit.label} loss, {unit}",
            "value": f"{limit.ceiling:.4f}",
            "note": before if limit.label == GENERAL else "",
        }
        for limit in plan.limits
    ]
    if plan.kept_at_r is not None and plan.limits:
        facts.append(
            {
                "name": "Ceiling kept",
                "value": f"in {percent(plan.kept_at_r)} of draws",
                "note": _cautious(plan),
            }
        )
    cost = plan.cost
    facts.append(
        {
            "name": "Cost",
            "value": f"{power(cost['flops'])} FLOPs",
            "note": f"{format_quantity(cost['domain_tokens'])} domain and "
            f"{format_quantity(cost['general_tokens'])} general tokens",
        }
    )
    budget = plan.objective.budget
    spent = spending(cost, None if budget is None else budget.hardware)
    if spent:
        value, _, more = spent.partition(", ")
        facts.append({"name": "To spend", "value": value, "note": more})
    return {
        "percent": f"{100 * plan.r:.1f}",
        "line": f"and {percent(plan.replay, 1)} general text as replay.",
        "facts": facts,
        "fill": round(100 * plan.r, 2),
        "range": [round(100 * plan.r_lo, 2), round(100 * (plan.r_hi - plan.r_lo), 2)] if known else None,  # type: ignore
        "left": f"{percent(plan.r, 1)} domain",
        "middle": f"bracket: {level} interval" if known else "",
        "right": f"{percent(plan.replay, 1)} general, as replay",
    }


def _cautious(plan: Plan) -> str:
    """The run that keeps the limits at the plan's level, in a few words."""
    level = percent(plan.objective.level)
    if plan.r_cautious is None:
        return f"nothing of this size keeps it in {level}"
    tokens = "" if plan.D_cautious is None else f" on {format_quantity(plan.D_cautious)} tokens"
    return f"in {level} of them at {percent(plan.r_cautious, 1)} domain{tokens}"


def _explore(plan: Plan) -> dict[str, Any]:
    names = ["r", *(f"{side}{part}" for side in (GENERAL, DOMAIN) for part in ("", "_obs_lo", "_obs_hi"))]
    rows = [[float(f"{value:.6g}") for value in row] for row in plan.curve[names].to_numpy(float)]
    return {
        "rows": rows,
        "chosen": int((plan.curve["r"] - plan.r).abs().argmin()),
        "ceiling": None if plan.ceiling is None else float(f"{plan.ceiling:.6g}"),
        "ceiling_text": "" if plan.ceiling is None else f"{plan.ceiling:.4f} {unit_of_amount(plan.unit)}",
        "unit": unit_words(plan.unit),
    }


def _made(table: LossTable, fits: FitSet, plan: Plan | None) -> dict[str, str]:
    libraries = ", ".join(f"{name} {version(name)}" for name in ("numpy", "scipy", "pandas", "matplotlib"))
    rows = {
        "dcpt": f"{version('dcpt')}, Python {platform.python_version()}",
        "Libraries": libraries,
        "Losses": table.fingerprint,
        "Losses behind the fits": ", ".join(dict.fromkeys(fit.fingerprint for fit in fits)),
    }
    if plan is not None:
        rows |= {
            "Fits behind the plan": plan.fits_fingerprint,
            "Plan": plan.fingerprint,
            "Seed": str(plan.seed),
        }
        rows |= {f"Intervals, {side} side": how for side, how in plan.how.items() if how}
    return rows
