"""One target's Gaussian process, conditioned on runs: mean, spread, gradient, functions drawn from it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack, solve_triangular

from dcpt.core.errors import FitError
from dcpt.fit.mixtures.marginal_likelihood import CONSTANT, JITTER, Hyper

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

FEATURES = 512
"""Frequencies behind a drawn function, a sine and a cosine each."""

_SQRT5 = 5**0.5


@dataclass(frozen=True)
class GaussianProcess:
    """Posterior of one target, all in scaled shares and standardised losses.

    Parameters
    ----------
    hyper : Hyper
        Kernel and noise.
    inputs : ndarray, shape (n, p)
        Scaled shares of the runs.
    outputs : ndarray, shape (n,)
        Their standardised losses.
    """

    hyper: Hyper
    inputs: Array
    outputs: Array

    def covariance(self, one: Array, two: Array) -> Array:
        """Prior covariance of the expected loss, shape (a, b), at scaled shares (a, p) and (b, p)."""
        distance = _distance(one / self.hyper.lengths, two / self.hyper.lengths)
        decay = np.exp(-distance)
        smooth = distance * distance
        smooth *= 1 / 3
        smooth += distance
        smooth += 1
        smooth *= decay
        smooth *= self.hyper.smooth
        smooth += self.hyper.linear * (one @ two.T)
        smooth += CONSTANT
        return np.asarray(smooth)

    @cached_property
    def factor(self) -> Array:
        """Lower Cholesky factor of the runs' covariance, noise included.

        Raises
        ------
        FitError
            When the covariance is singular.
        """
        covariance = self.covariance(self.inputs, self.inputs)
        covariance.ravel()[:: len(covariance) + 1] += self.hyper.noise + JITTER
        factor, failed = lapack.dpotrf(covariance.T, lower=1, overwrite_a=1, clean=1)
        if failed:
            raise FitError("process: the covariance of the runs is singular.")
        return np.asarray(factor)

    @cached_property
    def weights(self) -> Array:
        """Inverse covariance times losses, shape (n,)."""
        return self.solve(self.outputs)

    def solve(self, right: Array) -> Array:
        """Inverse covariance of the runs times `right`, shape (n,) or (n, m)."""
        return np.asarray(lapack.dpotrs(self.factor, right, lower=1)[0])

    def mean(self, inputs: Array) -> Array:
        """Expected standardised loss, shape (q,)."""
        return np.asarray(self.covariance(inputs, self.inputs) @ self.weights)

    def variance(self, inputs: Array) -> Array:
        """Variance of the expected loss (noise left out), shape (q,)."""
        return self.mean_and_variance(inputs)[1]

    def mean_and_variance(self, inputs: Array) -> tuple[Array, Array]:
        """Expected standardised loss and its variance, each of shape (q,)."""
        cross = self.covariance(inputs, self.inputs)
        mean = np.asarray(cross @ self.weights)  # before `cross` is overwritten
        half = solve_triangular(self.factor, cross.T, lower=True, overwrite_b=True, check_finite=False)
        prior = self._prior_variance(inputs)
        known = np.einsum("ij,ij->j", half, half)
        # Far from zero it is a difference of two equal numbers: hold it above the rounding.
        return mean, np.maximum(prior - known, 1e-12 * prior)

    def gradient(self, inputs: Array) -> Array:
        """Derivative of `mean` by each scaled share, shape (q, p)."""
        distance = _distance(inputs / self.hyper.lengths, self.inputs / self.hyper.lengths)
        pull = (1 + distance) * np.exp(-distance) * self.weights
        pull *= -5 / 3 * self.hyper.smooth
        smooth = (inputs * pull.sum(axis=1)[:, None] - pull @ self.inputs) / self.hyper.lengths**2
        return np.asarray(smooth + self.hyper.linear * (self.weights @ self.inputs))

    def leave_folds_out(self, folds: Integers) -> tuple[Array, Array]:
        """Mean and variance of a new run at each run, its fold left out, each of shape (n,).

        The hyper-parameters stay; rows with a negative fold are never left out and are nan. With Q the
        inverse covariance, the errors of a fold are the solution of Q_ff e = (Q y)_f and their covariance
        is the inverse of Q_ff (Rasmussen and Williams 2006, eq. 5.12, for blocks).
        """
        inverse, _ = lapack.dpotri(self.factor, lower=1)
        mean = np.full(len(folds), np.nan)
        variance = np.full(len(folds), np.nan)
        for fold in np.unique(folds[folds >= 0]):
            rows = np.flatnonzero(folds == fold)
            block = inverse[np.ix_(rows, rows)]
            block = np.linalg.inv(np.tril(block) + np.tril(block, -1).T)
            mean[rows] = self.outputs[rows] - block @ self.weights[rows]
            variance[rows] = np.diagonal(block)
        return mean, variance

    def functions(self, inputs: Array, count: int, seed: int) -> Array:
        """Functions drawn from the posterior, at scaled shares (q, p): shape (count, q).

        A function of the prior (random Fourier features of the Matern spectrum, which is Student's t
        with 5 degrees of freedom, and random slopes), moved by the kernel so that it passes the runs
        within their noise: pathwise conditioning (Wilson et al. 2020, arXiv:2002.09309, eq. 12). What
        finitely many features get wrong in the variance is undone mixture by mixture.
        """
        generator = np.random.default_rng(seed)
        rows, width = self.inputs.shape
        chi = generator.chisquare(5, size=FEATURES) / 5
        frequencies = (
            generator.standard_normal((FEATURES, width)) / np.sqrt(chi)[:, None] / self.hyper.lengths
        )
        amplitudes = generator.standard_normal((2 * FEATURES + width + 1, count))
        noise = generator.standard_normal((rows, count)) * np.sqrt(self.hyper.noise + JITTER)
        cross = self.covariance(inputs, self.inputs)
        pull = self.solve(cross.T).T
        features = self._features(inputs, frequencies) - pull @ self._features(self.inputs, frequencies)
        made = np.einsum("ij,ij->i", features, features)
        made += (self.hyper.noise + JITTER) * np.einsum("ij,ij->i", pull, pull)
        wanted = self._prior_variance(inputs) - np.einsum("ij,ij->i", cross, pull)
        right = np.sqrt(np.maximum(wanted, 0.0) / np.maximum(made, 1e-300))
        moved = (features @ amplitudes - pull @ noise) * right[:, None]
        return np.asarray((cross @ self.weights)[:, None] + moved).T

    def _features(self, inputs: Array, frequencies: Array) -> Array:
        """Features whose products are the prior covariance, about: shape (q, 2 f + p + 1)."""
        angles = inputs @ frequencies.T
        size = np.sqrt(self.hyper.smooth / len(frequencies))
        level = np.full((len(inputs), 1), np.sqrt(CONSTANT))
        return np.hstack(
            [size * np.cos(angles), size * np.sin(angles), np.sqrt(self.hyper.linear) * inputs, level]
        )

    def _prior_variance(self, inputs: Array) -> Array:
        squares = np.einsum("ij,ij->i", inputs, inputs)
        return np.asarray(self.hyper.smooth + CONSTANT + self.hyper.linear * squares)


def _distance(one: Array, two: Array) -> Array:
    """Square root of 5 times the Euclidean distance between rows."""
    squared = one @ (-2 * two.T)
    squared += np.einsum("ij,ij->i", one, one)[:, None]
    squared += np.einsum("ij,ij->i", two, two)
    np.maximum(squared, 0.0, out=squared)
    np.sqrt(squared, out=squared)
    squared *= _SQRT5
    return np.asarray(squared)
