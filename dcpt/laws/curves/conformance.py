"""What every law of curves must satisfy, as a test class that any package can subclass.

Examples
--------
In a test module::

    class TestMyLaw(CurveLawConformance):
        law = MyLaw()
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from dcpt.core.curve import Curve, RateHistory
from dcpt.core.errors import ConfigError
from dcpt.core.symbols import ROLES
from dcpt.laws.curves.curve_law import CurveLaw, Features

Array = NDArray[np.float64]

SEEDS = range(3)
STEPS, WARMUP, PEAK = 600, 40, 1e-3


class CurveLawConformance:
    """Checks of one law of curves; a subclass sets `law` and may override the hooks.

    Attributes
    ----------
    law : CurveLaw
        The law under test.
    given : mapping
        Constants of every curve, for laws that read some.
    side : str
        Side of the curves.
    falls_with_rate : bool
        Whether the loss may not rise while the rate does not; laws in which it does (a shift of
        distribution raises it) set False.
    """

    law: CurveLaw
    given: ClassVar[Mapping[str, float]] = {}
    side: ClassVar[str] = "general"
    falls_with_rate: ClassVar[bool] = True

    # -- hooks --------------------------------------------------------------------------------------

    def histories(self) -> dict[str, RateHistory]:
        """Schedules of a run: constant, cosine to a tenth, linear at the end, a step down."""
        after = np.arange(STEPS - WARMUP) / (STEPS - WARMUP)
        shapes = {
            "constant": np.ones_like(after),
            "cosine": 0.1 + 0.45 * (1 + np.cos(np.pi * after)),
            "late": np.minimum(1.0, (1 - after) / 0.4),
            "step": np.where(after < 0.5, 1.0, 0.3),
        }
        rise = np.arange(1, WARMUP + 1) / WARMUP
        return {
            name: RateHistory.of(PEAK * np.concatenate([rise, shape]), warmup=WARMUP)
            for name, shape in shapes.items()
        }

    def curves(self) -> list[Curve]:
        """Curves without losses of interest, observed every few steps."""
        steps = np.arange(WARMUP + 10, STEPS + 1, 10)
        return [
            Curve(name, history, steps, np.ones(len(steps)), self.given, side=self.side)
            for name, history in self.histories().items()
        ]

    def draw(self, seed: int, features: Features) -> dict[str, float]:
        """Plausible parameters: near one of the law's starts, each linear term of a size near 1."""
        rng = np.random.default_rng(seed)
        start = self.law.starts[seed % len(self.law.starts)] if self.law.starts else {}
        values = {}
        for item in self.law.nonlinear:
            middle = start.get(item.name, float(np.sqrt(max(item.lo, 1e-3) * min(item.hi, 10.0))))
            values[item.name] = float(np.clip(middle * rng.uniform(0.8, 1.25), item.lo, item.hi))
        columns = self.law.basis(features, values)[1]
        for index, item in enumerate(self.law.linear):
            size = rng.uniform(0.3, 1.0) / max(float(np.abs(columns[:, index]).max()), 1e-12)
            values[item.name] = float(np.clip(-size if item.hi <= 0 else size, item.lo, item.hi))
        return {name: values[name] for name in self.law.names}

    # -- checks -------------------------------------------------------------------------------------

    def test_is_documented(self) -> None:
        """Name, formula, reference, meanings and units are there, and every parameter is in the formula."""
        assert self.law.name
        assert self.law.formula
        assert self.law.reference
        assert self.law.title
        assert self.law.sides
        assert set(self.law.sides) <= set(ROLES)
        for item in self.law.parameters:
            assert item.meaning, f"parameter {item.name} has no meaning"
            assert item.unit, f"parameter {item.name} has no unit"
            assert item.lo < item.hi
            assert item.name in self.law.formula, f"parameter {item.name} is not in the formula"
        for start in self.law.starts:
            assert set(start) <= set(self.law.nonlinear_names)

    def test_is_finite_on_its_bounds(self) -> None:
        """Columns and slopes are finite at the starts and where each nonlinear parameter is on a bound."""
        features = self.law.prepare(self.curves())
        psi = {item.name: self.draw(0, features)[item.name] for item in self.law.nonlinear}
        places = [
            psi,
            *({**psi, item.name: end} for item in self.law.nonlinear for end in (item.lo, item.hi)),
        ]
        for place in places:
            assert np.isfinite(self.law.basis(features, place)[1]).all(), place
            assert np.isfinite(self.law.basis_slopes(features, place)[1]).all(), place

    def test_basis_is_linear(self) -> None:
        """The loss is the offset plus the sum of linear parameters times their columns."""
        features = self.law.prepare(self.curves())
        for seed in SEEDS:
            values = self.draw(seed, features)
            offset, columns = self.law.basis(features, values)
            total = np.zeros(len(features)) if offset is None else offset
            for index, name in enumerate(self.law.linear_names):
                total = total + values[name] * columns[:, index]
            np.testing.assert_allclose(self.law.evaluate(values, features), total, rtol=1e-12)

    def test_jacobian_is_the_derivative(self) -> None:
        """The Jacobian equals central differences."""
        features = self.law.prepare(self.curves())
        for seed in SEEDS:
            values = self.draw(seed, features)
            found = self.law.jacobian(values, features)
            for index, name in enumerate(self.law.names):
                step = 1e-5 * max(abs(values[name]), 1e-3)
                ahead = self.law.evaluate({**values, name: values[name] + step}, features)
                behind = self.law.evaluate({**values, name: values[name] - step}, features)
                expected = (ahead - behind) / (2 * step)
                scale = max(float(np.abs(expected).max()), 1e-9)
                np.testing.assert_allclose(found[:, index] / scale, expected / scale, atol=2e-5, err_msg=name)

    def test_recovers_its_own_losses(self) -> None:
        """From nearby, least squares finds noiseless losses again."""
        features = self.law.prepare(self.curves())
        lower, upper = self.law.lower, self.law.upper
        for seed in SEEDS:
            truth = self.draw(seed, features)
            target = self.law.evaluate(truth, features)
            vector = np.array([truth[name] for name in self.law.names])
            factors = np.random.default_rng(100 + seed).uniform(0.8, 1.2, vector.shape)
            inside = 1e-9 * np.minimum(upper - lower, 1.0)
            result = least_squares(
                lambda theta, goal=target: self.law.evaluate(theta, features) - goal,
                np.clip(vector * factors, lower + inside, upper - inside),
                jac=lambda theta: self.law.jacobian(theta, features),
                bounds=(lower, upper),
                x_scale="jac",
                **dict.fromkeys(("xtol", "ftol", "gtol"), 1e-15),
                max_nfev=1000,
            )
            np.testing.assert_allclose(self.law.evaluate(result.x, features), target, rtol=1e-5)

    def test_loss_falls_while_the_rate_does(self) -> None:
        """Along a rate that does not rise the loss does not rise after the warm-up."""
        if not self.falls_with_rate:
            return
        for curve in self.curves():
            features = self.law.prepare([curve])
            for seed in SEEDS:
                loss = self.law.evaluate(self.draw(seed, self.law.prepare(self.curves())), features)
                assert (np.diff(loss) <= 1e-9 * np.abs(loss[0])).all(), curve.name

    def test_zero_rate_teaches_nothing_unless_declared(self) -> None:
        """Steps at rate 0 behind a decay change the loss just when the law declares that they do."""
        history = self.histories()["late"]
        tail = 100
        longer = RateHistory(
            np.append(history.rates, np.zeros(tail)),
            history.switch,
            np.append(history.rising, np.zeros(tail, bool)),
        )
        steps = np.array([len(history), len(longer)])
        features = self.law.prepare([Curve("tail", longer, steps, np.ones(2), self.given, side=self.side)])
        values = self.draw(0, self.law.prepare(self.curves()))
        end, later = self.law.evaluate(values, features)
        assert (later < end - 1e-6) == self.law.gains_at_zero

    def test_survives_a_file(self) -> None:
        """Parameters written as JSON give the same losses to the last bit; the hash is stable."""
        features = self.law.prepare(self.curves())
        values = self.draw(0, features)
        read = json.loads(json.dumps(values))
        np.testing.assert_array_equal(self.law.evaluate(read, features), self.law.evaluate(values, features))
        assert self.law.hash == self.law.with_warmup(self.law.warmup).hash

    def test_says_what_is_missing(self) -> None:
        """A curve without the constants the law reads, or parameters by wrong names, are refused."""
        for name in self.law.names:
            values = {other: 1.0 for other in self.law.names if other != name}
            assert name in _refusal(partial(self.law.values, values)), f"{name} may be left out"
        curve = self.curves()[0]
        if self.law.needs:
            said = _refusal(partial(self.law.part, curve.history, curve.steps, {}, side=self.side))
            assert self.law.needs[0] in said, f"{self.law.needs[0]} may be left out"


def _refusal(call: Callable[[], object]) -> str:
    """What the ConfigError of a call says; empty when it raises none."""
    try:
        call()
    except ConfigError as error:
        return str(error)
    return ""
