"""The benchmark's command on a folder of the published layout made from a known truth."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from benchmarks import mixtures
from dcpt.core.errors import DataError
from tests.unit.fit.mixtures.conftest import curved, make_table


@pytest.fixture
def folder(tmp_path):
    for part, runs, seed in (("train", 40, 0), ("test", 30, 1)):
        table = make_table(curved, runs=runs, seed=seed, noise=0.002)
        shares = pd.DataFrame(table.shares.round(3), columns=list(table.corpora)).assign(index=range(runs))
        losses = pd.DataFrame(table.losses, columns=list(table.targets)).assign(index=range(runs))
        columns = list(shares)[::-1] if part == "test" else list(shares)
        shares[columns].to_csv(tmp_path / f"{part}_mixture.csv", index=False)
        losses.sample(frac=1, random_state=0).to_csv(tmp_path / f"{part}_any_loss.csv", index=False)
    return tmp_path


def test_prints_one_json_line_last(folder, capsys):
    mixtures.main(["--data", str(folder), "--json", "--repeats", "1", "--runs", "24", "--subsets", "2"])
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 1
    document = json.loads(lines[0])
    assert {"r2", "mae", "spearman", "coverage90", "seconds", "predictor"} <= set(document)
    assert (document["train_runs"], document["test_runs"], document["targets"]) == (24, 30, 2)
    assert document["mae"] == pytest.approx(np.mean([one["mae"] for one in document["each"]]))
    assert document["r2"] > 0.9


def test_what_is_asked_for_must_be_there(folder):
    with pytest.raises(DataError, match="--data is missing"):
        mixtures.main([])
    with pytest.raises(DataError, match="--runs is 400; wanted 1 to 40"):
        mixtures.main(["--data", str(folder), "--runs", "400"])
