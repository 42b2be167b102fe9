"""What every law must satisfy, as a test class that any package can subclass.

Examples
--------
In a test module::

    class TestMyLaw(LawConformance):
        law = MyLaw()
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from dcpt.core.symbols import ROLES
from dcpt.laws.law import Law

Array = NDArray[np.float64]

SEEDS = range(5)
_SCALED = ("parameters", "tokens")
_RANGES = {
    **dict.fromkeys(("N", "D", "U"), (0.1, 10.0)),
    "Dmin": (0.05, 0.1),
    **dict.fromkeys(("s", "r"), (0.1, 0.9)),
    **dict.fromkeys(("L0", "G0"), (1.0, 4.0)),
    "eta": (1e-4, 1e-2),
    **dict.fromkeys(("S1", "S2"), (0.1, 10.0)),
}
_LINEAR_AXES = ("s", "r", "L0", "G0")


class LawConformance:
    """Checks of one law; a subclass sets `law` and may set ranges or override the hooks.

    Attributes
    ----------
    law : Law
        The law under test.
    parameter_ranges : mapping
        Parameter to the (lowest, highest) value drawn for it, where the default does not suit: 0.2 to
        2 for linear and 0.1 to 1 for nonlinear ones, cut to their bounds.
    input_ranges : mapping
        Input to its (lowest, highest) value, in units of the fit, where the default does not suit: own
        columns are drawn from 0.1 to 10.
    """

    law: Law
    parameter_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}
    input_ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}

    # -- hooks --------------------------------------------------------------------------------------

    def draw(self, seed: int) -> Array:
        """Plausible parameters for N and D near 1, shape (p,)."""
        rng = np.random.default_rng(seed)
        values = []
        for item in self.law.parameters:
            low, high = (0.2, 2.0) if item.kind == "linear" else (0.1, 1.0)
            low, high = self.parameter_ranges.get(item.name, (max(low, item.lo), min(high, item.hi)))
            values.append(rng.uniform(low, high))
        return np.array(values)

    def monotone_draw(self, seed: int) -> Array:
        """Parameters under which the declared monotonicities hold; those of `draw` by default."""
        return self.draw(seed)

    def inputs(self, points: int = 5) -> dict[str, Array]:
        """Rows inside the domain, each input of shape (n,): a full grid by default."""
        axes = []
        for name in self.law.inputs:
            low, high = self.input_ranges.get(name, _RANGES.get(name, (0.1, 10.0)))
            linear = name in _LINEAR_AXES or low <= 0
            axes.append(np.linspace(low, high, points) if linear else np.geomspace(low, high, points))
        return _grid(dict(zip(self.law.inputs, axes, strict=True)))

    def edges(self) -> dict[str, Array]:
        """Rows on the edges of the domain, each input of shape (n,): all corners by default."""
        axes = {}
        for name, symbol in self.law.symbols.items():
            lo, hi = self.law.domain[name]
            middle = float(np.sqrt(lo * hi)) if lo > 0 else 0.5 * (lo + hi)
            # Parameters and tokens reach a law in units near their mean, everything else as it is.
            axes[name] = np.array([lo, middle, hi]) / (middle if symbol.unit in _SCALED else 1.0)
        return _grid(axes)

    # -- checks -------------------------------------------------------------------------------------

    def test_is_documented(self) -> None:
        """Name, reference, units, sides and LaTeX are there."""
        assert self.law.name
        assert self.law.reference
        assert self.law.title
        assert self.law.sides
        assert set(self.law.sides) <= set(ROLES)
        assert self.law.latex.startswith("L(")
        for item in self.law.parameters:
            assert item.meaning, f"parameter {item.name} has no meaning"
            assert item.unit, f"parameter {item.name} has no unit"
            assert item.latex in self.law.latex, f"parameter {item.name} is not in the LaTeX"
        for name in self.law.inputs:
            symbol = self.law.symbols[name]
            assert symbol.meaning, f"input {name} has no meaning"
            assert symbol.unit, f"input {name} has no unit"
            assert symbol.latex in self.law.latex, f"input {name} is not in the LaTeX"

    def test_is_finite(self) -> None:
        """Loss and Jacobian are finite inside the domain and on its edges."""
        for seed in SEEDS:
            for table in (self.inputs(3), self.edges()):
                loss, jacobian = self.law.evaluate_with_jacobian(self.draw(seed), table)
                assert np.isfinite(loss).all()
                assert np.isfinite(jacobian).all()

    def test_jacobian_is_the_derivative(self) -> None:
        """The closed-form Jacobian equals central differences."""
        table = self.inputs(3)
        for seed in SEEDS:
            theta = self.draw(seed)
            found = self.law.jacobian(theta, table)
            for index in range(len(theta)):
                step = np.zeros_like(theta)
                step[index] = 1e-6 * max(1.0, abs(theta[index]))
                ahead, behind = self.law.evaluate(theta + step, table), self.law.evaluate(theta - step, table)
                np.testing.assert_allclose(
                    found[:, index], (ahead - behind) / (2 * step[index]), rtol=1e-6, atol=1e-8
                )

    def test_batch_equals_single(self) -> None:
        """Many parameter vectors at once give what each gives alone."""
        table = self.inputs(3)
        batch = np.array([self.draw(seed) for seed in SEEDS])
        loss, jacobian = self.law.evaluate_with_jacobian(batch, table)
        for index, theta in enumerate(batch):
            np.testing.assert_allclose(loss[index], self.law.evaluate(theta, table), rtol=1e-12)
            np.testing.assert_allclose(
                jacobian[index], self.law.jacobian(theta, table), rtol=1e-10, atol=1e-13
            )

    def test_linear_parameters_are_linear(self) -> None:
        """The loss is the offset plus the sum of linear parameters times their basis."""
        table = self.inputs(3)
        theta = self.draw(0)
        arguments = [*(table[name] for name in self.law.inputs), *theta]
        basis, offset = self.law.compiled.basis, self.law.compiled.offset
        total = np.zeros(len(next(iter(table.values())))) + (0.0 if offset is None else offset[0](*arguments))
        for name in self.law.linear_names:
            total = total + theta[self.law.names.index(name)] * basis[name][0](*arguments)
        np.testing.assert_allclose(total, self.law.evaluate(theta, table), rtol=1e-12)

    def test_recovers_its_own_losses(self) -> None:
        """Parameters drawn by seed come back from noiseless losses, up to what those determine."""
        table = self.inputs(5 if len(self.law.inputs) < 4 else 3)
        span = self.law.upper - self.law.lower
        for seed in SEEDS:
            truth = self.draw(seed)
            target = self.law.evaluate(truth, table)
            factors = np.random.default_rng(100 + seed).uniform(0.7, 1.4, truth.shape)
            result = least_squares(
                lambda theta, goal=target: self.law.evaluate(theta, table) - goal,
                np.clip(truth * factors, self.law.lower + 1e-9 * span, self.law.upper - 1e-9 * span),
                jac=lambda theta: self.law.jacobian(theta, table),
                bounds=(self.law.lower, self.law.upper),
                x_scale="jac",
                xtol=1e-15,
                ftol=1e-15,
                gtol=1e-15,
                max_nfev=3000,
            )
            np.testing.assert_allclose(self.law.evaluate(result.x, table), target, rtol=1e-6)

    def test_is_monotone_as_declared(self) -> None:
        """The loss moves with each input the way the law declares, all else equal."""
        axes = {name: np.unique(column) for name, column in self.inputs(9).items()}
        rows = self.inputs(3)
        for seed in SEEDS:
            theta = self.monotone_draw(seed)
            for name, sign in self.law.monotone.items():
                if name not in axes:
                    continue
                table = {other: column[:, None] for other, column in rows.items()}
                table[name] = axes[name][None, :]
                assert (sign * np.diff(self.law.evaluate(theta, table)) > 0).all(), f"not monotone in {name}"

    def test_survives_a_file(self) -> None:
        """Parameters written as JSON give the same losses to the last bit; the hash is stable."""
        theta = self.draw(0)
        stored: Mapping[str, float] = dict(zip(self.law.names, theta.tolist(), strict=True))
        read = json.loads(json.dumps(stored))
        again = np.array([read[name] for name in self.law.names])
        table = self.inputs(3)
        np.testing.assert_array_equal(self.law.evaluate(again, table), self.law.evaluate(theta, table))
        assert type(self.law)().hash == self.law.hash

    def test_gives_lmfit_parameters(self) -> None:
        """The lmfit parameters carry the law's names and bounds."""
        table = self.law.lmfit_parameters()
        assert tuple(table) == self.law.names
        for item in self.law.parameters:
            assert (table[item.name].min, table[item.name].max) == (item.lo, item.hi)
            assert item.lo <= table[item.name].value <= item.hi


def _grid(axes: Mapping[str, Array]) -> dict[str, Array]:
    parts = np.meshgrid(*axes.values(), indexing="ij")
    return {name: part.ravel() for name, part in zip(axes, parts, strict=True)}
