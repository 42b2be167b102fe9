"""Models that grow or are pruned while they train: the mean size stands for N."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import Symbol
from dcpt.laws.law import Law, linear, nonlinear


class AverageSize(Law):
    """Chinchilla law with the parameter count averaged over training in the place of N."""

    name = "average-size"
    formula = "E + A*Nbar**-alpha + B*D**-beta"
    reference = "arXiv:2501.12486 (average-parameter-count law)"
    columns = (Symbol("Nbar", "parameters averaged over training", "parameters", "\\bar{N}"),)
    domain = {"Nbar": (1.0, 1e15)}  # noqa: RUF012
    monotone = {"Nbar": -1, "D": -1}  # noqa: RUF012

    # As in the Chinchilla law, which it is for a model that keeps its size.
    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "loss of a model of one unit of mean size")
    B = linear(0.0, 1e6, "loss after one unit of tokens")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    beta = nonlinear(1e-3, 3.0, "token exponent")


def mean_parameters(progress: ArrayLike, parameters: ArrayLike) -> float:
    """Mean parameter count of a pruning or growing schedule.

    Parameters
    ----------
    progress : array_like, shape (n,)
        Shares of the training tokens at which the size is given, ascending from 0 to 1. A share given
        twice is a step.
    parameters : array_like, shape (n,)
        Size at each; linear between them.

    Raises
    ------
    ConfigError
        When the shares do not ascend from 0 to 1, or a size is not positive.

    Examples
    --------
    Dense for a quarter of training, pruned to a tenth by three quarters:

    >>> mean_parameters([0, 0.25, 0.75, 1], [1e9, 1e9, 1e8, 1e8])
    550000000.0
    """
    at = np.asarray(progress, dtype=np.float64)
    size = np.asarray(parameters, dtype=np.float64)
    if at.ndim != 1 or at.shape != size.shape or len(at) < 2:
        raise ConfigError(
            f"mean parameters: got shapes {at.shape} and {size.shape}; wanted as many sizes as shares, two "
            "or more."
        )
    if at[0] != 0 or at[-1] != 1 or not (np.diff(at) >= 0).all():
        raise ConfigError(f"mean parameters: progress = {at.tolist()}; wanted shares ascending from 0 to 1.")
    if not ((size > 0) & np.isfinite(size)).all():
        raise ConfigError(f"mean parameters: sizes {size.tolist()}; wanted positive numbers.")
    return float(np.sum(np.diff(at) * 0.5 * (size[1:] + size[:-1])))
