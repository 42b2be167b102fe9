"""Options of a run as columns of the loss table: numbers, so that fits can be asked of some runs alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from dcpt.core.loss_table import RUN
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.core.symbols import DOMAIN

UNIQUE = "U"
"""Distinct domain tokens a run may use: what the repetition laws read."""


def option_columns(run: RunSpec) -> dict[str, float]:
    """The options a run is trained with, by column; none for a run without.

    Parameters
    ----------
    run : RunSpec
        A base has none.

    Returns
    -------
    dict of str to float
        ``mer_every`` (steps), ``mer_rate``, ``tilt``, ``phase_begin`` (share of the tokens from which the
        last phase is in force), ``phase_r`` (its domain share), ``pool:NAME`` (distinct tokens of a limited
        corpus), ``restored`` (1 with the base's optimizer state), ``skill_it`` (strength of reweighting).
    """
    columns: dict[str, float] = {}
    rule, plan = run.optimizer.interpolation, run.mixture
    if rule is not None:
        columns |= {"mer_every": float(rule.every), "mer_rate": rule.rate}
    if run.optimizer.tilt:
        columns["tilt"] = run.optimizer.tilt
    if len(plan.phases) > 1:
        columns["phase_begin"] = plan.phases[-1].start / (run.schedule.steps * run.batch)
        columns["phase_r"] = plan.r
    columns |= {f"pool:{name}": float(windows * run.context) for name, windows in plan.limit.items()}
    if run.kind != "base" and run.start is not None and run.start.optimizer == "restored":
        columns["restored"] = 1.0
    if plan.reweighting is not None:
        columns["skill_it"] = plan.reweighting.strength
    return columns


def option_text(run: RunSpec) -> str:
    """The options of a run as text, empty for none: what tells runs of one mixture and seed apart."""
    return ",".join(f"{name}={value:.6g}" for name, value in option_columns(run).items())


def option_names(runs: Sequence[RunSpec]) -> list[str]:
    """Columns that the options of some runs need, in order; `UNIQUE` where a domain corpus is limited."""
    names = list(dict.fromkeys(name for run in runs for name in option_columns(run)))
    limited = any(run.mixture.roles[name] == DOMAIN for run in runs for name in run.mixture.limit)
    return [*names, *([UNIQUE] if limited else [])]


def option_cells(runs: Sequence[RunSpec]) -> Callable[[RunSpec, RunRecord], dict[str, Any]]:
    """What each row of the loss table says of the options of its run.

    Parameters
    ----------
    runs : sequence of RunSpec
        The runs of the table.

    Returns
    -------
    callable
        From a run and its record to the cells of `option_names`, empty where the run has no such option;
        where options differ between runs also of ``run``, the name of the independent run.
    """
    names = option_names(runs)
    several = len({option_text(run) for run in runs if run.kind not in ("base", "trunk")}) > 1

    def cells(run: RunSpec, record: RunRecord) -> dict[str, Any]:
        if not names:
            return {}
        found: dict[str, Any] = dict.fromkeys(names)
        found |= option_columns(run)
        if UNIQUE in names and run.kind != "base":
            found[UNIQUE] = unique_tokens(run, record)
        if several:
            own = f"base-s{run.seed}" if run.kind == "base" else f"r{run.r:.6g}-s{run.seed}"
            found[RUN] = " ".join(filter(None, (own, option_text(run))))
        return found

    return cells


def unique_tokens(run: RunSpec, record: RunRecord) -> float | None:
    """Distinct tokens of the domain side that a finished run could use: its pool, else all of its corpora.

    None when the size of a domain corpus without a limit is not known: the run has drawn nothing of it, or
    its shares have moved.
    """
    total = 0.0
    for name, role in run.mixture.roles.items():
        if role != DOMAIN:
            continue
        if name in run.mixture.limit:
            total += run.mixture.limit[name] * run.context
            continue
        epochs = record.epochs.get(name, 0.0)
        if not epochs or run.mixture.reweighting is not None:
            return None
        total += run.shares[name] * record.tokens / epochs
    return total
