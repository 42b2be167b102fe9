"""The terms that laws of continual pre-training dynamics are put together from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import GENERAL
from dcpt.laws.curves.joined_phases import JoinedPhases
from dcpt.laws.curves.power_kernel import power_gain, power_growth
from dcpt.laws.curves.replay_shift import ReplayFactor
from dcpt.laws.curves.two_phases import TwoPhases
from dcpt.laws.parameter import Parameter, linear, nonlinear

Array = NDArray[np.float64]
Values = Mapping[str, float]
Rows = TwoPhases | JoinedPhases


@dataclass(frozen=True)
class Term:
    """One linear parameter and the column it multiplies.

    Attributes
    ----------
    name : str
        The linear parameter.
    parameter : Parameter
        Its bounds and meaning.
    shapes : mapping
        Nonlinear parameters the column depends on.
    column : callable
        (rows, nonlinear parameters) to an array of shape (n,).
    slopes : callable
        (rows, nonlinear parameters) to the derivatives of the column by each of `shapes`, of shape (n,).
    formula : str
        The term as text; with the sign in front.
    """

    name: str
    parameter: Parameter
    shapes: Mapping[str, Parameter]
    column: Callable[[Rows, Values], Array]
    slopes: Callable[[Rows, Values], Mapping[str, Array]]
    formula: str


def irreducible() -> Term:
    """L0, in every loss alike."""
    return Term(
        "L0",
        linear(0.0, 20.0, "loss of the base's hidden curve after endless training"),
        {},
        lambda part, psi: np.ones(len(part.S)),
        lambda part, psi: {},
        "L0",
    )


def power_of_area(unknown_base: bool) -> Term:
    """A times a power of the forward area, pre-training's part included or fitted."""
    alpha = nonlinear(0.02, 3.0, "exponent of the forward area")
    amplitude = linear(0.0, 1e3, "loss that a forward area of 1 leaves")
    if not unknown_base:
        return Term(
            "A",
            amplitude,
            {"alpha": alpha},
            lambda part, psi: part.S ** -psi["alpha"],
            lambda part, psi: {"alpha": -np.log(part.S) * part.S ** -psi["alpha"]},
            " + A*(S1pt + S1cpt)**-alpha",
        )
    before = nonlinear(1e-3, 1e3, "forward area of the base's pre-training", "rate x steps")

    def slopes(part: Rows, psi: Values) -> dict[str, Array]:
        area, alpha = part.S + psi["S0"], psi["alpha"]
        power = area**-alpha
        return {"alpha": -np.log(area) * power, "S0": -alpha * power / area}

    return Term(
        "A",
        amplitude,
        {"alpha": alpha, "S0": before},
        lambda part, psi: (part.S + psi["S0"]) ** -psi["alpha"],
        slopes,
        " + A*(S0 + S1cpt)**-alpha",
    )


def shift_share(area: Array, psi: Values) -> Array:
    """The part of the distribution shift done after a forward area of CPT, per unit of K, shape as `area`.

    Wang et al. 2025 (arXiv:2505.07796, Eq. 3) write the shift as B (1 - (1 + E S1cpt)^-beta). Curves of
    ordinary length often determine the product K = B beta only, and printed fits then hold pairs like
    B = 29.1, beta = 0.001. Per unit of K the shift has a limit there: log(1 + E S1cpt) at beta = 0.

    Examples
    --------
    >>> done = [shift_share(np.array(0.4), {"E": 28.0, "beta": beta}) for beta in (0.189, 1e-9, 0.0)]
    >>> [round(float(share), 3) for share in done]
    [1.993, 2.501, 2.501]
    """
    return power_gain(np.log1p(psi["E"] * area), psi["beta"])


def domain_pace(side: str, share: float, psi: Values) -> float:
    """How fast the clock of the shift runs under a mixture: a power m of the domain share, 1 without it."""
    return float(_paces(side, np.asarray(share), psi)[0])


def _paces(side: str, share: Array, psi: Values) -> tuple[Array, Array]:
    """Pace of the shift's clock under each share, and its derivative by m."""
    if "m" not in psi:
        return np.ones_like(share), np.zeros_like(share)
    domain = 1.0 - share if side == GENERAL else share
    wrong = ~((domain >= 0) & (domain <= 1))
    if wrong.any():
        raise ConfigError(f"share clock: the share s is {share[wrong].flat[0]:g}; wanted a share in [0, 1].")
    pace = domain ** psi["m"]
    # Nothing learnt without domain tokens, whatever the power.
    return pace, pace * np.log(np.where(domain > 0, domain, 1.0))


def distribution_shift(factor: ReplayFactor | None, clock: bool) -> Term:
    """The move from one distribution to the other: up for the general, down for the domain loss.

    Under a mixture that changes, every stretch adds what its share of the tokens lets through of the move
    between the areas at its ends; nothing done earlier is undone. With a clock of the share, the areas count
    times a power of the domain share.
    """
    shapes = {
        "E": nonlinear(1e-2, 1e8, "speed of the shift", "1/(rate x steps)"),
        "beta": nonlinear(0.0, 10.0, "exponent of the shift"),
    }
    if clock:
        shapes["m"] = nonlinear(0.0, 3.0, "power of the domain share that the shift's clock runs with")
    if factor is not None:
        shapes |= {
            name: nonlinear(lo, hi, factor.meanings[name]) for name, (lo, hi, *_) in factor.shapes.items()
        }

    def column(part: Rows, psi: Values) -> Array:
        total, reached, before = np.zeros((3, len(part.S)))
        for phase in part.phases:
            scale = 1.0 if factor is None else factor(part.side, phase.share, psi)
            reached = reached + _paces(part.side, np.asarray(phase.share), psi)[0] * (phase.end - phase.start)
            done = shift_share(reached, psi)
            total += scale * (done - before)
            before = done
        return total if part.side == GENERAL else -total

    def slopes(part: Rows, psi: Values) -> dict[str, Array]:
        found = {name: np.zeros(len(part.S)) for name in shapes}
        reached, moved, before = np.zeros((3, len(part.S)))
        last = {name: np.zeros(len(part.S)) for name in shapes}
        for phase in part.phases:
            scale = 1.0 if factor is None else factor(part.side, phase.share, psi)
            pace, turn = _paces(part.side, np.asarray(phase.share), psi)
            reached = reached + pace * (phase.end - phase.start)
            moved = moved + turn * (phase.end - phase.start)
            done, faster, turn_of_power = power_growth(reached, psi["E"], psi["beta"])
            now = {"E": faster, "beta": turn_of_power}
            if clock:
                left = (1.0 - psi["beta"] * done) / (1.0 + psi["E"] * reached)
                now["m"] = psi["E"] * left * moved
            for name, slope in now.items():
                found[name] += scale * (slope - last[name])
            last = now
            for name, slope in ({} if factor is None else factor.slopes(part.side, phase.share, psi)).items():
                found[name] += slope * (done - before)
            before = done
        return found if part.side == GENERAL else {name: -slope for name, slope in found.items()}

    area = "x" if clock else "S1cpt"
    text = f" + K*(1 - (1 + E*{area})**-beta)/beta"
    return Term(
        "K",
        linear(0.0, 1e3, "size of the shift B times beta; up for the general, down for the domain loss"),
        shapes,
        column,
        slopes,
        text if factor is None else f"{text}*f(s)",
    )


def size_of_model() -> Term:
    """What a finite size costs, a power of the parameters in millions."""
    return Term(
        "F",
        linear(0.0, 1e3, "loss of a model of a million parameters over an endless one"),
        {"g3": nonlinear(0.01, 2.0, "size exponent")},
        lambda part, psi: np.full(len(part.S), part.millions ** -psi["g3"]),
        lambda part, psi: {"g3": np.full(len(part.S), -np.log(part.millions) * part.millions ** -psi["g3"])},
        " + F*M**-g3",
    )
