"""What the joint laws share: a curve of continual pre-training that starts from its base's loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from dcpt.core.annealing import laid_rates, rate_drops
from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import ConfigError
from dcpt.core.symbols import GENERAL
from dcpt.laws.curves.curve_law import NOTHING, CurveLaw, Features, Values
from dcpt.laws.curves.kernel import falls_of
from dcpt.laws.curves.power_kernel import power_gain
from dcpt.laws.curves.two_phases import LATE_KEYS
from dcpt.laws.declared_law import NOISE_DELTA

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

PACE, EXPONENT, POWER = 200.0, 0.3, 0.8
"""Kernel of a fall of the rate, in rates over the base's peak and areas over the base's. Chosen on
experiments/cpt_dynamics_cpu, where other powers, from 0.6 to 1, fit nearly as well."""

LEAST_AREA = 1e-12
"""Relative forward area that the step of the switch counts as, where powers of it are wanted."""


@dataclass(frozen=True, eq=False)
class JointRows:
    """What the joint laws keep of some rows, all of shape (n,).

    Attributes
    ----------
    area : ndarray
        Forward area of continual pre-training over that of pre-training.
    gain : ndarray
        What the falls of the rate have gained since the switch, those before it included; negative after a
        re-warm-up.
    s, N, L0, G0 : ndarray
        Share of the tokens from the side of the loss, parameters in millions, the base's own loss of the
        evaluation set and its general loss; nan where the law does not read them.
    """

    area: Array
    gain: Array
    s: Array
    N: Array
    L0: Array
    G0: Array

    @classmethod
    def joined(cls, parts: Sequence[JointRows]) -> JointRows:
        """The rows of several curves as one."""
        return cls(*(np.concatenate([getattr(part, item.name) for part in parts]) for item in fields(cls)))


def annealing_gain(history: RateHistory, steps: Integers, drops: Array, rates: Array) -> Array:
    """What the falls of the rate have gained since the switch, shape (n,).

    A fall from a to b at forward area T counts, at forward area T', as
    ((a/e)**0.8 - (b/e)**0.8) (1 - (1 + 200 (T' - T)/S)**-0.3)/0.3 with e the highest rate and S the forward
    area of pre-training, so that a rate that shrinks with the width of a model counts alike at every width.

    Parameters
    ----------
    history : RateHistory
        Gives the switch.
    steps : ndarray of int, shape (n,)
        Observed steps, none before the switch.
    drops, rates : ndarray, shape (T,)
        Falls that count, and the rates that are summed.
    """
    switch = history.switch
    places = np.union1d(steps, [switch])
    falls = falls_of(history, drops, rates, places)
    peak, whole = rates[:switch].max(), rates[:switch].sum()
    powers = [(np.maximum(np.append(rate, 0.0), 0.0) / peak) ** POWER for rate in (falls.high, falls.low)]
    worth = (powers[0] - powers[1])[falls.source]
    grown = power_gain(np.log1p(PACE * falls.forward / whole), EXPONENT)
    gained = np.add.reduceat(worth * grown, falls.first)
    return np.asarray((gained - gained[0])[np.searchsorted(places, steps)])


class JointLaw(CurveLaw):
    """A law of curves of several sizes, mixtures and schedules; a subclass declares its loss.

    Its parts are rows that know their curve's constants, so that all curves are evaluated at once.
    """

    two_phase: ClassVar[bool] = True
    delta: ClassVar[float] = NOISE_DELTA

    def part(
        self,
        history: RateHistory,
        steps: Integers,
        given: Values = NOTHING,
        name: str = "",
        side: str = GENERAL,
    ) -> JointRows:
        """What the law keeps of one curve, after a check that all is there and the side is the law's."""
        where = f"law {self.name}: curve {name}" if name else f"law {self.name}: this curve"
        if side not in self.sides:
            raise ConfigError(f"{where} is of the {side} side; wanted {' or '.join(self.sides)}.")
        if any(key in given for key in LATE_KEYS):
            raise ConfigError(
                f"{where} has a mixture that changes; this law knows one share.",
                hint="cpt-dynamics+share-clock and cpt-dynamics+replay take a later share",
            )
        found = super().part(history, steps, given, name, side)
        assert isinstance(found, JointRows)
        return found

    def observe(self, history: RateHistory, steps: Integers, given: Values) -> JointRows:
        """The rows of a curve of continual pre-training."""
        switch = history.switch
        if len(steps) and steps[0] < switch:
            raise ConfigError(
                f"law {self.name}: a loss at step {steps[0]} is from pre-training, which ended at step "
                f"{switch}; the law starts from the base's loss.",
                hint="leave out the losses before the switch",
            )
        drops, rates = rate_drops(history, self.warmup, self.rewarm), laid_rates(history, self.warmup)
        before = float(rates[:switch].sum())
        area = np.cumsum(rates)[steps - 1] / before - 1.0
        constants = [
            np.full(len(steps), float(given.get(key, np.nan)) / unit)
            for key, unit in (("s", 1.0), ("N", 1e6), ("L0", 1.0), ("G0", 1.0))
        ]
        gain = annealing_gain(history, steps, drops, rates)
        return JointRows(np.maximum(area, LEAST_AREA), gain, *constants)

    def prepare(self, curves: Sequence[Curve]) -> Features:
        """Keep what the law needs of these curves, as one part."""
        found = super().prepare(curves)
        return Features((JointRows.joined(found.parts),), found.curve)

    def columns(self, part: Any, psi: Mapping[str, float]) -> tuple[Array | None, Array]:
        """Offset and columns; the last column is that of the annealing gain."""
        raise NotImplementedError
