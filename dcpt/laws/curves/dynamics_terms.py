"""The terms that laws of continual pre-training dynamics are put together from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.symbols import GENERAL
from dcpt.laws.curves.fall_kernel import FallKernel
from dcpt.laws.curves.power_kernel import power_gain
from dcpt.laws.curves.replay_shift import ReplayFactor
from dcpt.laws.curves.two_phases import TwoPhases
from dcpt.laws.parameter import Parameter, linear, nonlinear

Array = NDArray[np.float64]
Values = Mapping[str, float]


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
        (part, nonlinear parameters) to an array of shape (n,).
    formula : str
        The term as text; with the sign in front.
    """

    name: str
    parameter: Parameter
    shapes: Mapping[str, Parameter]
    column: Callable[[TwoPhases, Values], Array]
    formula: str


def irreducible() -> Term:
    """L0, in every loss alike."""
    return Term(
        "L0",
        linear(0.0, 20.0, "loss of the base's hidden curve after endless training"),
        {},
        lambda part, psi: np.ones(len(part.S)),
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
            " + A*(S1pt + S1cpt)**-alpha",
        )
    before = nonlinear(1e-3, 1e3, "forward area of the base's pre-training", "rate x steps")
    return Term(
        "A",
        amplitude,
        {"alpha": alpha, "S0": before},
        lambda part, psi: (part.S + psi["S0"]) ** -psi["alpha"],
        " + A*(S0 + S1cpt)**-alpha",
    )


def pretraining_falls(kernel: FallKernel, size: bool) -> Term:
    """Gain from the falls of the rate in pre-training; they go on gaining after the switch."""
    shapes = dict(kernel.shapes)
    if size:
        shapes["g1"] = _size_exponent("pre-training")

    def column(part: TwoPhases, psi: Values) -> Array:
        if part.pre is None:
            raise ConfigError("this curve has no pre-training part.")
        gain = part.pre.gain(psi)
        return -gain * part.millions ** psi["g1"] if size else -gain

    power = "*M**g1" if size else ""
    return Term(
        "C1",
        linear(0.0, 1e5, "gain per annealing area of pre-training"),
        shapes,
        column,
        f" - C1*S2pt{power}",
    )


def continual_falls(kernel: FallKernel, size: bool, share: bool) -> Term:
    """Gain from the falls of the rate in continual pre-training; rises count against it."""
    shapes = dict(kernel.shapes)
    if size:
        shapes["g2"] = _size_exponent("continual pre-training")
    if share:
        shapes["a1"] = nonlinear(-5.0, 5.0, "growth of the annealing gain with the share")

    def column(part: TwoPhases, psi: Values) -> Array:
        total = np.zeros(len(part.S))
        for phase in part.phases:
            gain = phase.annealing.gain(psi)
            total -= gain * np.exp(psi["a1"] * phase.share) if share else gain
        return total * part.millions ** psi["g2"] if size else total

    power, factor = "*M**g2" if size else "", "*exp(a1*s)" if share else ""
    return Term(
        "C2",
        linear(0.0, 1e5, "gain per annealing area of continual pre-training"),
        shapes,
        column,
        f" - C2*S2cpt{power}{factor}",
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
    if "m" not in psi:
        return 1.0
    domain = 1.0 - share if side == GENERAL else share
    if not 0 <= domain <= 1:
        raise ConfigError(f"share clock: the share s is {share:g}; wanted a share in [0, 1].")
    return float(domain ** psi["m"])


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

    def column(part: TwoPhases, psi: Values) -> Array:
        total, reached, before = np.zeros((3, len(part.S)))
        for phase in part.phases:
            scale = 1.0 if factor is None else factor(part.side, phase.share, psi)
            reached = reached + domain_pace(part.side, phase.share, psi) * (phase.end - phase.start)
            done = shift_share(reached, psi)
            total += scale * (done - before)
            before = done
        return total if part.side == GENERAL else -total

    area = "x" if clock else "S1cpt"
    text = f" + K*(1 - (1 + E*{area})**-beta)/beta"
    return Term(
        "K",
        linear(0.0, 1e3, "size of the shift B times beta; up for the general, down for the domain loss"),
        shapes,
        column,
        text if factor is None else f"{text}*f(s)",
    )


def size_of_model() -> Term:
    """What a finite size costs, a power of the parameters in millions."""
    return Term(
        "F",
        linear(0.0, 1e3, "loss of a model of a million parameters over an endless one"),
        {"g3": nonlinear(0.01, 2.0, "size exponent")},
        lambda part, psi: np.full(len(part.S), part.millions ** -psi["g3"]),
        " + F*M**-g3",
    )


def _size_exponent(phase: str) -> Parameter:
    # Free in sign: printed fits have it between .01 and .24; on measured cool-downs of models whose rate
    # falls with their width the gain fell with size.
    return nonlinear(-1.0, 1.0, f"exponent of the size in the annealing gain of {phase}")
