"""The table of mixtures: what it normalises, what it refuses, what its parts are."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import DataError
from dcpt.core.mixture_table import MixtureTable

SHARES = [[0.5, 0.3, 0.2], [0.0, 1.0, 0.0], [0.5, 0.3, 0.2]]
LOSSES = [[3.0, 2.0], [2.5, 2.6], [3.1, 2.1]]


def table(**changed):
    given = {
        "corpora": ("a", "b", "c"),
        "targets": ("x", "y"),
        "shares": SHARES,
        "losses": LOSSES,
        "index": ("1", "2", "3"),
    }
    return MixtureTable(**{**given, **changed})


def test_rows_are_divided_by_their_sums():
    made = table(shares=[[0.5, 0.3, 0.203], [0, 0.996, 0], [0.5, 0.3, 0.2]])
    assert made.shares.sum(axis=1) == pytest.approx(1, abs=1e-15)
    assert made.shares[0, 2] == pytest.approx(0.203 / 1.003)
    with pytest.raises(ValueError, match="read-only"):
        made.shares[0, 0] = 1


def test_repeats_share_a_mixture():
    numbers = table().mixtures
    assert numbers[0] == numbers[2] != numbers[1]


def test_parts_keep_names_and_sizes():
    made = table(N=[1e6, 1e6, 2e6], seed=[0, 1, 2])
    part = made.rows(made.losses[:, 0] > 2.9)
    assert part.index == ("1", "3")
    assert part.N.tolist() == [1e6, 2e6]
    assert part.D is None
    assert made.rows([2, 0]).index == ("3", "1")
    other = made.only(["y"])
    assert other.losses.tolist() == [[2.0], [2.6], [2.1]]
    with pytest.raises(DataError, match="target 'z' is not there; found x, y"):
        made.only(["z"])


def test_the_fingerprint_knows_the_numbers_and_not_the_order():
    assert table().fingerprint == table().rows([2, 0, 1]).fingerprint
    assert table().fingerprint != table(losses=np.add(LOSSES, [[0, 0], [0, 1e-6], [0, 0]])).fingerprint
    assert table().fingerprint != table(D=[1.0, 1.0, 1.0]).fingerprint


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"shares": np.multiply(SHARES, 100)}, "run 1: the shares sum to 100; wanted 1 within 0.01"),
        ({"shares": [[0.5, 0.3, 0.1], *SHARES[1:]]}, r"sum to 0.9; .*\(1 of 3 runs"),
        ({"shares": [[1.5, -0.3, -0.2], *SHARES[1:]]}, "run 1: the share of b is -0.3"),
        ({"shares": [[0.5, np.nan, 0.5], *SHARES[1:]]}, "the share of b is missing; .*\n  hint: write 0"),
        ({"shares": [[0.5, np.inf, 0.5], *SHARES[1:]]}, "the share of b is inf"),
        ({"losses": [[0.0, 1.0], *LOSSES[1:]]}, "run 1: the loss of x is 0; wanted a positive number"),
        ({"losses": [[np.nan, 1.0], *LOSSES[1:]]}, "the loss of x is missing"),
        ({"index": ("1", "2", "1")}, "run '1' stands twice"),
        ({"corpora": ("a", "b", "a")}, "corpora 'a' stands twice"),
        ({"corpora": ("a", "b")}, r"shares have the shape \(3, 3\); wanted 3 runs times 2"),
        ({"N": [1e6, 1e6]}, r"N has the shape \(2,\)"),
        ({"N": [1e6, 0.0, 1e6]}, r"run 2: N is 0.0; wanted a positive number"),
        ({"corpora": ("a",), "shares": [[1.0]] * 3}, "1 corpora"),
    ],
)
def test_refusals_say_what_and_where(changed, words):
    with pytest.raises(DataError, match=words):
        table(**changed)


def test_sides_and_base_losses_go_with_the_runs():
    base = [[3.5, 2.5], [3.5, 2.5], [3.6, 2.6]]
    made = table(sides=["general", "domain", "domain"], base=base)
    part = made.rows([2, 0]).only(["y"])
    assert part.base.tolist() == [[2.6], [2.5]]
    assert part.sides == ("general", "domain", "domain")
    assert made.fingerprint != table().fingerprint
    for changed, said in (
        ({"sides": ["general", "domain"]}, "there are 2 sides; wanted general or domain for each of 3"),
        ({"sides": ["general", "domain", "other"]}, "'other' is one of the sides"),
        ({"base": [[3.5], [3.5], [3.5]]}, "base losses have the shape"),
        ({"base": [[3.5, 0.0]] * 3}, "run 1: the base loss of y is 0; wanted a positive number"),
    ):
        with pytest.raises(DataError, match=said):
            table(**changed)
