"""The cross-domain D-CPT law: one law for many domains, each known by the start of a short run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.symbols import Symbol
from dcpt.laws.law import Law, linear, nonlinear

K1 = Symbol("k1", "loss after the first 1,000 steps of a short run on the domain", "nats/token", "k_1")
K2 = Symbol("k2", "fall of the loss over the first 5,000 steps of a short run", "nats/token", "k_2")
K3 = Symbol("k3", "slowing of that fall over the next 5,000 steps", "nats/token", "k_3")
_BASE = "E + A*N**-alpha + B*s**nu*D**-beta + C*(s + eps)**-gamma"
_POSITIVE = (1e-3, 20.0)


class _CrossDomain(Law):
    # Bounds of the nine as in `d-cpt`. The weights inside K and F share a scale, K**-mu being a
    # power: the weights are normalised, so that F is determined. mu starts at 0.01, below which the
    # domain term is a constant beside E.
    E = linear(0.0, 20.0, "irreducible loss")
    A = linear(0.0, 1e6, "loss of a model of one unit of size")
    B = linear(0.0, 1e6, "loss after one unit of tokens at s = 1")
    C = linear(0.0, 1e3, "mixture loss at s + eps = 1")
    F = linear(0.0, 1e3, "domain loss at K = 1")
    alpha = nonlinear(1e-3, 3.0, "size exponent")
    nu = nonlinear(0.0, 3.0, "share exponent of the token term (the paper's eta)")
    beta = nonlinear(1e-3, 3.0, "token exponent")
    eps = nonlinear(1e-4, 1.0, "offset of the share")
    gamma = nonlinear(1e-3, 3.0, "share exponent of the mixture term")
    mu = nonlinear(1e-2, 3.0, "exponent of the domain coefficient K")


class CrossDCPTK1(_CrossDomain):
    """Cross-domain D-CPT law with K = 1/k1: the domain's initial loss."""

    name = "cross-d-cpt-k1"
    formula = f"{_BASE} + F*(1/k1)**-mu"
    reference = "Que et al. 2024, arXiv:2406.01375, cross-domain law with K1"
    columns = (K1,)
    domain = {"k1": _POSITIVE}  # noqa: RUF012
    monotone = {"N": -1, "D": -1, "s": -1, "k1": 1}  # noqa: RUF012


class CrossDCPTK2(_CrossDomain):
    """Cross-domain D-CPT law with K = k2: how fast the domain is learnt."""

    name = "cross-d-cpt-k2"
    formula = f"{_BASE} + F*k2**-mu"
    reference = "Que et al. 2024, arXiv:2406.01375, cross-domain law with K2"
    columns = (K2,)
    domain = {"k2": _POSITIVE}  # noqa: RUF012
    monotone = {"N": -1, "D": -1, "s": -1, "k2": -1}  # noqa: RUF012


class CrossDCPTK3(_CrossDomain):
    """Cross-domain D-CPT law with K = w/k1 + (1 - w) k2, the form the paper chose.

    The paper's w1/k1 + w2 k2 with w1 + w2 = 1: their common scale belongs to F.
    """

    name = "cross-d-cpt-k3"
    formula = f"{_BASE} + F*(w/k1 + (1 - w)*k2)**-mu"
    reference = "Que et al. 2024, arXiv:2406.01375, cross-domain law with K3"
    columns = (K1, K2)
    domain = {"k1": _POSITIVE, "k2": _POSITIVE}  # noqa: RUF012
    monotone = {"N": -1, "D": -1, "s": -1, "k1": 1, "k2": -1}  # noqa: RUF012

    w = nonlinear(0.0, 1.0, "weight of 1/k1 beside k2")


class CrossDCPTK4(_CrossDomain):
    """Cross-domain D-CPT law with K = w/k1 + (1 - w) k2 + v/k3; needs k3 > 0.

    The paper's w1/k1 + w2 k2 + w3/k3 with w1 + w2 = 1: their common scale belongs to F.
    """

    name = "cross-d-cpt-k4"
    formula = f"{_BASE} + F*(w/k1 + (1 - w)*k2 + v/k3)**-mu"
    reference = "Que et al. 2024, arXiv:2406.01375, cross-domain law with K4"
    columns = (K1, K2, K3)
    domain = {"k1": _POSITIVE, "k2": _POSITIVE, "k3": _POSITIVE}  # noqa: RUF012
    monotone = {"N": -1, "D": -1, "s": -1, "k1": 1, "k2": -1, "k3": 1}  # noqa: RUF012

    w = nonlinear(0.0, 1.0, "weight of 1/k1 beside k2")
    v = nonlinear(0.0, 10.0, "weight of 1/k3 beside both")


@dataclass(frozen=True)
class DomainCoefficients:
    """Level, slope and curvature of a domain's loss early in a short run.

    Parameters
    ----------
    k1, k2, k3 : float
        Nats per token. k3 can be negative, for a loss that falls faster and faster; the form K4 has no
        value then.
    """

    k1: float
    k2: float
    k3: float


def domain_coefficients(start: float, at_1k: float, at_5k: float, at_10k: float) -> DomainCoefficients:
    """k1, k2 and k3 of a domain from four losses of one short run on it.

    Parameters
    ----------
    start, at_1k, at_5k, at_10k : float
        Domain loss before the run and after 1,000, 5,000 and 10,000 steps, nats per token.

    Raises
    ------
    DataError
        When a loss is not positive and finite, or the loss does not fall over the first 5,000 steps.

    References
    ----------
    Que et al. 2024, arXiv:2406.01375, App. H. It equates k3 = (L0 - L5k) - (L5k - L10k) with L0 - L10k;
    the difference of differences, L0 - 2 L5k + L10k, is used here.
    """
    given = {"start": start, "1,000 steps": at_1k, "5,000 steps": at_5k, "10,000 steps": at_10k}
    for when, loss in given.items():
        if not (np.isfinite(loss) and loss > 0):
            raise DataError(f"domain coefficients: loss at {when} is {loss}; wanted a positive number.")
    if start <= at_5k:
        raise DataError(
            f"domain coefficients: the loss does not fall over 5,000 steps ({start:g} to {at_5k:g}).",
            hint="the run has to train on that domain",
        )
    return DomainCoefficients(k1=at_1k, k2=start - at_5k, k3=start - 2 * at_5k + at_10k)


def collapse(law: Law, values: Mapping[str, float], coefficients: Mapping[str, float]) -> dict[str, float]:
    """Parameters of `d-cpt` for one domain, its K being known: E grows by F/K**mu.

    Parameters
    ----------
    law : Law
        One of the cross-domain laws.
    values : mapping
        Its parameters.
    coefficients : mapping
        The columns it needs of k1, k2 and k3.

    Raises
    ------
    ConfigError
        When the law is another one or a coefficient is missing or not positive.

    References
    ----------
    Que et al. 2024, arXiv:2406.01375: once K0 is known, E0 = E + F/K0**mu.
    """
    if not isinstance(law, _CrossDomain):
        raise ConfigError(f"law {law.name} is not one of the cross-domain laws, cross-d-cpt-k1 to -k4.")
    for column in law.columns:
        if not coefficients.get(column.name, 0.0) > 0:
            got = coefficients.get(column.name)
            raise ConfigError(f"law {law.name}: {column.name} = {got}; wanted a positive number.")
    # With A, B and C at 0 what is left of the law is E + F/K**mu.
    rest = {**values, "A": 0.0, "B": 0.0, "C": 0.0}
    inputs = {"N": 1.0, "D": 1.0, "s": 1.0, **{item.name: coefficients[item.name] for item in law.columns}}
    level = law.evaluate([rest[name] for name in law.names], inputs)
    kept = ("A", "B", "C", "alpha", "nu", "beta", "eps", "gamma")
    return {"E": float(level[0]), **{name: float(values[name]) for name in kept}}
