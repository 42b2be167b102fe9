"""Predicted against measured: what the launched runs say about the plan."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.core.run_spec import to_dict
from dcpt.core.symbols import DOMAIN, GENERAL
from dcpt.fit.fit_file import FitSet
from dcpt.fit.unit_words import unit_of_amount, unit_words
from dcpt.launch.as_planned import same_size, same_tokens
from dcpt.launch.compared_loss import ComparedLoss
from dcpt.launch.comparison_file import load_comparison, save_comparison
from dcpt.launch.live import LiveCheck, live_sentences
from dcpt.plan.bands import predicted as predict_loss
from dcpt.plan.evidence import fit_used
from dcpt.plan.plan import Plan
from dcpt.plan.scene import supply_of
from dcpt.plan.start_loss import start_of
from dcpt.plan.surface import Surface

SCHEMA_VERSION = 1
FILE_NAME = "compare.json"


@dataclass(frozen=True, repr=False)
class Comparison:
    """What the launched runs say about a plan.

    Attributes
    ----------
    rows : tuple of ComparedLoss
        One per launched run and side, by run and side.
    level : float
        Probability of the intervals.
    metric, unit : str
        Metric and unit of the losses: those of the plan.
    planned_r, r_lo, r_hi : float or None
        The planned ratio and its interval.
    plan_fingerprint : str
        Hash of the plan compared against.
    live : tuple of LiveCheck
        What the live check saw while the runs were under way.
    """

    rows: tuple[ComparedLoss, ...]
    level: float
    metric: str
    unit: str
    planned_r: float
    r_lo: float | None
    r_hi: float | None
    plan_fingerprint: str
    live: tuple[LiveCheck, ...] = ()

    def table(self) -> pd.DataFrame:
        """One row per launched run and side, with error, per cent error and the three verdicts."""
        derived = ("error", "error_percent", "in_mean", "in_obs", "kept")
        return pd.DataFrame(
            [{**to_dict(row), **{name: getattr(row, name) for name in derived}} for row in self.rows]
        )

    def crossing(self) -> float | None:
        """Ratio at which the measured general loss meets the ceiling, between neighbouring runs.

        Linear in r between the launched runs of the planned size and tokens; None when they do not
        enclose the ceiling.
        """
        rows = [row for row in self.rows if row.side == GENERAL and row.as_planned]
        if not rows or rows[0].ceiling is None:
            return None
        frame = pd.DataFrame({"r": [row.r for row in rows], "over": [row.measured for row in rows]})
        over = frame.groupby("r")["over"].mean().sort_index() - rows[0].ceiling
        ratios, excess = over.index.to_numpy(float), over.to_numpy(float)
        turns = np.flatnonzero((excess[:-1] <= 0) & (excess[1:] > 0))
        if not len(turns):
            return None
        left = int(turns[-1])
        part = -excess[left] / (excess[left + 1] - excess[left])
        return float(ratios[left] + part * (ratios[left + 1] - ratios[left]))

    def summary(self) -> str:
        """The comparison as text, what it means last."""
        lines = [f"Predicted against measured: {len({row.run_id for row in self.rows})} launched runs", ""]
        lines.append(f"  losses in {unit_words(self.unit)}")
        lines.append(
            f"  {'side':<8} {'N':>6} {'D':>6} {'r':>6} {'predicted':>9} {'measured':>9} {'error':>8} {'%':>6}"
            "  inside"
        )
        for row in self.rows:
            inside = "the mean's interval" if row.in_mean else "a run's interval" if row.in_obs else "neither"
            limit = "" if row.kept is None else ", ceiling kept" if row.kept else ", ceiling broken"
            lines.append(
                f"  {row.side:<8} {format_quantity(row.N):>6} {format_quantity(row.D):>6} {row.r:>6.3f} "
                f"{row.predicted:>9.4f} {row.measured:>9.4f} {row.error:>+8.4f} {row.error_percent:>+6.2f}  "
                f"{inside}{limit}"
            )
        return "\n".join([*lines, "", *self.findings()])

    def findings(self) -> list[str]:
        """What the comparison shows, one sentence each."""
        sentences = []
        unit = unit_of_amount(self.unit)
        for side in dict.fromkeys((GENERAL, DOMAIN, *(row.side for row in self.rows))):
            rows = [row for row in self.rows if row.side == side]
            if rows:
                error = np.mean([abs(row.error) for row in rows])
                per_cent = np.mean([abs(row.error_percent) for row in rows])
                inside = sum(row.in_obs for row in rows)
                sentences.append(
                    f"The {side} loss was missed by {error:.4f} {unit} ({per_cent:.2f} %) on average; "
                    f"{inside} of {len(rows)} measurements lie inside the "
                    f"{100 * self.level:.0f} % interval of a run."
                )
        at_plan = [row for row in self.rows if row.as_planned and abs(row.r - self.planned_r) < 0.005]
        for row in at_plan:
            if row.kept is not None and row.ceiling is not None:
                word = "keeps" if row.kept else "breaks"
                sentences.append(
                    f"The run at the planned ratio {word} the ceiling: {row.measured:.4f} against "
                    f"{row.ceiling:.4f} {unit}."
                )
        crossing = self.crossing()
        if crossing is not None:
            place = ""
            if self.r_lo is not None and self.r_hi is not None:
                place = ", inside" if self.r_lo <= crossing <= self.r_hi else ", outside"
                place += f" the predicted {self.r_lo:.3f} to {self.r_hi:.3f}"
            sentences.append(
                f"The measured general loss meets the ceiling at r = {crossing:.3f} "
                f"(planned {self.planned_r:.3f}){place}."
            )
        if not any(row.as_planned for row in self.rows):
            sentences.append("None of these runs has the planned size and tokens.")
        return sentences + live_sentences(self.live)

    def save(self, path: Path | str) -> Path:
        """Write the comparison as JSON: to the file, or as ``compare.json`` into the folder."""
        return save_comparison(self, path, FILE_NAME, SCHEMA_VERSION)

    @classmethod
    def load(cls, path: Path | str) -> Comparison:
        """Read a comparison from its file or from the folder that holds ``compare.json``.

        Raises
        ------
        DataError
            When the file is absent or is not a comparison.
        """
        return load_comparison(cls, path, FILE_NAME, SCHEMA_VERSION, "a comparison")

    def __repr__(self) -> str:
        inside = sum(row.in_obs for row in self.rows)
        level = f"{100 * self.level:.0f} %"
        return f"Comparison({len(self.rows)} losses, {inside} inside the {level} interval of a run)"


def compare(plan: Plan, measured: LossTable, fits: FitSet, live: Sequence[LiveCheck] = ()) -> Comparison:
    """Set the losses of launched runs beside what the plan's laws predict for them.

    Each run is predicted at its own N, D and r, so that runs beside the planned one count as well.

    Parameters
    ----------
    plan : Plan
        The plan, made before the runs.
    measured : LossTable
        Losses of the launched runs; the rows of phase ``end`` are used.
    fits : FitSet
        The fits the plan was made from.
    live : sequence of LiveCheck
        What the live check saw, to be kept with the comparison.

    Returns
    -------
    Comparison

    Raises
    ------
    ConfigError
        When the fits are not those of the plan, or the table holds the plan's metric in another unit.
    DataError
        When the table holds no end of a run on an evaluation set of the plan, in its metric.
    """
    rows: list[ComparedLoss] = []
    chosen = {side: fit_used(fits, side, used) for side, used in plan.laws.items()}
    supply = supply_of(plan.objective)
    ceilings = {limit.label: limit.ceiling for limit in plan.limits}
    for side, used in plan.laws.items():
        fit = chosen[side]
        frame = measured.select(used.eval_set, used.metric, ("end",)).frame
        odd = set(frame["unit"]) - {used.unit}
        if odd:
            raise ConfigError(
                f"the measured {used.eval_set!r} losses are in {unit_words(str(odd.pop()))}; the plan is in "
                f"{unit_words(used.unit)}."
            )
        for entry in frame[frame["D"] > 0].to_dict("records"):
            N, D, r = float(entry["N"]), float(entry["D"]), float(entry["r"])
            own_size = same_size(plan.N, N)
            planned = own_size and same_tokens(plan.D, D, float(entry["step"]))
            # What the plan was told about its base, not what has been measured since.
            start = start_of(fit, chosen, plan.bases) if own_size else {}
            predicted = predict_loss(Surface(side, fit, start, supply=supply), N, D, r, plan.objective.level)
            rows.append(
                ComparedLoss(
                    run_id=str(entry["run_id"]),
                    side=side,
                    eval_set=used.eval_set,
                    N=N,
                    D=D,
                    r=r,
                    predicted=predicted.mean,
                    mean_lo=predicted.mean_lo,
                    mean_hi=predicted.mean_hi,
                    obs_lo=predicted.obs_lo,
                    obs_hi=predicted.obs_hi,
                    measured=float(entry["value"]),
                    sem=None if np.isnan(entry["sem"]) else float(entry["sem"]),
                    ceiling=ceilings.get(side) if planned else None,
                    as_planned=planned,
                )
            )
    if not rows:
        wanted = " or ".join(repr(used.eval_set) for used in plan.laws.values())
        metrics = ", ".join(sorted(set(measured.frame["metric"])))
        raise DataError(
            f"the measured table holds no end of a run on {wanted} with metric {plan.metric}; found "
            f"{', '.join(measured.eval_sets)} with {metrics}.",
            hint="give the losses of the launched runs, evaluated on the sets the laws were fitted on",
        )
    rows.sort(key=lambda row: (row.N, row.D, row.r, row.run_id, row.side))
    return Comparison(
        rows=tuple(rows),
        level=plan.objective.level,
        metric=plan.metric,
        unit=plan.unit,
        planned_r=plan.r,
        r_lo=plan.r_lo,
        r_hi=plan.r_hi,
        plan_fingerprint=plan.fingerprint,
        live=tuple(live),
    )
