"""How likely a Gaussian process finds its losses, with derivatives: what hyper-parameters are fitted by."""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log, pi

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import lapack
from scipy.optimize import minimize

Array = NDArray[np.float64]

CONSTANT = 1.0
"""Prior variance of the level, in units of the variance of the (standardised) losses."""

JITTER = 1e-8
"""Added to the noise variance so that repeated mixtures can be solved for."""

_BOUNDS = {"length": (-3.0, 7.0), "smooth": (-8.0, 8.0), "noise": (-11.0, 1.0), "linear": (-10.0, 6.0)}
"""Logarithms; lengths are in units of the range of a warped share, variances in those of the losses."""

_PRIOR = {"length": (3.0, 1.5), "smooth": (1.5, 1.5), "noise": (-5.0, 2.0), "linear": (-1.0, 2.0)}
"""Means and standard deviations of normal priors on the same logarithms: wide, and needed with few runs."""

_START = {"length": 0.7, "smooth": 0.0, "noise": -5.0, "linear": -1.0}
"""Where fits begin: at shorter lengths than the prior's, since from very long ones the kernel is flat and
everything looks like noise."""

_FAILED = 1e12


@dataclass(frozen=True)
class Hyper:
    """Hyper-parameters of a process.

    Attributes
    ----------
    lengths : ndarray, shape (p,)
        Length scale of each warped, scaled share.
    smooth, noise, linear : float
        Variances of the Matern term, of the noise, and of the linear term's slopes.
    """

    lengths: Array
    smooth: float
    noise: float
    linear: float

    def logs(self) -> Array:
        """Undo `from_logs`."""
        return np.log([*self.lengths, self.smooth, self.noise, self.linear])

    def to_list(self) -> list[float]:
        """Lengths, then the three variances."""
        return [*map(float, self.lengths), self.smooth, self.noise, self.linear]

    @classmethod
    def from_logs(cls, theta: Array) -> Hyper:
        """Hyper-parameters from the logarithms of lengths, smooth, noise, linear."""
        values = np.exp(theta)
        return cls(values[:-3], *map(float, values[-3:]))

    @classmethod
    def from_list(cls, values: list[float]) -> Hyper:
        """Undo `to_list`."""
        return cls(np.array(values[:-3], dtype=np.float64), *map(float, values[-3:]))


@dataclass
class MarginalLikelihood:
    """Negative log posterior of hyper-parameters (Rasmussen and Williams 2006, eq. 5.8 and 5.9).

    Matern-5/2 with a length scale per share, plus a linear term, plus a constant, plus noise. The
    work arrays are made once: for a few hundred rows allocating them costs more than the algebra.

    Parameters
    ----------
    inputs : ndarray, shape (m, p)
        Warped, scaled shares.
    outputs : ndarray, shape (m,)
        Standardised losses.
    repeats : tuple of float
        Pooled variance between runs of one mixture, in the same units, and its degrees of freedom
        (0 without repeats): they tell the noise apart from what the kernel misses.
    """

    inputs: Array
    outputs: Array
    repeats: tuple[float, int] = (0.0, 0)
    _work: list[Array] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        rows, width = self.inputs.shape
        self._work = [np.empty((rows, rows)) for _ in range(4)]
        self._linear = self.inputs @ self.inputs.T
        self._squares = self.inputs**2
        priors = [*[_PRIOR["length"]] * width, *(_PRIOR[name] for name in ("smooth", "noise", "linear"))]
        self._mean, self._sd = np.array(priors).T
        bounds = [_BOUNDS["length"]] * width + [_BOUNDS[name] for name in ("smooth", "noise", "linear")]
        self._bounds = bounds

    def __call__(self, theta: Array) -> tuple[float, Array]:
        """Value and derivatives at the logarithms of lengths, smooth, noise, linear."""
        width = self.inputs.shape[1]
        lengths = np.exp(theta[:width])
        smooth, noise, linear = np.exp(theta[width:])
        distance, decay, slope, covariance = self._work
        scaled = self.inputs / lengths
        norms = np.einsum("ij,ij->i", scaled, scaled)
        np.dot(scaled, scaled.T, out=distance)
        distance *= -2
        distance += norms[:, None]
        distance += norms
        np.maximum(distance, 0.0, out=distance)
        distance *= 5.0
        np.sqrt(distance, out=distance)
        np.negative(distance, out=decay)
        np.exp(decay, out=decay)
        np.multiply(distance, decay, out=slope)
        slope += decay  # (1 + d) exp(-d)
        np.square(distance, out=distance)
        distance *= decay
        distance *= 1 / 3
        distance += slope
        matern = distance  # (1 + d + d^2 / 3) exp(-d)
        np.multiply(matern, smooth, out=covariance)
        np.multiply(self._linear, linear, out=decay)
        covariance += decay
        covariance += CONSTANT
        covariance.ravel()[:: len(covariance) + 1] += noise + JITTER
        # The transposed view is in Fortran order: LAPACK works in place.
        factor, failed = lapack.dpotrf(covariance.T, lower=1, overwrite_a=1, clean=1)
        if failed:
            return _FAILED, np.zeros_like(theta)
        weights = lapack.dpotrs(factor, self.outputs, lower=1)[0]
        value = 0.5 * float(self.outputs @ weights) + float(np.log(np.diagonal(factor)).sum())
        half, _ = lapack.dpotri(factor, lower=1, overwrite_c=1)
        # half + half.T is weights weights' - inverse; one triangle of the inverse suffices.
        np.negative(half, out=half)
        half.T.ravel()[:: len(half) + 1] *= 0.5
        np.multiply(weights[:, None], 0.5 * weights, out=decay)
        half += decay
        slope *= half
        rows, columns = slope.sum(axis=1), slope.sum(axis=0)
        pull = rows @ self._squares + columns @ self._squares
        pull -= 2 * np.einsum("ij,ij->j", self.inputs, slope @ self.inputs)
        gradient = np.empty_like(theta)
        gradient[:width] = -smooth * (5 / 3) * pull / lengths**2
        gradient[width] = -smooth * _dot(half, matern)
        gradient[width + 1] = -noise * float(np.trace(half))
        gradient[width + 2] = -linear * _dot(half, self._linear)
        off = (theta - self._mean) / self._sd
        value += 0.5 * float(off @ off)
        gradient += off / self._sd
        variance, freedom = self.repeats
        if freedom:
            value += 0.5 * freedom * (theta[width + 1] + variance / noise)
            gradient[width + 1] += 0.5 * freedom * (1 - variance / noise)
        return value, gradient

    def start(self) -> Array:
        """Logarithms where a fit without another start begins."""
        variances = [_START[name] for name in ("smooth", "noise", "linear")]
        return np.array([_START["length"]] * self.inputs.shape[1] + variances)

    def maximise(self, start: Array | None = None, steps: int = 40) -> tuple[Array, float]:
        """Best logarithms near a start, and the negative log posterior there (without its constant)."""
        found = minimize(
            self,
            self.start() if start is None else start,
            jac=True,
            method="L-BFGS-B",
            bounds=self._bounds,
            options={"maxiter": steps, "ftol": 1e-5},
        )
        return np.asarray(found.x, dtype=np.float64), float(found.fun) + 0.5 * len(self.outputs) * log(2 * pi)


def _dot(one: Array, two: Array) -> float:
    """Sum of products; `two` is symmetric, so the order of the elements does not matter."""
    return float(np.vdot(one.T, two)) if one.flags.f_contiguous else float(np.vdot(one, two))
