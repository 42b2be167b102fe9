"""What each model predicts for rows it has not seen: point refits on every split, for many models."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError, DataError, FitError
from dcpt.core.loss_table import LossTable
from dcpt.core.symbols import ROLES
from dcpt.fit.baselines import BASELINES
from dcpt.fit.dataset import FitData, prepare
from dcpt.fit.holdout import point_fit
from dcpt.fit.space import free_space
from dcpt.fit.splits import Split
from dcpt.laws.law import Law
from dcpt.laws.registry import get_law, list_laws, offered_laws

Array = NDArray[np.float64]
Fitter = Callable[[FitData], tuple[Callable[[FitData], Array], bool]]


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Predictions of one model.

    Attributes
    ----------
    model : str
        Name of the law or baseline.
    law : bool
        Whether it is a law.
    parameters : int
        Free parameters of a law; 0 for a baseline.
    fitted : ndarray, shape (n,)
        Predictions of the fit on all rows.
    predicted : tuple of ndarray
        For each split the predictions of the rows it leaves out; empty where `refused` has the split.
    refused : mapping
        Number of a split to why the model cannot be judged on it.
    unconverged : tuple of int
        Splits whose refit stopped before it converged.
    """

    model: str
    law: bool
    parameters: int
    fitted: Array
    predicted: tuple[Array, ...]
    refused: Mapping[int, str] = field(default_factory=dict)
    unconverged: tuple[int, ...] = ()


def sets_of(table: LossTable, eval_sets: str | Sequence[str] | None) -> tuple[str, ...]:
    """Evaluation sets to judge: those named, else the pooled sides, else all of the table."""
    if eval_sets is None:
        pooled = tuple(name for name in table.eval_sets if name in ROLES)
        return pooled or table.eval_sets
    names = (eval_sets,) if isinstance(eval_sets, str) else tuple(eval_sets)
    if not names:
        raise ConfigError("hold-outs: eval_sets is empty; wanted at least one evaluation set.")
    return names


def laws_of(laws: str | Law | Sequence[str | Law], columns: Collection[str] = ()) -> tuple[Law, ...]:
    """Laws by name; ``"auto"`` is every registered one, and those that families offer for the columns.

    Raises
    ------
    ConfigError
        When a law is unknown or none is named.
    """
    if isinstance(laws, str) and laws == "auto":
        return (*list_laws(), *offered_laws(columns))
    names = (laws,) if isinstance(laws, (str, Law)) else tuple(laws)
    if not names:
        raise ConfigError("hold-outs: laws is empty; wanted 'auto' or at least one law.")
    return tuple({law.name: law for law in map(get_law, names)}.values())


def checked_side(law: Law, data: FitData) -> FitData:
    """The data, if the law is for their side.

    Raises
    ------
    ConfigError
        When it is for the other one.
    """
    if data.role not in law.sides:
        raise ConfigError(f"it is for the {' and '.join(law.sides)} loss; this is a {data.role} loss.")
    return data


def rows_for(law: Law, table: LossTable, data: FitData, *, corners: bool) -> FitData:
    """The rows of `data` with the law's own inputs.

    Every model is judged on the same rows, so rows that only this law could use are left out.

    Raises
    ------
    ConfigError
        When the law is for the other side, or the table lacks one of its inputs.
    DataError
        When the law's rows are not these rows.
    """
    checked_side(law, data)
    own, _ = prepare(table, data.eval_set, metric=data.metric, corners=corners, law=law)
    if len(own) != len(data):
        inner = np.isnan(own.r) | ((own.r > 0) & (own.r < 1))
        own = own.take(inner)
    if not np.array_equal(own.loss, data.loss):
        raise DataError("its rows are not those the other laws are judged on.")
    return replace(own, units=data.units)


def hold_out(model: Fitter, name: str, data: FitData, splits: Sequence[Split], law: Law | None) -> HeldOut:
    """Refit a model without each split and predict what was left out.

    Raises
    ------
    ConfigError, FitError
        When the model cannot be fitted to all rows.
    """
    predict, _ = model(data)
    fitted = predict(data)
    kept: dict[bytes, tuple[Array, bool] | str] = {}
    predicted: list[Array] = []
    refused: dict[int, str] = {}
    unconverged: list[int] = []
    for number, split in enumerate(splits):
        key = np.packbits(split.out).tobytes()
        if key not in kept:  # the largest N is also one of the sizes
            kept[key] = _refit(model, data, split)
        answer = kept[key]
        if isinstance(answer, str):
            refused[number] = f"{split.kind} ({split.label}): {answer}"
            predicted.append(np.empty(0))
            continue
        predicted.append(answer[0])
        if not answer[1]:
            unconverged.append(number)
    parameters = 0 if law is None else len(law.names)
    return HeldOut(name, law is not None, parameters, fitted, tuple(predicted), refused, tuple(unconverged))


def _refit(model: Fitter, data: FitData, split: Split) -> tuple[Array, bool] | str:
    try:
        predict, converged = model(data.take(~split.out))
    except FitError as error:
        return error.message
    answer = predict(data.take(split.out))
    if not (np.isfinite(answer) & (answer > 0)).all():
        return "its prediction there is not a finite positive loss."
    return answer, converged


def law_fitter(law: Law, delta: float | None = None) -> Fitter:
    """Fit a law with all parameters free, point fit only; `delta` is by default the law's own."""
    space = free_space(law)
    threshold = law.delta if delta is None else delta

    def fit(rows: FitData) -> tuple[Callable[[FitData], Array], bool]:
        _, solution = point_fit(law, rows, space, threshold)
        return (lambda left: law.evaluate(solution.theta, left.inputs)), solution.status != "max_iter"

    return fit


def baseline_fitter(name: str) -> Fitter:
    """A baseline as a fitter; it always converges."""

    def fit(rows: FitData) -> tuple[Callable[[FitData], Array], bool]:
        return BASELINES[name](rows), True

    return fit
