"""A sweep that varies what is done in training, from the file to a table that tells the runs apart."""

from __future__ import annotations

import sys
from pathlib import Path

import pandas as pd
import yaml
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "sweep"))

from tiny_text import BATCH, CONTEXT, STEP, tiny_document, write_sweep

from dcpt.cli.main import app
from dcpt.core.loss_table import LossTable

VARIANTS = [
    {"name": "plain"},
    {"name": "mer", "mer": {"every_tokens": 5 * STEP, "rate": 0.2}, "tilt": 1.0},
    {"name": "pool", "pool_tokens": {"law": 5 * STEP}, "pool_of": "run", "start": {"optimizer": "restored"}},
]


def test_options_are_an_axis_of_a_sweep(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path / "sweep")
    cpt = {**tiny_document()["cpt"], "ratios": [0.5], "budgets": [20 * STEP], "variants": VARIANTS}
    (folder / "sweep.yaml").write_text(yaml.safe_dump(tiny_document(cpt=cpt), sort_keys=False))
    call = CliRunner().invoke(app, ["sweep", "check", str(folder)])
    assert "variant 'pool': 320 distinct tokens of 'law' are each run's pool: 2 epochs" in call.stdout
    assert CliRunner().invoke(app, ["sweep", "run", str(folder), "--slots", "2"]).exit_code == 0

    frame = pd.read_csv(folder / "losses.csv")
    ends = frame.query("phase == 'end' and eval_set == 'domain' and metric == 'loss'").set_index("run")
    assert list(ends.index) == [
        "r0.5-s0",
        "r0.5-s0 mer_every=5,mer_rate=0.2,tilt=1",
        "r0.5-s0 pool:law=320,restored=1",
    ]
    assert ends["U"].tolist()[2] == 5 * STEP
    assert ends["U"].tolist()[0] > 20 * STEP / 2
    # Pulled back four times to a fifth of the way it learns less of the domain than with plain steps.
    assert ends["value"].iloc[1] > ends["value"].iloc[0]
    assert ends["value"].nunique() == 3
    table = LossTable.read(folder / "losses.csv", extras=["mer_rate", "tilt", "U"])
    assert len(set(table.groups)) == 4  # the base, and three runs of one N, r and seed
    assert ends["D"].unique().tolist() == [20 * BATCH * CONTEXT]
