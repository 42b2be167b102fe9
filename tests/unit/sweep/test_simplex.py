"""Designs on the simplex: the density they claim, the bounds they keep, the decimals they end as."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpt.core.errors import ConfigError
from dcpt.sweep.simplex import fill, round_shares, spread, vertex


@st.composite
def bounds(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Least and greatest shares between which mixtures lie."""
    size = draw(st.integers(2, 8))
    inside = np.array(draw(st.lists(st.floats(0.01, 1), min_size=size, max_size=size)))
    inside = inside / inside.sum()
    parts = st.lists(st.floats(0, 1), min_size=size, max_size=size)
    low = np.round(inside * np.array(draw(parts)), 6)
    return np.minimum(low, inside), np.minimum(1.0, np.ceil(1e6 * inside) / 1e6 + np.array(draw(parts)))


@given(bounds(), st.integers(1, 40), st.integers(0, 5), st.sampled_from(["sobol-simplex", "dirichlet"]))
@settings(max_examples=40)
def test_mixtures_keep_their_bounds(
    limits: tuple[np.ndarray, np.ndarray], count: int, seed: int, kind: str
) -> None:
    low, high = limits
    found = spread(count, np.full(len(low), 0.7), low, high, seed, kind)  # type: ignore[arg-type]
    assert np.abs(found.sum(axis=1) - 1).max() < 1e-9
    assert (found >= low - 1e-9).all()
    assert (found <= high + 1e-7).all()
    longer = spread(count + 7, np.full(len(low), 0.7), low, high, seed, kind)  # type: ignore[arg-type]
    assert np.array_equal(longer[:count], found)


@given(bounds(), st.integers(0, 5))
@settings(max_examples=40)
def test_decimals_sum_to_one_and_keep_the_bounds(limits: tuple[np.ndarray, np.ndarray], seed: int) -> None:
    low, high = limits
    exact = spread(5, np.ones(len(low)), low, high, seed)
    rounded = round_shares(exact, low, high)
    assert (np.round(rounded * 1e6).astype(int).sum(axis=1) == 10**6).all()
    assert np.abs(rounded - exact).max() < len(low) * 1e-6
    assert (rounded >= low - 1.01e-6).all()
    assert (rounded <= high + 1.01e-6).all()


def test_without_bounds_the_density_is_dirichlet() -> None:
    """Means a_i/a and variances of Dirichlet(a): Johnson, Kotz and Balakrishnan, chapter 49."""
    alpha = np.array([2.0, 1.0, 0.5])
    mean = alpha / alpha.sum()
    variance = mean * (1 - mean) / (alpha.sum() + 1)
    for kind, slack in (("sobol-simplex", 0.002), ("dirichlet", 0.03)):
        found = spread(2048, alpha, np.zeros(3), np.ones(3), 1, kind)  # type: ignore[arg-type]
        assert np.abs(found.mean(axis=0) - mean).max() < slack
        assert np.abs(found.var(axis=0) - variance).max() < slack


def test_a_sobol_design_covers_better_than_draws() -> None:
    """The farthest a mixture lies from its nearest in the design, worst over many mixtures."""
    ask = spread(4000, np.ones(4), np.zeros(4), np.ones(4), 99, "dirichlet")

    def worst(kind: str, seed: int) -> float:
        design = spread(32, np.ones(4), np.zeros(4), np.ones(4), seed, kind)  # type: ignore[arg-type]
        return float(np.sqrt(((ask[:, None] - design) ** 2).sum(-1)).min(axis=1).mean())

    ours = [worst("sobol-simplex", seed) for seed in range(5)]
    assert np.mean(ours) < np.mean([worst("dirichlet", seed) for seed in range(5)])


def test_equal_upper_bounds_favour_no_corpus() -> None:
    found = spread(2048, np.ones(4), np.zeros(4), np.full(4, 0.3), 0)
    assert np.abs(found.mean(axis=0) - 0.25).max() < 0.005


def test_vertices_and_filling() -> None:
    low, high = np.array([0.1, 0.0, 0.0]), np.array([0.5, 1.0, 0.2])
    assert vertex(0, np.array([1.0, 3.0, 1.0]), low, high) == pytest.approx([0.5, 0.375, 0.125])
    assert vertex(1, np.ones(3), low, high) == pytest.approx([0.1, 0.9, 0.0])
    # What a full share cannot take goes to the others.
    assert fill(low, np.array([0.0, 1.0, 9.0]), high) == pytest.approx([0.1, 0.7, 0.2])


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [([0.6, 0.6], [1, 1], "least shares sum to 1.2"), ([0, 0], [0.4, 0.5], "greatest shares sum to 0.9")],
)
def test_bounds_without_a_mixture(low: list[float], high: list[float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        spread(4, np.ones(2), np.array(low), np.array(high), 0)
