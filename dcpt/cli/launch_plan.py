"""Which plan is launched: one of two sides, or one of many corpora."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dcpt.cli import show

if TYPE_CHECKING:
    from dcpt.core.loss_table import LossTable
    from dcpt.launch.launch import Launch
    from dcpt.sweep.prepare import Sweep


def prepare_planned(
    plan: Path,
    sweep: Sweep,
    ratios: Sequence[float],
    seed: int,
    fitted: LossTable | None,
    variant: str | None = None,
) -> Launch:
    """Read the plan that a file or folder holds and write down its runs.

    Raises
    ------
    ConfigError, DataError
        When there is no plan, or the sweep is not the one it was made from.
    """
    from dcpt.launch.launch import prepare_launch
    from dcpt.plan.plan import Plan

    mixture = mixture_plan_of(plan)
    if mixture is None:
        return prepare_launch(Plan.load(plan), sweep, ratios, seed, fitted, variant)
    from dcpt.core.errors import ConfigError
    from dcpt.launch.mixture import prepare_mixture_launch
    from dcpt.launch.mixture_fitted import fitted_elsewhere
    from dcpt.plan.mixtures.mixture_plan_file import read_mixture_plan

    if ratios:
        raise ConfigError("--ratio: a plan of many corpora has no ratio; drop it.")
    read = read_mixture_plan(mixture)
    ready = prepare_mixture_launch(read, sweep, seed, variant, fitted or _of_sweep(sweep))
    shares = ready.spec.runs[0].shares or {}
    show.say("launch: " + ", ".join(f"{name} {share:.4g}" for name, share in shares.items()))
    note = fitted_elsewhere(read, ready.spec.N, ready.runs[-1])
    if note:
        show.say(f"  note: {note}")
    return ready


def _of_sweep(sweep: Sweep) -> LossTable | None:
    """The losses in a sweep's folder; None where it has not run, or the file cannot be read."""
    from dcpt.core.errors import DcptError
    from dcpt.core.loss_table import LossTable
    from dcpt.sweep.run_sweep import LOSSES

    try:
        return LossTable.read(sweep.root / LOSSES)
    except DcptError:
        return None


def mixture_plan_of(plan: Path) -> Path | None:
    """The plan of a mixture that a file is, or a folder without another plan holds; else None."""
    from dcpt.plan.mixtures.mixture_plan import FILE

    if plan.is_dir():
        return plan / FILE if (plan / FILE).exists() and not (plan / "plan.json").exists() else None
    if not plan.is_file():
        return None
    with open(plan, encoding="utf-8", errors="replace") as file:
        return plan if '"kind": "mixture plan"' in file.read(400) else None
