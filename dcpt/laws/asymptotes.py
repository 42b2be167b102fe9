"""What data alone limit: loss against size, ensemble members or tokens, everything else being unlimited."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import Symbol
from dcpt.laws.law import Law, linear, nonlinear

_REFERENCE = "Kim et al. 2025, arXiv:2509.14786"


class _Asymptote(Law):
    # Exponents as in the Chinchilla law; the asymptote is a loss.
    E = linear(0.0, 20.0, "asymptote")
    A = linear(0.0, 1e6, "distance from the asymptote at one unit")
    alpha = nonlinear(1e-3, 3.0, "exponent")


class SizeAsymptote(_Asymptote):
    """Loss against size at a fixed number of tokens, regularised anew for each size.

    The asymptote is what those tokens can give to a model of any size. It takes runs whose weight decay
    and epochs were tuned per size: without, the loss turns up again.
    """

    name = "size-asymptote"
    formula = "E + A*N**-alpha"
    reference = f"{_REFERENCE}, regularised recipe at fixed data"
    monotone = {"N": -1}  # noqa: RUF012


class EnsembleAsymptote(_Asymptote):
    """Loss against the members of an ensemble of equal models at a fixed number of tokens.

    The paper finds the distance from the asymptote to fall as 1/K: alpha = 1.
    """

    name = "ensemble-asymptote"
    formula = "E + A*K**-alpha"
    reference = f"{_REFERENCE}, ensembles"
    columns = (Symbol("K", "members of the ensemble", "models", "K"),)
    domain = {"K": (1.0, 1e6)}  # noqa: RUF012
    monotone = {"K": -1}  # noqa: RUF012


class DataAsymptote(_Asymptote):
    """Loss against tokens where size and compute do not limit it.

    To be fitted on asymptotes, of `size-asymptote` or `ensemble-asymptote` at several numbers of tokens, or
    on the best loss at each.
    """

    name = "data-asymptote"
    formula = "E + A*D**-alpha"
    reference = f"{_REFERENCE}, data scaling laws"
    monotone = {"D": -1}  # noqa: RUF012


def data_efficiency(baseline: Mapping[str, float], recipe: Mapping[str, float], D: float) -> float:
    """How many times more tokens the baseline needs for the loss a recipe reaches with D.

    Parameters
    ----------
    baseline, recipe : mapping
        E, A and alpha of `data-asymptote` for each, D in the same unit.
    D : float
        Tokens the recipe uses.

    Returns
    -------
    float
        Infinite when the baseline reaches that loss with no number of tokens. With equal E and alpha it
        is (A_baseline/A_recipe)**(1/alpha), whatever D.

    Raises
    ------
    ConfigError
        When D, an A or an alpha is not positive.

    References
    ----------
    Kim et al. 2025, arXiv:2509.14786 (data efficiency).
    """
    for name, value in {
        "D": D,
        **{key: side[key] for side in (baseline, recipe) for key in ("A", "alpha")},
    }.items():
        if not (value > 0 and np.isfinite(value)):
            raise ConfigError(f"data efficiency: {name} = {value:g}; wanted a positive number.")
    gap = recipe["E"] - baseline["E"] + recipe["A"] * D ** -recipe["alpha"]
    if gap <= 0:
        return float("inf")
    return float((baseline["A"] / gap) ** (1 / baseline["alpha"]) / D)
