"""Parameters re-expressed for N in parameters and D in tokens, where the law allows it."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from dcpt.fit.dataset import Units, kinds_of

if TYPE_CHECKING:
    from dcpt.fit.law_fit import LawFit

_SAME = 1e-9


def raw_values(fit: LawFit) -> dict[str, float] | None:
    """Values of the parameters for inputs in parameters and tokens, without the fit's units.

    A coefficient whose basis is a power of N or D only takes on a factor; a law with any other
    parameter that has a unit, such as a rate per token, cannot be re-expressed by its coefficients.

    Returns
    -------
    mapping of str to float, or None
        None when the law's losses would change.
    """
    scaled, raw = _probes(fit, fit.units), _probes(fit, Units(1.0, 1.0))
    theta = fit.theta.copy()
    scale = [scaled[name] for name in fit.law.inputs]
    bare = [raw[name] for name in fit.law.inputs]
    with np.errstate(all="ignore"):
        for name in fit.law.linear_names:
            function = fit.law.compiled.basis[name][0]
            one, other = function(*scale, *fit.theta), function(*bare, *fit.theta)
            one, other = (np.broadcast_to(part, len(scale[0])) for part in (one, other))
            lit = other != 0
            if lit.any():
                index = fit.law.names.index(name)
                theta[index] = fit.theta[index] * float(np.median(one[lit] / other[lit]))
        before, after = fit.law.evaluate(fit.theta, scaled), fit.law.evaluate(theta, raw)
    if not np.isfinite(after).all() or (np.abs(after - before) > _SAME * np.abs(before)).any():
        return None
    return dict(zip(fit.law.names, map(float, theta), strict=True))


def _probes(fit: LawFit, units: Units) -> dict[str, NDArray[np.float64]]:
    """A few rows over the fitted ranges, in the given units; other inputs near 1."""
    corners = {"N": fit.ranges["N"], "D": fit.ranges["D"], "s": (0.2, 0.7), "r": (0.3, 0.8)}
    corners |= {"Dmin": (fit.ranges["D"][0], 2 * fit.ranges["D"][0]), "U": fit.ranges["D"]}
    corners |= {"L0": (2.0, 3.0), "G0": (2.0, 3.0)}
    rows = np.array(list(product(*(corners.get(name, (0.5, 1.5)) for name in fit.law.inputs))))
    inputs = {name: rows[:, index] for index, name in enumerate(fit.law.inputs)}
    return units.scale(inputs, kinds_of(fit.law))
