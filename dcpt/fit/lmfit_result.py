"""A fitted law as an lmfit result, for users who go on in lmfit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from dcpt.fit.law_fit import LawFit


def lmfit_result(fit: LawFit) -> Any:
    """`lmfit.minimizer.MinimizerResult` with the fit's parameters; see `LawFit.to_lmfit`."""
    from lmfit.minimizer import MinimizerResult

    params = fit.law.lmfit_parameters(fit.values)
    spread = np.sqrt(np.diag(fit.covariance))
    free = [name for name in fit.law.names if name not in fit.fixed and name not in fit.ties]
    with np.errstate(divide="ignore", invalid="ignore"):
        correlation = fit.covariance / np.outer(spread, spread)
    for name in fit.fixed:
        params[name].set(vary=False)
    for name, text in fit.ties.items():
        params[name].set(expr=text)
    for i, name in enumerate(fit.law.names):
        params[name].stderr = float(spread[i]) if len(fit.draws) > 1 else None
        if name in free:
            others = {
                other: float(correlation[i, j])
                for j, other in enumerate(fit.law.names)
                if j != i and other in free and np.isfinite(correlation[i, j])
            }
            params[name].correl = others
    index = [fit.law.names.index(name) for name in free]
    return MinimizerResult(
        params=params,
        method="bounded trust region, Huber loss of the log residual",
        success=fit.status != "max_iter",
        message=fit.status,
        var_names=free,
        covar=fit.covariance[np.ix_(index, index)],
        errorbars=len(fit.draws) > 1,
        nvarys=len(free),
        ndata=fit.rows,
        nfree=fit.rows - len(free),
        nfev=0,
        chisqr=2 * fit.objective,
        redchi=2 * fit.objective / max(fit.rows - len(free), 1),
        init_vals=[fit.values[name] for name in free],
        aborted=False,
    )
