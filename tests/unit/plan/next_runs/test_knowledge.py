"""The linear update of the ratio: against the closed form, and against real refits of a known surface."""

from __future__ import annotations

from types import ModuleType

import numpy as np
import pandas as pd
import pytest

from dcpt.core.loss_table import LossTable
from dcpt.fit.fit import fit_table
from dcpt.plan.make_plan import make_plan
from dcpt.plan.next_runs.belief import Belief, believe
from dcpt.plan.next_runs.candidate import Candidate, Cell
from dcpt.plan.next_runs.knowledge import Knowledge
from dcpt.plan.objective import Objective

QUESTION = Objective.of({"N": 1e6, "D": 2e6, "keep": "general <= -3%"})
OFFERED = (
    Candidate((Cell(0.055e6, 0.5, (0.33e6, 1.3e6)),), "repeat"),
    Candidate((Cell(0.6e6, 0.6, (1.3e6,)),), "ratio"),
    Candidate((Cell(0.6e6, 0.9, (0.66e6, 1.3e6)), Cell(0.6e6, 0.1, (1.3e6,))), "mixed"),
    Candidate((Cell(0.9e6, 0.6, (1.3e6,)),), "size"),
)


@pytest.fixture(scope="module")
def belief(synthetic: ModuleType) -> Belief:
    return believe(synthetic.fits(), QUESTION, synthetic.table())


def test_the_answer_and_its_interval_are_those_of_the_plan(synthetic: ModuleType, belief: Belief) -> None:
    plan = make_plan(synthetic.fits(), QUESTION, synthetic.table())
    assert belief.r == pytest.approx(plan.r, abs=1e-3)
    width = plan.r_hi - plan.r_lo
    assert belief.r_lo == pytest.approx(plan.r_lo, abs=0.15 * width)
    assert belief.r_hi == pytest.approx(plan.r_hi, abs=0.15 * width)


def test_buying_one_after_another_is_conditioning_on_all_at_once(belief: Belief) -> None:
    known = Knowledge.of(belief, OFFERED[:3])
    after = known.buy(0).buy(2)
    places = np.concatenate([known.places[0], known.places[2]])
    seen = known.anomalies[:, places]
    noise = np.zeros((len(places), len(places)))
    split = len(known.places[0])
    noise[:split, :split] = known._noise(OFFERED[0])
    noise[split:, split:] = known._noise(OFFERED[2])
    along = seen.T @ known.anomalies[:, 0]
    gain = along @ np.linalg.solve(seen.T @ seen + noise, along)
    closed = known.parameter_variance - known.scale * gain
    assert after.parameter_variance == pytest.approx(closed, rel=1e-8)


def test_a_candidate_bought_leaves_the_variance_that_was_promised(belief: Belief) -> None:
    known = Knowledge.of(belief, OFFERED)
    promised = known.variances_after()
    assert (promised <= known.variance).all()
    for number in range(len(OFFERED)):
        assert known.buy(number).variance == pytest.approx(promised[number], rel=1e-8)


def test_a_second_run_of_the_same_kind_tells_less_than_the_first(belief: Belief) -> None:
    known = Knowledge.of(belief, OFFERED)
    once = known.buy(1)
    first = known.variance - once.variance
    assert 0 < once.variance - once.buy(1).variance < first


def test_only_the_larger_size_lowers_the_error_of_the_law(belief: Belief) -> None:
    known = Knowledge.of(belief, OFFERED)
    sds = [known.law_error_after(candidate).sd for candidate in OFFERED]
    assert belief.law_error is not None
    now = belief.law_error.sd
    assert sds[:3] == pytest.approx([now] * 3)
    assert sds[3] < now


# A surface that the laws hold exactly, quadratic in log share: what is left is the noise.
SIZES, TOKENS, NOISE = (0.05e6, 0.1e6, 0.2e6, 0.4e6), (0.5e6, 1e6, 2e6), 0.003


def _losses(cells: list[tuple[float, float, int]], rng: np.random.Generator) -> pd.DataFrame:
    rows = []
    for N, r, seed in cells:
        for D in TOKENS:
            for side, s in (("general", 1 - r), ("domain", r)):
                base = 4.0 * (N / 1e5) ** -0.05
                x, y, n = np.log(D / 1e6), np.log((s + 0.05) / 1.05), np.log(N / 1e6)
                slopes = (-0.04, -0.12, -0.01) if side == "general" else (-0.08, -0.16, -0.015)
                log = np.log(base) - 0.05 + slopes[0] * x + (slopes[1] + slopes[2] * n) * y + 0.01 * y * x
                value = float(np.exp(log + NOISE * rng.standard_normal()))
                rows.append({"N": N, "D": D, "r": r, "seed": seed, "phase": "end", "eval_set": side,
                             "value": value, "run_id": f"{N:g}-{r}-{seed}-{D:g}"})  # fmt: skip
    return pd.DataFrame(rows)


def _bases() -> pd.DataFrame:
    return pd.DataFrame(
        {"N": N, "D": 0.0, "r": 0.0, "seed": 0, "phase": "base", "eval_set": side,
         "value": 4.0 * (N / 1e5) ** -0.05, "run_id": f"base-{N:g}"}
        for N in (*SIZES, 1e6) for side in ("general", "domain")
    )  # fmt: skip


def _believed(frame: pd.DataFrame) -> Belief:
    table = LossTable.from_frame(pd.concat([_bases(), frame], ignore_index=True))
    fits = fit_table(table, ("anchored-surface", "base-surface"), bootstrap=150, holdouts=False)
    return believe(fits, Objective.of({"N": 1e6, "D": 2e6, "keep": "general <= +2%"}), table)


def test_the_first_order_says_what_refits_say() -> None:
    cells = [(N, r, seed) for N in SIZES for r in (0.1, 0.3, 0.5, 0.7, 0.9) for seed in (0, 1)]
    found = _believed(_losses(cells, np.random.default_rng(2)))
    pull = np.hypot.reduce([np.linalg.norm(part) for part in found.pull.values()])
    assert 0.5 < pull / found.parameter_sd < 2
    moves = found.moves([Candidate((Cell(0.3e6, 0.6, (1e6,)),), "ratio")])
    for column, (name, fit) in enumerate(found.fits.items(), 1):
        drawn = np.log(fit.draw_means(0.3e6, 1e6, 0.6)[:, 0]).std()
        assert 0.5 < np.linalg.norm(moves[:, column]) / drawn < 2, name


def test_the_promised_variance_is_what_refits_with_the_runs_have() -> None:
    rng = np.random.default_rng(1)
    ratios = (0.1, 0.3, 0.5, 0.7, 0.9)
    before = _losses([(N, r, 0) for N in SIZES for r in ratios], rng)
    new = [(0.4e6, r, seed) for r in ratios for seed in (1, 2)]
    now = _believed(before)
    promised = Knowledge.of(now, [Candidate(tuple(Cell(N, r, TOKENS) for N, r, _ in new), "repeat")])
    share = promised.buy(0).parameter_variance / promised.parameter_variance
    refitted = [_believed(pd.concat([before, _losses(new, rng)], ignore_index=True)) for _ in range(3)]
    found = np.mean([after.parameter_sd**2 for after in refitted]) / now.parameter_sd**2
    assert share < 0.7
    assert found == pytest.approx(share, rel=0.35)
