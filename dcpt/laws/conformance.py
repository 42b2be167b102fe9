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

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from dcpt.laws.law import Law

Array = NDArray[np.float64]

SEEDS = range(5)
_RANGES = {"N": (0.1, 10.0), "D": (0.1, 10.0), "eta": (1e-4, 1e-2), "S1": (0.1, 10.0), "S2": (0.1, 10.0)}


class LawConformance:
    """Checks of one law; a subclass sets `law` and may override `draw` and `monotone_draw`.

    Attributes
    ----------
    law : Law
        The law under test.
    """

    law: Law

    def draw(self, seed: int) -> Array:
        """Plausible parameters for N and D near 1, shape (p,)."""
        rng = np.random.default_rng(seed)
        values = []
        for item in self.law.parameters:
            low, high = (0.2, 2.0) if item.kind == "linear" else (0.1, 1.0)
            values.append(rng.uniform(max(low, item.lo), min(high, item.hi)))
        return np.array(values)

    def monotone_draw(self, seed: int) -> Array:
        """Parameters under which the declared monotonicities hold; those of `draw` by default."""
        return self.draw(seed)

    def inputs(self, points: int = 5) -> dict[str, Array]:
        """A full grid inside the domain, each input of shape (points ** inputs,)."""
        axes = [
            np.geomspace(*_RANGES[name], points) if name in _RANGES else np.linspace(0.1, 0.9, points)
            for name in self.law.inputs
        ]
        grid = np.meshgrid(*axes, indexing="ij")
        return {name: part.ravel() for name, part in zip(self.law.inputs, grid, strict=True)}

    def test_is_documented(self) -> None:
        """Name, reference, units and LaTeX are there."""
        assert self.law.name
        assert self.law.reference
        assert self.law.title
        assert self.law.latex.startswith("L(")
        for item in self.law.parameters:
            assert item.meaning, f"parameter {item.name} has no meaning"
            assert item.unit, f"parameter {item.name} has no unit"
            assert item.latex in self.law.latex, f"parameter {item.name} is not in the LaTeX"

    def test_is_finite(self) -> None:
        """Loss and Jacobian are finite inside the domain and on its edges."""
        edges = {}
        for name in self.law.inputs:
            lo, hi = self.law.domain[name]
            unit = np.sqrt(lo * hi) if lo > 0 else 1.0
            edges[name] = np.array([lo, unit, hi]) / unit
        grid = np.meshgrid(*edges.values(), indexing="ij")
        corners = {name: part.ravel() for name, part in zip(edges, grid, strict=True)}
        for seed in SEEDS:
            for table in (self.inputs(), corners):
                loss, jacobian = self.law.evaluate_with_jacobian(self.draw(seed), table)
                assert np.isfinite(loss).all()
                assert np.isfinite(jacobian).all()

    def test_jacobian_is_the_derivative(self) -> None:
        """The closed-form Jacobian equals central differences."""
        table = self.inputs()
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
            np.testing.assert_allclose(jacobian[index], self.law.jacobian(theta, table), rtol=1e-12)

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
        table = self.inputs()
        for seed in SEEDS:
            truth = self.draw(seed)
            target = self.law.evaluate(truth, table)
            factors = np.random.default_rng(100 + seed).uniform(0.7, 1.4, truth.shape)
            result = least_squares(
                lambda theta, goal=target: self.law.evaluate(theta, table) - goal,
                np.clip(truth * factors, self.law.lower, self.law.upper),
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
        """The loss moves with each input the way the law declares."""
        axes = {name: np.unique(column) for name, column in self.inputs(9).items()}
        grid = dict(zip(axes, np.meshgrid(*axes.values(), indexing="ij"), strict=True))
        for seed in SEEDS:
            loss = self.law.evaluate(self.monotone_draw(seed), grid)
            for position, name in enumerate(axes):
                sign = self.law.monotone.get(name)
                if sign is not None:
                    assert (sign * np.diff(loss, axis=position) > 0).all(), f"not monotone in {name}"

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
