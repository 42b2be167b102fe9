"""Published loss curves under several learning-rate schedules, read from their files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import DataError
from dcpt.core.schedule import Schedule


def read_csv(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """A CSV file with these columns at least."""
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    table = pd.read_csv(path)
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing; got {', '.join(table.columns)}.")
    return table


def curve_folder(folder: Path, warmup: int) -> dict[str, Curve]:
    """One curve per file of step, lr and loss; the linear warm-up is not in the files."""
    if not folder.is_dir():
        raise DataError(f"{folder}: no such folder; expected one of CSV files with step, lr and loss.")
    curves = {}
    for path in sorted(folder.glob("*.csv")):
        table = read_csv(path, ("step", "lr", "loss"))
        history = RateHistory.logged(table["step"], table["lr"], warmup)
        curves[path.stem] = Curve(path.stem, history, table["step"].to_numpy(), table["loss"].to_numpy())
    if not curves:
        raise DataError(f"{folder}: holds no CSV files.")
    return curves


REPEATS = ("gradnorm", "sl", "ann0.2")
"""Prefixes of runs that repeat others with more logging, or belong to trials."""


def transfer_runs(folder: Path, burn_in: int) -> dict[float, dict[str, tuple[pd.Series, Curve]]]:
    """Runs and curves of `runs.csv` and `val_curves.csv`, by highest rate and run.

    Left out: repeats (`REPEATS`), highest rates with no plain constant run, and the decay over 99.4 % of
    a run. Losses before `burn_in` steps are dropped, and those of a branch before it branches off.
    """
    columns = (
        "run_id",
        "prefix",
        "peak_lr",
        "scheduler",
        "decay_type",
        "fract_decay",
        "warmup",
        "iterations",
    )
    runs = read_csv(folder / "runs.csv", (*columns, "resumed", "resume_iter"))
    losses = read_csv(folder / "val_curves.csv", ("run_id", "iter", "val_loss"))
    repeated = runs["prefix"].str.contains(REPEATS[0]) | runs["prefix"].isin(REPEATS[1:])
    runs = runs[~repeated & (runs["fract_decay"] < 0.99)]
    constant = runs[(runs["scheduler"] == "wsd") & (runs["fract_decay"] == 0)]["peak_lr"].unique()
    logs = dict(iter(losses.groupby("run_id")))
    found: dict[float, dict[str, tuple[pd.Series, Curve]]] = {}
    for _, run in runs[runs["peak_lr"].isin(constant)].sort_values("peak_lr").iterrows():
        log = logs[run["run_id"]]
        first = max(burn_in, int(run["resume_iter"]) if run["resumed"] == 1 else 1, 1)
        log = log[log["iter"] >= first]
        history = RateHistory.of(_rates(run), warmup=int(run["warmup"]))
        curve = Curve(run["run_id"], history, log["iter"].to_numpy(), log["val_loss"].to_numpy())
        found.setdefault(float(run["peak_lr"]), {})[run["run_id"]] = (run, curve)
    return found


def _rates(run: pd.Series) -> np.ndarray:
    """Rates of a run of the 124M set, whose files name the schedule and not the rates."""
    peak, steps, warmup = float(run["peak_lr"]), int(run["iterations"]), int(run["warmup"])
    if run["scheduler"] == "cos":
        floor = 0.1 if str(run["prefix"]).startswith("cos-10") else 0.0
        return Schedule("cosine", peak, steps, warmup, floor=floor).rates()
    shape = "1-sqrt" if run["decay_type"] == "sqrt" else "linear"
    decay = int(float(run["fract_decay"]) * steps)
    return Schedule("wsd", peak, steps, warmup, decay, shape).rates()
