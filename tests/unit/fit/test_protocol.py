"""The D-CPT paper's protocol: its splits, and figures that follow from known predictions."""

from __future__ import annotations

import json

import numpy as np
import pytest

from dcpt.core.errors import ConfigError, FitError
from dcpt.fit import fit_law
from dcpt.fit.dataset import prepare
from dcpt.fit.objective import huber
from dcpt.fit.protocol import EFFECTIVENESS, dcpt_protocol

NINE = (0.0, 0.1, 0.2, 0.33, 0.5, 0.67, 0.8, 0.9, 1.0)
THREE = (0.5e6, 1.8e6, 4e6)


def test_the_paper_s_design_gives_its_splits(make):
    # Three sizes, nine ratios: 3 folds over sizes, 3 over tokens, 36 over pairs of ratios.
    tokens = tuple(np.linspace(0.5e6, 6e6, 9))
    table = make(noise=0.002, sizes=THREE, ratios=NINE, tokens=tokens)
    found = dcpt_protocol(table, "domain", "d-cpt")
    frame = found.frame.set_index("part")
    assert dict(frame["splits"]) == {
        EFFECTIVENESS: 1,
        "model size": 3,
        "dataset size": 3,
        "mixture ratio": 36,
    }
    assert frame.loc["mixture ratio", "rows"] == 8 * len(table)  # each ratio is in 8 of the 36 pairs
    assert frame.loc[EFFECTIVENESS, "rows"] == frame.loc["model size", "rows"] == len(table)
    assert frame.loc[EFFECTIVENESS, "r2"] > 0.99
    assert frame.loc[EFFECTIVENESS, "r2"] >= frame.loc["model size", "r2"]


def test_a_truth_almost_without_noise_scores_one_and_zero(make):
    found = dcpt_protocol(make(noise=1e-4, sets=("general", "domain")), laws="d-cpt", corners=False)
    assert set(found.averages["role"]) == {"general", "domain", "both"}
    assert (found.averages["r2"] > 0.99).all()
    assert (found.averages["huber"] < 1e-5).all()


def test_figures_follow_from_the_predictions(make):
    table = make(noise=0.004, sets=("general", "domain"))
    found = dcpt_protocol(table, laws=("chinchilla",), corners=False)
    data, _ = prepare(table, "domain")
    fit = fit_law("chinchilla", table, "domain", bootstrap=0, holdouts=False)
    predicted = fit.mean(data.N, data.D, data.r)
    row = found.frame[(found.frame["part"] == EFFECTIVENESS) & (found.frame["role"] == "domain")].iloc[0]
    spread = ((data.loss - data.loss.mean()) ** 2).sum()
    assert row["r2"] == pytest.approx(1 - ((predicted - data.loss) ** 2).sum() / spread, rel=1e-6)
    losses = huber(np.log(predicted / data.loss), 1e-3)
    assert row["huber"] == pytest.approx(losses.mean(), rel=1e-6)
    assert row["huber_sum"] == pytest.approx(fit.objective, rel=1e-6)
    both = found.averages.set_index(["part", "role"])["r2"]
    assert both[EFFECTIVENESS, "both"] == pytest.approx(
        (both[EFFECTIVENESS, "general"] + both[EFFECTIVENESS, "domain"]) / 2
    )


def test_parts_the_data_do_not_allow_are_said(make):
    found = dcpt_protocol(make(noise=0.002, ratios=(0.3, 0.6, 0.8)), "domain", ("d-cpt", "chinchilla"))
    assert set(found.frame["law"]) == {"d-cpt", "chinchilla"}
    assert "do not allow" in found.refused["d-cpt on domain, mixture ratio"]
    assert "mixture ratio" not in set(found.frame["part"])
    with pytest.raises(FitError, match="one model size only"):
        dcpt_protocol(make(sizes=(1e6,)), "domain", "d-cpt")


def test_summary_and_json(make):
    found = dcpt_protocol(make(noise=0.002), "domain", "chinchilla")
    text = found.summary()
    assert "R2 domain" in text
    assert "mixture ratio (10)" in text
    assert "Where the paper is silent" in text
    document = json.loads(json.dumps(found.to_dict(), allow_nan=False))
    assert document["schema_version"] == 1
    assert len(document["rows"]) == 4
    assert document["conventions"]
    with pytest.raises(ConfigError, match="delta is 0"):
        dcpt_protocol(make(), "domain", delta=0)
