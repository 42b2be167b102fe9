"""A launched mixture against its plan: share by share what was asked, target by target what came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtri

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.loss_table import LossTable
from dcpt.core.run_spec import to_dict
from dcpt.core.table_file import read_frame
from dcpt.core.table_rows import TEXT
from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.launch.as_planned import same_size, same_tokens
from dcpt.launch.compared_loss import ComparedLoss
from dcpt.launch.comparison_file import load_comparison, save_comparison
from dcpt.launch.live import LiveCheck
from dcpt.launch.mixture_band import METRIC, UNIT
from dcpt.launch.mixture_fitted import plan_fingerprint
from dcpt.plan.mixtures.mixture_plan import MixturePlan
from dcpt.plan.mixtures.setting import make_setting
from dcpt.sweep.mixture_rows import SHARE, eval_set_of

SCHEMA_VERSION = 1
FILE_NAME = "mixture-compare.json"

SAME_SHARE = 5e-4
"""Difference in every share up to which a mixture counts as the planned one: they are printed with three
digits."""


@dataclass(frozen=True)
class ComparedShare:
    """The share of one corpus in a launched run beside that of the plan."""

    run_id: str
    corpus: str
    planned: float
    launched: float


@dataclass(frozen=True)
class ComparedGoal:
    """The goal of a launched run: what the plan minimises, predicted at the run's mixture and measured.

    ``lo`` and ``hi`` are the interval of one run.
    """

    run_id: str
    predicted: float
    lo: float
    hi: float
    measured: float

    @property
    def inside(self) -> bool:
        """Whether the measured goal lies in the interval of a run."""
        return self.lo <= self.measured <= self.hi


@dataclass(frozen=True, repr=False)
class MixtureComparison:
    """What launched mixtures say about a plan.

    Attributes
    ----------
    rows : tuple of ComparedLoss
        One per run and target; ``side`` is the target's name, ``as_planned`` whether mixture, size and tokens
        are the plan's.
    shares : tuple of ComparedShare
        One per run and corpus.
    goals : tuple of ComparedGoal
        One per run.
    minimise : str
        What the plan minimises.
    level : float
        Probability of the intervals.
    plan_fingerprint : str
        Hash of the plan compared against.
    N, D : float or None
        Size and tokens of the runs that the plan's losses are those of.
    live : tuple of LiveCheck
        What the live check saw while the runs were under way.
    """

    rows: tuple[ComparedLoss, ...]
    shares: tuple[ComparedShare, ...]
    goals: tuple[ComparedGoal, ...]
    minimise: str
    level: float
    plan_fingerprint: str
    N: float | None
    D: float | None
    live: tuple[LiveCheck, ...] = ()

    unit = UNIT

    def table(self) -> pd.DataFrame:
        """One row per run and target, with error, per cent error and the verdicts."""
        derived = ("error", "error_percent", "in_mean", "in_obs", "kept")
        return pd.DataFrame(
            [{**to_dict(row), **{name: getattr(row, name) for name in derived}} for row in self.rows]
        ).rename(columns={"side": "target"})

    def summary(self) -> str:
        """The comparison as text, what it means last."""
        from dcpt.launch.mixture_compare_text import mixture_compare_text

        return mixture_compare_text(self)

    def save(self, path: Path | str) -> Path:
        """Write the comparison as JSON: to the file, or as ``mixture-compare.json`` into the folder."""
        return save_comparison(self, path, FILE_NAME, SCHEMA_VERSION)

    @classmethod
    def load(cls, path: Path | str) -> MixtureComparison:
        """Read a comparison from its file or from the folder that holds it.

        Raises
        ------
        DataError
            When the file is absent or is not a comparison.
        """
        return load_comparison(cls, path, FILE_NAME, SCHEMA_VERSION, "a comparison of mixtures")


def read_launched(path: Path | str) -> LossTable:
    """Losses of launched mixtures, with a column ``share:NAME`` for every corpus.

    Raises
    ------
    DataError
        When the file is no loss table, or says no shares.
    """
    frame = read_frame(path, "a loss table", list(TEXT))
    shares = [str(name) for name in frame if str(name).startswith(SHARE)]
    if not shares:
        raise DataError(
            f"{path}: says no shares of corpora; wanted a column {SHARE}NAME for each.",
            hint="the same dcpt launch command again trains nothing and writes them",
        )
    return LossTable.from_frame(frame, where=str(path), extras=shares)


def compare_mixture(
    plan: MixturePlan, measured: LossTable, fit: MixtureFit, live: Sequence[LiveCheck] = ()
) -> MixtureComparison:
    """Set the losses of launched mixtures beside what the plan's fit predicts for them.

    Each run is predicted at its own shares; size and tokens are those of the fitted runs.

    Parameters
    ----------
    plan : MixturePlan
        The plan, made before the runs.
    measured : LossTable
        Losses of the launched runs, from `read_launched`; the rows of phase ``end`` are used.
    fit : MixtureFit
        The fit the plan was made from.
    live : sequence of LiveCheck
        What the live check saw, to be kept with the comparison.

    Raises
    ------
    ConfigError
        When the fit is not that of the plan.
    DataError
        When the table holds no end of a run on a target of the plan, or lacks a corpus or a target.
    """
    if fit.fingerprint != plan.fingerprint:
        raise ConfigError(
            f"the fit of mixtures is not the one the plan was made from ({fit.fingerprint}; the plan names "
            f"{plan.fingerprint}).",
            hint="make the plan again from this fit, or give the fit it was made from (--fits)",
        )
    problem = make_setting(fit, plan.question, plan.seed).problem
    targets, level = problem.surface.targets, plan.question.level
    sets = _sets_of(fit, targets, measured)
    ceilings = {item.target: item.ceiling for item in plan.losses}
    frame = measured.select(None, METRIC, ("end",)).frame
    columns = [SHARE + name for name in fit.corpora]
    missing = [name for name in columns if name not in frame]
    if missing:
        raise DataError(f"the measured table has no column {missing[0]!r}, a corpus of the plan.")
    rows: list[ComparedLoss] = []
    shares: list[ComparedShare] = []
    goals: list[ComparedGoal] = []
    ends = frame[(frame["D"] > 0) & frame[columns].notna().all(axis=1)]
    for run_id, group in ends.groupby("run_id", sort=True):
        first, losses = group.iloc[0], group.set_index("eval_set")
        at = first[columns].to_numpy(float)
        mean, half = fit.mean(at)[0], fit.interval(at, level, noise=True)
        inner = fit.interval(at, level, noise=False)
        N, D = float(first["N"]), float(first["D"])
        planned = _is_planned(plan, at, N, D, float(first["step"]))
        absent = [name for name in targets if sets[name] not in losses.index]
        if absent:
            raise DataError(f"run {run_id}: has no loss on {sets[absent[0]]!r}, a target of the plan.")
        for name in targets:
            column, row = fit.targets.index(name), losses.loc[sets[name]]
            rows.append(
                ComparedLoss(
                    run_id=str(run_id),
                    side=name,
                    eval_set=sets[name],
                    N=N,
                    D=D,
                    r=float(first["r"]),
                    predicted=float(mean[column]),
                    mean_lo=float(inner[0][0, column]),
                    mean_hi=float(inner[1][0, column]),
                    obs_lo=float(half[0][0, column]),
                    obs_hi=float(half[1][0, column]),
                    measured=float(row["value"]),
                    sem=None if np.isnan(row["sem"]) else float(row["sem"]),
                    ceiling=ceilings.get(name) if planned else None,
                    as_planned=planned,
                )
            )
        shares += [
            ComparedShare(str(run_id), name, plan.mixture[name], float(share))
            for name, share in zip(fit.corpora, at, strict=True)
        ]
        own = [row for row in rows if row.run_id == run_id]
        value = problem.goal.value
        spread = problem.goal.spread(problem.surface.losses(at[None]), problem.surface.sd(at[None], True))
        middle = float(value(np.array([row.predicted for row in own])))
        reach = float(ndtri(0.5 + level / 2)) * float(spread[0])
        came = float(value(np.array([row.measured for row in own])))
        goals.append(ComparedGoal(str(run_id), middle, middle - reach, middle + reach, came))
    if not rows:
        raise DataError(
            f"the measured table holds no end of a run of a mixture on {', '.join(sets.values())}.",
            hint="give the losses of the launched runs, evaluated on the sets the fit is of",
        )
    return MixtureComparison(
        rows=tuple(rows),
        shares=tuple(shares),
        goals=tuple(goals),
        minimise=str(plan.question.minimise),
        level=level,
        plan_fingerprint=plan_fingerprint(plan),
        N=plan.N,
        D=plan.D,
        live=tuple(live),
    )


def _is_planned(plan: MixturePlan, at: Any, N: float, D: float, step: float) -> bool:
    asked = np.array(list(plan.mixture.values()))
    same_run = (plan.N is None or same_size(plan.N, N)) and (plan.D is None or same_tokens(plan.D, D, step))
    return bool(same_run and np.abs(at - asked).max() <= SAME_SHARE)


def _sets_of(fit: MixtureFit, targets: Sequence[str], measured: LossTable) -> Mapping[str, str]:
    """Evaluation set of each target: by the corpora's sides, else a set of the target's own name."""
    known = set(measured.eval_sets)
    by_side = eval_set_of(dict(zip(fit.corpora, fit.sides, strict=True))) if fit.sides is not None else {}
    found = {name: by_side.get(name, name) for name in targets}
    missing = [name for name, own in found.items() if own not in known]
    if missing:
        raise DataError(
            f"the measured table holds no loss on {found[missing[0]]!r}, a target of the plan; found "
            f"{', '.join(sorted(known))}.",
            hint="give the losses of the launched runs, evaluated on the sets the fit is of",
        )
    return found
