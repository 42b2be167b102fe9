"""Laws of curves fitted to part of the sweep, judged on the rest: schedules, peaks, mixtures, lengths.

python experiments/cpt_dynamics_cpu/compare.py [general|domain] [w48] [w80] [both]

Prints the mean absolute error on the losses that were left out, and in brackets on the last of every run, in
per cent, for every law and split. The last rows are no laws of curves: laws of end points see the losses at
the ends of decayed runs, their tokens and mixtures, and predict ends; the nearest curve repeats what was
measured.
"""

from __future__ import annotations

import sys
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from dcpt.core.curve import Curve
from dcpt.core.errors import DcptError, FitError
from dcpt.core.loss_table import LossTable
from dcpt.fit.dataset import prepare
from dcpt.fit.held_out import law_fitter
from dcpt.fit.loss_curves.curve_rows import CurveRows, read_curve_rows
from dcpt.fit.loss_curves.fit import curve_problem
from dcpt.fit.loss_curves.folds import Fold, left_out
from dcpt.fit.loss_curves.from_table import CPT_PEAK, curves_of
from dcpt.fit.loss_curves.solve import solve_curves
from dcpt.ingest.reading import Reading
from dcpt.laws import get_law
from dcpt.laws.curves import get_curve_law

FILE = Path(__file__).resolve().parent / "losses.csv.gz"
DELTA = 1e-2
"""Huber threshold: one loss scatters by some thousandths here."""
EVERY = 64
"""Steps between the losses that are fitted; all that are left out are judged."""
SIZES = {"w48": 83280.0, "w80": 238640.0}
LAWS = {
    "general": (
        "cpt-dynamics+replay",
        "cpt-dynamics+replay+rate-power",
        "cpt-dynamics+replay-power+rate-power",
        "cpt-dynamics-unknown-base+replay+rate-power",
        "joint-general",
    ),
    "domain": (
        "cpt-dynamics+share-clock",
        "cpt-dynamics+share-clock+rate-power",
        "cpt-dynamics+replay+rate-power",
        "cpt-dynamics+replay-saturating+rate-power",
        "joint-domain",
    ),
}
END_LAWS = {"general": ("anchored-shift", "base-surface", "d-cpt"), "domain": ("base-surface", "d-cpt")}
FOLDS = 2
STARTS, FOLLOWED = 3, 2
HALF = 192
"""Steps of continual pre-training for half of the longest budget."""


@dataclass(frozen=True)
class Split:
    """Curves to fit, and those to predict; no loss is in both."""

    name: str
    fitted: list[Curve]
    unseen: list[Curve]


def schedule_of(curve: Curve) -> str:
    """The part of a run's name that says its schedule."""
    return next(word for word in ("trunk", "wsd10", "wsd20", "wsd50", "cos") if f"-{word}" in curve.name)


def length(curve: Curve) -> int:
    """Steps of continual pre-training that the schedule was made for."""
    return len(curve.history) - curve.history.switch


def own_losses(curves: list[Curve]) -> list[Curve]:
    """Every loss once: those that branches share with their trunk stay with the trunk."""
    seen: set[tuple[str, int, float]] = set()
    made = []
    for curve in sorted(curves, key=lambda curve: schedule_of(curve) != "trunk"):
        keys = [(curve.group, *pair) for pair in zip(curve.steps.tolist(), curve.loss.tolist(), strict=True)]
        new = np.array([key not in seen for key in keys])
        seen.update(keys)
        if new.any():
            made.append(curve.take(new))
    return made


def splits(curves: list[Curve]) -> Iterator[Split]:
    """Ways to leave losses out."""

    def by(name: str, out: Callable[[Curve], bool]) -> Split:
        return Split(name, [c for c in curves if not out(c)], [c for c in curves if out(c)])

    yield by("schedule", lambda curve: schedule_of(curve) not in ("trunk", "wsd20"))
    # The middle peak was also run with the two other decays; all of a peak is left out.
    for peak in (5e-4, 1e-3, 2e-3):
        yield by(f"peak {peak:g}", lambda curve, peak=peak: np.isclose(curve.given[CPT_PEAK], peak))
    for r in (0.1, 0.5, 0.75, 0.9):
        yield by(f"replay {1 - r:g}", lambda curve, r=r: np.isclose(curve.given["r"], r))
    early, late = [], []
    for curve in curves:
        first = curve.steps <= curve.history.switch + HALF
        if first.any():
            early.append(curve.take(first))
        if (~first).any():
            late.append(curve.take(~first))
    yield Split("length", early, late)


def thinned(curve: Curve) -> Curve:
    """A curve with a loss every so many steps, and its last."""
    keep = curve.steps % EVERY == 0
    keep[-1] = True
    return curve.take(keep)


def fit(name: str, fitted: list[Curve], bases: list[Curve]) -> tuple[Callable[[Curve], np.ndarray], float]:
    """A prediction for curves, and the law's error on groups of the fitted curves left out in turn."""
    law = get_curve_law(name)
    curves = [thinned(curve) for curve in fitted]
    if law.two_phase and not name.startswith("joint"):
        curves = curves + bases
    problem = curve_problem(law, curves, delta=DELTA)
    solution = solve_curves(problem, [problem.start(psi) for psi in law.starts[:STARTS]], follow=FOLLOWED)
    params = problem.params(solution.point)
    runs = sorted({(curve.given["r"], curve.given[CPT_PEAK]) for curve in fitted})
    number = [
        runs.index((c.given["r"], c.given[CPT_PEAK])) % FOLDS if index < len(fitted) else -1
        for index, c in enumerate(curves)
    ]
    rows = np.repeat(number, [len(curve) for curve in curves])
    held = [np.abs(left_out(problem, solution, Fold("", rows == fold))).mean() for fold in range(FOLDS)]
    return lambda curve: law.evaluate(params, [curve]), float(np.mean(held))


def nearest(fitted: list[Curve]) -> Callable[[Curve], np.ndarray]:
    """The measured curve of that size whose share and rates are nearest; its last loss beyond its end."""

    def predict(curve: Curve) -> np.ndarray:
        def distance(other: Curve) -> float:
            n = min(len(curve.history), len(other.history))
            rates = np.abs(curve.history.rates[:n] - other.history.rates[:n]).mean() / curve.given[CPT_PEAK]
            odds = [c.given["s"] / (1 - c.given["s"]) for c in (curve, other)]
            lacking = max(0.0, 1.0 - other.steps[-1] / curve.steps[-1])
            return float(abs(np.log(odds[0] / odds[1])) + rates + lacking)

        same = [other for other in fitted if other.given["N"] == curve.given["N"]]
        best = min(same, key=distance)
        return np.interp(curve.steps, best.steps, best.loss)

    return predict


def ends_of(table: LossTable, side: str, N: list[float], law: str, split: Split) -> dict[str, float]:
    """Predicted ends, run by run, of a law of end points fitted to the ends of decayed runs."""
    ends = table.frame["phase"].isin(["base"]) | (
        (table.frame["phase"] == "end") & table.frame["run_id"].str.contains("wsd|cos")
    )
    part = LossTable.from_frame(table.frame[ends & table.frame["N"].isin(N)])
    data, _ = prepare(part, f"{side}/dense", law=get_law(law))
    frame = part.select(f"{side}/dense").frame
    frame = frame[frame["D"] > 0].reset_index(drop=True)
    if len(frame) != len(data.N) or not np.allclose(frame["value"], data.loss):
        raise FitError("the ends of the table are not in its order")
    seen = {curve.name for curve in split.fitted if len(curve.history) == curve.steps[-1]}
    unseen = {curve.name for curve in split.unseen}
    fitted = frame["run_id"].isin(seen).to_numpy()
    judged = frame["run_id"].isin(unseen - seen).to_numpy()
    predicted, _ = law_fitter(get_law(law), DELTA)(data.take(fitted))
    return dict(zip(frame["run_id"][judged], predicted(data.take(judged)), strict=True))


def errors(predict: Callable[[Curve], np.ndarray], unseen: list[Curve]) -> tuple[float, float]:
    """Mean absolute error in per cent: of all losses, and of those at the ends of decayed runs."""
    logs = {curve.name: 100 * np.abs(np.log(predict(curve) / curve.loss)) for curve in unseen}
    ends = [logs[c.name][-1] for c in unseen if schedule_of(c) != "trunk" and c.steps[-1] == len(c.history)]
    return float(np.concatenate(list(logs.values())).mean()), float(np.mean(ends))


def table_of(side: str, sizes: str, rows: CurveRows, table: LossTable) -> pd.DataFrame:
    """Laws down, splits across."""
    wanted = [SIZES[name] for name in SIZES if sizes in (name, "both")]
    found = curves_of(rows, f"{side}/dense", base_point=False).curves
    curves = own_losses([c for c in found if c.history.switch and c.given["N"] in wanted])
    bases = base_curves([c for c in found if not c.history.switch and c.given["N"] in wanted], curves)
    cells: dict[str, dict[str, str]] = {}
    for split in splits(curves):
        own: dict[str, tuple[float, str]] = {}
        for name in LAWS[side]:
            stem, _, options = name.partition("+")
            law = f"{stem}+size+{options}" if sizes == "both" and options else name
            predict, held = fit(law, split.fitted, bases)
            whole, end = errors(predict, split.unseen)
            own[name] = held, f"{whole:.2f} ({end:.2f})"
        best = min(own, key=lambda name: own[name][0])
        cells[split.name] = {name: text for name, (_, text) in own.items()}
        cells[split.name]["chosen by cross-validation"] = own[best][1]
        for name in END_LAWS[side]:
            try:
                ends = ends_of(table, side, wanted, name, split)
            except DcptError:  # too few ends for the law
                cells[split.name][f"ends: {name}"] = "-"
                continue
            last = {curve.name: curve.loss[-1] for curve in split.unseen}
            error = np.mean([abs(np.log(value / last[run])) for run, value in ends.items()])
            cells[split.name][f"ends: {name}"] = f"({100 * error:.2f})"
        whole, end = errors(nearest(split.fitted), split.unseen)
        cells[split.name]["nearest curve, a baseline"] = f"{whole:.2f} ({end:.2f})"
    return pd.DataFrame(cells)


def base_curves(bases: list[Curve], curves: list[Curve]) -> list[Curve]:
    """The losses of pre-training, on the history of a run that went on from it."""
    made = []
    for base in bases:
        run = next(curve for curve in curves if curve.given["N"] == base.given["N"])
        after = thinned(base.take(base.steps > base.history.front))
        made.append(
            Curve(
                f"{base.name}",
                run.history,
                after.steps,
                after.loss,
                run.given,
                side=run.side,
                eval_set=run.eval_set,
            )
        )
    return made


def main() -> None:
    warnings.simplefilter("ignore")
    sides = [word for word in sys.argv[1:] if word in LAWS] or list(LAWS)
    sizes = [word for word in sys.argv[1:] if word in (*SIZES, "both")] or ["both"]
    rows = read_curve_rows(FILE, Reading())
    table = LossTable.read(FILE)
    for side in sides:
        for name in sizes:
            begun = time.perf_counter()
            found = table_of(side, name, rows, table)
            print(f"\n{side} loss, {name} ({time.perf_counter() - begun:.0f} s)")
            print(found.to_string())


if __name__ == "__main__":
    try:
        main()
    except DcptError as error:
        sys.exit(str(error))
