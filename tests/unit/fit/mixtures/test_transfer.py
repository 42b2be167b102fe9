"""Few larger runs on top of many cheap ones: two sizes made from a known truth."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import DataError, FitError
from dcpt.fit.mixtures import ProcessPredictor, choose, fit_transfer, load_mixtures
from dcpt.fit.mixtures.transfer import TransferPredictor
from tests.unit.fit.mixtures.conftest import curved, make_table


def larger(shares):
    """The cheap truth, lower and flatter, and bent where law is common."""
    return 0.4 + 0.7 * curved(shares) - 0.02 * np.sqrt(shares[:, [1]])


@pytest.fixture(scope="module")
def cheap():
    return ProcessPredictor().fit(make_table(curved, runs=100, noise=0.002))


@pytest.fixture(scope="module")
def far():
    return np.random.default_rng(11).dirichlet(np.full(4, 0.7), 300)


@pytest.fixture(scope="module")
def eight(cheap):
    return fit_transfer(cheap, make_table(larger, runs=8, noise=0.002, seed=5))


def test_eight_larger_runs_give_the_level_and_the_slope(eight, far):
    error = np.abs(eight.mean(far) - larger(far)).mean()
    alone = choose(make_table(larger, runs=8, noise=0.002, seed=5), candidates=[ProcessPredictor()])
    assert error < 0.008
    assert error < 0.4 * np.abs(alone.mean(far) - larger(far)).mean()
    assert {item.name for item in eight.choice.tried} == {"transfer(level)", "transfer(line)"}


def test_slopes_are_drawn_towards_one_where_runs_say_little(cheap):
    four = make_table(larger, runs=4, noise=0.002, seed=5)
    slope = TransferPredictor(cheap).fit(four).slope
    assert ((slope > 0.6) & (slope < 1.0)).all()
    noisy = make_table(larger, runs=4, noise=0.5, seed=5)
    assert TransferPredictor(cheap).fit(noisy).slope == pytest.approx(1.0, abs=0.35)


def test_more_runs_let_a_process_take_what_the_line_misses(cheap, far):
    forty = make_table(larger, runs=40, noise=0.002, seed=5)
    fit = fit_transfer(cheap, forty)
    line = TransferPredictor(cheap).fit(forty)
    assert "transfer(line + process)" in fit.name
    assert np.abs(fit.mean(far) - larger(far)).mean() < 0.8 * np.abs(line.mean(far) - larger(far)).mean()
    low, high = fit.interval(far, noise=False)
    assert 0.75 <= ((low <= larger(far)) & (larger(far) <= high)).mean() <= 1


def test_a_transfer_keeps_the_protocol_and_survives_its_file(eight, far, tmp_path):
    again = load_mixtures(eight.write(tmp_path / "transfer.json"))
    assert again.mean(far) == pytest.approx(eight.mean(far), abs=1e-12)
    assert again.sd(far) == pytest.approx(eight.sd(far), abs=1e-12)
    ask = far[:3]
    gradient = eight.gradient(ask)
    step = np.array([0, 0, 1e-6, 0])
    numeric = (eight.mean(ask + step) - eight.mean(ask - step)) / 2e-6
    assert gradient[:, :, 2] == pytest.approx(numeric, abs=1e-3)
    drawn = eight.draws(ask, 2000, 3)
    assert drawn.std(axis=0) == pytest.approx(eight.sd(ask, noise=False), rel=0.25)
    assert eight.draws(ask[[1]], 2000, 3)[:, 0] == pytest.approx(drawn[:, 1])


def test_columns_are_matched_by_name(cheap, eight, far):
    table = make_table(larger, runs=8, noise=0.002, seed=5)
    turned = type(table)(
        table.corpora[::-1], table.targets[::-1], table.shares[:, ::-1], table.losses[:, ::-1], table.index
    )
    assert fit_transfer(cheap, turned).mean(far) == pytest.approx(eight.mean(far), abs=1e-12)
    with pytest.raises(DataError, match="targets 't1' is not in the other table"):
        fit_transfer(cheap, table.only(["t0"]))
    with pytest.raises(FitError, match="3 distinct mixtures; wanted at least 4"):
        fit_transfer(cheap, table.rows(np.arange(3)))
