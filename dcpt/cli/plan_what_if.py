"""``dcpt plan --sweep r|D|N|keep|budget|price|pool``: the question asked again for several values of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from dcpt.cli import show
from dcpt.cli.what_if_file import write_what_if
from dcpt.core.quantity import format_quantity

if TYPE_CHECKING:
    import pandas as pd

    from dcpt.core.loss_table import LossTable
    from dcpt.fit.fit_file import FitSet
    from dcpt.plan.objective import Objective
    from dcpt.plan.what_if import Axis


def answer_what_if(
    path: Path,
    fits: FitSet,
    objective: Objective,
    axis: str,
    values: str | None,
    table: LossTable | None,
    law: str | None,
    json: bool,
    filled: bool = False,
    output: Path | None = None,
) -> bool:
    """Print the table of one question.

    Parameters
    ----------
    path : Path
        The fits, as they were named.
    fits, objective, table, law
        As in `dcpt.plan.make_plan.make_plan`.
    axis : str
        What varies: r, D, N, keep, budget, price or pool.
    values : str, optional
        Its values, separated by commas.
    json : bool
        Whether to print one JSON document.
    filled : bool
        Whether the objective's value of what varies is only the first of `values`.
    output : Path, optional
        File to write the table into, too.

    Returns
    -------
    bool
        Whether every row has an answer, with an interval, inside the fitted ranges.

    Raises
    ------
    PlanError
        When no row has an answer, after the table is printed.
    """
    from dcpt.core.errors import PlanError
    from dcpt.fit.unit_words import unit_words
    from dcpt.plan.what_if import what_if

    given = None if values is None else [part.strip() for part in values.split(",") if part.strip()]
    frame = what_if(fits, objective, cast("Axis", axis), given, table, law)
    column = str(frame.columns[0])
    critical = _critical_law(frame) if "critical" in frame.attrs else None
    unreachable: dict[int, str] = frame.attrs["unreachable"]
    metric = next(fit for fit in fits if objective.metric in (None, fit.metric))
    question = {
        "fits": str(path),
        "objective": {**objective.model_dump(mode="json"), **({axis: None} if filled else {})},
        "axis": axis,
        "column": column,
        "unit": metric.unit,
    }
    if output is not None:
        write_what_if(output, frame, question)
        show.say(f"written: {output}")
    if json:
        show.document(
            "what-if",
            {
                **question,
                "rows": frame.to_dict("records"),
                "critical_law": critical,
                "unreachable": {str(number): reason for number, reason in unreachable.items()},
            },
        )
    else:
        show.result(f"{_asked(objective, axis if filled else None)}; losses in {unit_words(metric.unit)}\n")
        show.result(show.table(_rows(frame)))
        if "r_max" in frame:
            show.say("r_max: the largest share that keeps every limit, the critical mixture ratio.")
            if objective.epochs is not None:
                show.say("r_max ends where caps on epochs do, too; such rows are no critical ratios.")
        if critical is not None:
            show.say(
                f"critical ratio R(T) = {critical['a']:.4g} * T**{critical['s']:.4g} + {critical['b']:.4g}, "
                f"T in {format_quantity(critical['unit'])} tokens (largest miss {critical['miss']:.4f})."
            )
    # Along r with given size and tokens one reason stands for all rows; they have their losses all the same.
    one_for_all = axis == "r" and not frame.attrs["open"]
    if unreachable and (one_for_all or len(unreachable) == len(frame)):
        raise PlanError(next(iter(unreachable.values())))
    for number, reason in unreachable.items():
        show.say(f"{column} = {_spelled(frame[column].iloc[number], column)}: {reason}")
    inside = not frame["outside"].any()
    if not inside and not json:
        show.say("outside: what the laws were not fitted on, and how many times beyond it.")
    return inside and bool(frame.notna().all(axis=None))


def _asked(objective: Objective, open_axis: str | None) -> str:
    """The question, without the value of what varies where it was not stated."""
    text = str(objective)
    if open_axis == "keep":
        return text.partition(", keeping ")[0]
    for name, value, kind in (("N", objective.N, "parameters"), ("D", objective.D, "tokens")):
        if name == open_axis and value is not None:
            text = text.replace(f"{format_quantity(value)} {kind}", f"any number of {kind}", 1)
    return text


_QUANTITIES = ("N", "D", "gpu_hours", "domain_pool", "general_pool")
_NUMBERS = ("flops", "money", "price")


def _spelled(value: Any, column: str) -> str:
    if column in _QUANTITIES:
        return format_quantity(float(value))
    return f"{value:.4g}" if column in _NUMBERS else str(value)


def _rows(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Cells as people read them: shares to three places, losses to four, intervals in one cell."""
    rows: list[dict[str, Any]] = []
    for record in frame.to_dict("records"):
        row: dict[str, Any] = {}
        for name, value in record.items():
            name = str(name)
            if name.endswith(("_lo", "_hi")) or (name == "outside" and not frame["outside"].any()):
                continue
            if isinstance(value, str):
                row[name] = value
            elif value != value:  # no answer in this row
                row[name] = "-"
            elif name == "keeps":
                row[name] = "yes" if value else "no"
            else:
                ends = [record.get(f"{name}{end}") for end in ("_lo", "_hi")]
                known = all(end is not None and end == end for end in ends)
                spelled = [_cell(name, number) for number in (value, *(ends if known else ()))]
                row[name] = spelled[0] + (f" ({spelled[1]} to {spelled[2]})" if known else "")
        rows.append(row)
    return rows


def _cell(name: str, value: float) -> str:
    if name in (*_QUANTITIES, *_NUMBERS):
        return _spelled(value, name)
    places = 2 if name == "kept" or name.endswith("_epochs") else 4
    return f"{value:.{3 if name in ('r', 'r_max') else places}f}"


def _critical_law(frame: pd.DataFrame) -> dict[str, float] | None:
    """R(T) = a T**s + b through the critical ratios inside the searched range, where three are."""
    from dcpt.fit.critical_law import fit_critical_ratio

    if "r_max" not in frame:
        return None
    # A ratio at an end of the searched range only says that the critical one lies beyond.
    inner = frame.iloc[frame.attrs["critical"]]
    if inner["D"].nunique() < 3:
        return None
    law = fit_critical_ratio(inner["D"].to_numpy(float), inner["r_max"].to_numpy(float))
    return {"a": law.a, "s": law.s, "b": law.b, "unit": law.unit, "miss": law.miss}
