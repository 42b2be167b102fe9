"""A table of points as the data of a fit, and fitted parameters in raw units."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from dcpt.core.errors import DataError
from dcpt.fit.dataset import FitData, Units, unit_near
from dcpt.fit.objective import Problem
from dcpt.fit.solve import Solution, solve
from dcpt.fit.space import free_space
from dcpt.fit.starts import start_grid
from dcpt.laws import get_law
from dcpt.laws.law import HUBER_DELTA


def read_points(path: Path, wanted: tuple[str, ...]) -> pd.DataFrame:
    """Read a CSV file and check its columns.

    Raises
    ------
    DataError
        When the file or a column is missing, or a number is not positive and finite.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such file.")
    frame = pd.read_csv(path)
    missing = [name for name in wanted if name not in frame]
    if missing:
        raise DataError(f"{path}: column {missing[0]!r} is missing; it has {', '.join(map(str, frame))}.")
    for name in wanted:
        values = pd.to_numeric(frame[name], errors="coerce").to_numpy(float)
        good = np.isfinite(values) & ((values >= 0) if name == "r" else (values > 0))
        if not good.all():
            row = int(np.flatnonzero(~good)[0])
            raise DataError(f"{path} row {row + 2}: {name} = {frame[name].iloc[row]}; wanted a number > 0.")
    return frame


def fit_data(frame: pd.DataFrame) -> FitData:
    """Data of a fit: columns N, D, loss and, where there are, r and run."""
    N, D, loss = (frame[name].to_numpy(float) for name in ("N", "D", "loss"))
    r = frame["r"].to_numpy(float) if "r" in frame else np.full(len(frame), np.nan)
    runs = frame["run"] if "run" in frame else pd.Series(np.arange(len(frame)))
    return FitData(
        eval_set="domain",
        role="domain",
        metric="loss",
        unit="nats_per_token",
        N=N,
        D=D,
        r=r,
        s=r,
        loss=loss,
        groups=pd.factorize(runs)[0].astype(np.int64),
        units=Units(unit_near(N), unit_near(D)),
        dropped={},
    )


def point_fit(law: str, data: FitData, delta: float = HUBER_DELTA) -> tuple[Problem, Solution]:
    """The whole point fit: problem, grid, solver."""
    form = get_law(law)
    problem = Problem(form, data, free_space(form), delta)
    return problem, solve(problem, start_grid(form, data, problem.space))


def raw_parameters(problem: Problem, solution: Solution) -> dict[str, float]:
    """Parameters for N in parameters and D in tokens: A and B take up the units."""
    values = dict(zip(problem.law.names, map(float, solution.theta), strict=True))
    units = problem.data.units
    values["A"] *= units.N ** values["alpha"]
    values["B"] *= units.D ** values["beta"]
    return values
