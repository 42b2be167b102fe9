"""A law at points of its own in every draw: the fit's numbers, moved by base and offset."""

from __future__ import annotations

import numpy as np
import pytest

from dcpt.core.errors import ConfigError
from dcpt.plan.supply.drawn_law import DrawnLaw
from dcpt.plan.supply.question import Limit, Question, Term
from dcpt.plan.supply.repetition import Supply

SHIFT = dict(S=0.2, Q=0.5, p=0.1, g=0.3, h=0.1, v=-0.1, eps=0.01, w=-0.5, c=1.0)


@pytest.fixture(scope="module")
def fit(synthetic):
    return synthetic.fit_of("general", SHIFT, law="anchored-shift", draws=20)


def test_every_draw_is_the_fits_at_its_own_point(fit):
    rows = np.array([3, 7, 11])
    shifts, offsets = np.array([0.0, 0.01, -0.02]), np.array([0.005, 0.0, -0.003])
    law = DrawnLaw("general", fit, 0.6e6, rows, {"L0": 3.2}, {"L0": shifts}, offsets)
    D, r = np.array([0.4e6, 0.8e6, 1.2e6]), np.array([0.2, 0.5, 0.8])
    found = law.losses(np.array([1, 2, 3]), D, r, Supply())
    for place, row in enumerate(rows):
        start = {"L0": 3.2 * np.exp(shifts[place])}
        expected = fit.draw_means(0.6e6, D[place], r[place], start)[row, 0] * np.exp(offsets[place])
        assert found[place] == pytest.approx(expected, rel=1e-12)
    point = law.losses(slice(0, 1), D[:1], r[:1], Supply())
    assert point[0] == pytest.approx(fit.mean(0.6e6, D[0], r[0], {"L0": 3.2})[0], rel=1e-12)


def test_between_sizes_is_close_to_the_size_itself(fit):
    def at(N):
        law = DrawnLaw("general", fit, N, np.arange(5), {"L0": 1.4 + 2.0 * (N / 1e6) ** -0.16})
        return Question((Term(law),), (Limit(law, 1.02 * law.start["L0"]),))

    sizes = np.array([0.4e6, 0.6e6, 0.9e6])
    x, here = np.log(sizes), np.log(0.7e6)
    weights = [np.prod([(here - x[j]) / (x[i] - x[j]) for j in range(3) if j != i]) for i in range(3)]
    between = Question.between(0.7e6, [at(N) for N in sizes], weights)
    exact = at(0.7e6)
    where = (np.array([[0.5e6]]), np.array([[0.4]]), Supply())
    everyone = slice(0, 6)
    assert between.N == 0.7e6
    np.testing.assert_allclose(between.value(everyone, *where), exact.value(everyone, *where), rtol=1e-4)
    np.testing.assert_allclose(between.excess(everyone, *where), exact.excess(everyone, *where), atol=1e-4)


def test_a_loss_without_weight_is_told_and_not_minimised(synthetic):
    laws = {side: DrawnLaw(side, synthetic.fit_of(side, draws=2), 0.6e6, np.arange(2)) for side in
            ("general", "domain")}  # fmt: skip
    where = (slice(0, 1), np.array([1e6]), np.array([0.5]), Supply())
    both = Question((Term(laws["domain"]), Term(laws["general"], 0.0)))
    assert both.value(*where) == Question((Term(laws["domain"]),)).value(*where)
    assert {law.name for law in both.laws} == {"general", "domain"}
    with pytest.raises(ConfigError, match="no loss to minimise"):
        Question((Term(laws["general"], 0.0),))


def test_unpaired_laws_are_refused(synthetic, fit):
    domain = synthetic.fit_of("domain", draws=20)
    with pytest.raises(ConfigError, match="2 draws of L0 for 3"):
        DrawnLaw("general", fit, 0.6e6, np.arange(3), {"L0": 3.0}, {"L0": np.zeros(2)})
    one, two = (DrawnLaw("domain", domain, N, np.arange(3)) for N in (0.6e6, 0.7e6))
    with pytest.raises(ConfigError, match="2 sizes"):
        Question((Term(one), Term(two)))
    with pytest.raises(ConfigError, match="paired draws"):
        Question((Term(one), Term(DrawnLaw("domain", domain, 0.6e6, np.arange(4)))))
