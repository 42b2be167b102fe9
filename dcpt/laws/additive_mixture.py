"""The additive law of a mixture of k corpora: the mixture's part depends on neither size nor tokens."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import cache
from typing import Any

import numpy as np

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import Symbol
from dcpt.laws.family import LawFamily
from dcpt.laws.law import Law, linear, nonlinear

MOST_CORPORA = 20


@cache
def additive_mixture(k: int) -> type[Law]:
    """The additive optimal-mixture law for k corpora, as a law class.

    L = E + 1/(C1 h1**g1 + ... + Ck hk**gk) + A/N**alpha + B/D**beta, with h1 to hk the shares of the
    corpora (columns of the table). Written with T = 1/C1 and exp(wi) = Ci/C1, so that the loss is linear
    in T; `published_coefficients` converts. The best mixture does not depend on size or tokens. The paper's
    joint law, in which A and B vary with the shares, is not here: its exact form could not be confirmed.

    Parameters
    ----------
    k : int
        Number of corpora, 2 to `MOST_CORPORA`.

    Returns
    -------
    type of Law
        Named ``additive-mixture-K``; `get_law` knows it by that name.

    Raises
    ------
    ConfigError
        When k is out of range.

    References
    ----------
    Shukor et al. 2025, arXiv:2507.09404, additive law.
    """
    if not 2 <= k <= MOST_CORPORA:
        raise ConfigError(f"additive mixture law: {k} corpora; wanted 2 to {MOST_CORPORA}.")
    numbers = range(1, k + 1)
    pull = " + ".join(f"exp(w{i})*h{i}**g{i}" if i > 1 else "h1**g1" for i in numbers)
    # Bounds of the first five as in the Chinchilla law. A corpus may weigh a thousand times more or less
    # than the first; an exponent of 0.01 hardly sees the share, and published exponents are far from 3.
    body: dict[str, Any] = {
        "__doc__": f"Loss against size, tokens and the shares of {k} corpora, in separate terms.",
        "__module__": __name__,
        "name": f"additive-mixture-{k}",
        "formula": f"E + T/({pull}) + A*N**-alpha + B*D**-beta",
        "reference": "Shukor et al. 2025, arXiv:2507.09404, additive law",
        "columns": tuple(Symbol(f"h{i}", f"share of corpus {i}", "1", f"h_{{{i}}}") for i in numbers),
        "domain": {f"h{i}": (0.0, 1.0) for i in numbers},
        "monotone": {"N": -1, "D": -1},
        "E": linear(0.0, 20.0, "irreducible loss"),
        "T": linear(0.0, 1e3, "mixture loss of corpus 1 alone"),
        "A": linear(0.0, 1e6, "loss of a model of one unit of size"),
        "B": linear(0.0, 1e6, "loss after one unit of tokens"),
        "alpha": nonlinear(1e-3, 3.0, "size exponent"),
        "beta": nonlinear(1e-3, 3.0, "token exponent"),
    }
    body |= {
        f"w{i}": nonlinear(-7.0, 7.0, f"log weight of corpus {i} beside corpus 1") for i in numbers if i > 1
    }
    body |= {f"g{i}": nonlinear(1e-2, 3.0, f"share exponent of corpus {i}") for i in numbers}
    return type(f"AdditiveMixture{k}", (Law,), body)


def published_coefficients(values: Mapping[str, float]) -> tuple[float, ...]:
    """C1 to Ck of the paper's form from a fitted additive law: exp(wi)/T with w1 = 0.

    Raises
    ------
    ConfigError
        When T is 0: the mixture has no part in the loss.
    """
    if not values["T"] > 0:
        raise ConfigError(f"additive mixture law: T = {values['T']:g}; wanted a positive mixture loss.")
    k = sum(name.startswith("g") and name[1:].isdigit() for name in values)
    weights = (1.0, *(float(np.exp(values[f"w{i}"])) for i in range(2, k + 1)))
    return tuple(weight / float(values["T"]) for weight in weights)


_SHARES = tuple(f"h{i}" for i in range(1, MOST_CORPORA + 1))


def _for_shares(columns: Collection[str]) -> tuple[str, ...]:
    """The law of all the corpora whose shares a table has, counted from h1 without a gap."""
    k = next((i for i, name in enumerate(_SHARES) if name not in columns), MOST_CORPORA)
    return (f"additive-mixture-{k}",) if k >= 2 else ()


ADDITIVE_MIXTURE = LawFamily(
    "additive-mixture-K",
    r"additive-mixture-(\d{1,6})",
    lambda k: additive_mixture(int(k))(),
    _SHARES,
    _for_shares,
)
