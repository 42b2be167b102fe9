"""A sweep of mixtures of four corpora, and losses a world of mixtures would give."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import yaml
from tiny_text import DOMAIN, GENERAL, STEP, tiny_document, write_documents, write_sweep

from dcpt.core import files
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.cost.parameters import count_parameters
from dcpt.run import store
from dcpt.sweep.mixture_rows import eval_set_of
from dcpt.sweep.prepare import Sweep, prepare

CORPORA = ("prose", "notes", "law", "code")
WORDS = {"notes": GENERAL + " sun moon star", "code": DOMAIN + " def return import"}


def four_document(mixtures: Any, budgets: tuple[int, ...] = (30 * STEP,), **cpt: Any) -> dict[str, Any]:
    """The sweep file: two corpora a side, `mixtures` as given."""
    document = tiny_document()
    prose, law = document["corpora"]

    def like(corpus: dict[str, Any], name: str) -> dict[str, Any]:
        return {**corpus, "name": name, "source": {"kind": "jsonl", "path": f"{name}.jsonl"}}

    document["corpora"] = [prose, like(prose, "notes"), law, like(law, "code")]
    grid = {key: value for key, value in document["cpt"].items() if key != "ratios"}
    document["cpt"] = {**grid, "budgets": list(budgets), "mixtures": mixtures, "max_epochs": 50, **cpt}
    document["evaluation"] = {"every_tokens": 30 * STEP, "sequences": 16}
    return document


def write_four(folder: Path) -> Path:
    """The texts of the four corpora."""
    write_sweep(folder)
    for number, (name, words) in enumerate(WORDS.items()):
        write_documents(folder / f"{name}.jsonl", words, documents=60, seed=3 + number)
    return folder


def true_losses(shares: dict[str, float], noise: float = 0.0) -> dict[str, float]:
    """A known world: every corpus has an optimum of its own, and 'domain' one inside the simplex."""
    wanted = {
        "prose": (1.0, 0.0, 0.0, 0.0),
        "notes": (0.3, 0.7, 0.0, 0.0),
        "law": (0.1, 0.0, 0.6, 0.3),
        "code": (0.1, 0.0, 0.4, 0.5),
    }
    row = np.array([shares[name] for name in CORPORA])
    found = {
        name: 2.0
        + 0.8 * float(((np.sqrt(row) - np.sqrt(best)) ** 2).sum())
        + noise * float(np.sin(997 * row[0]))
        for name, best in wanted.items()
    }
    found["general"] = (found["prose"] + found["notes"]) / 2
    found["domain"] = (found["law"] + found["code"]) / 2
    return found


def pretend_finished(root: Path, run: RunSpec, noise: float = 0.0) -> None:
    """A run's folder as the trainer leaves it, its losses those of the known world."""
    folder = store.write_spec(root, run)
    if RunRecord.load(folder) is not None:
        return
    RunRecord(run.run_id, "finished", parameters=count_parameters("llama", run.model.config)).save(folder)
    losses = true_losses(dict(run.mixture.phases[0].shares), noise)
    rows = [
        {
            "kind": "eval", "step": step, "phase": "base" if run.kind == "base" else "end",
            "eval_set": eval_set, "metric": "loss", "unit": "nats_per_token", "value": losses[name],
            "sem": 0.01, "n_eval_tokens": 256, "eta": 0.0, "S1": 0.0, "S2": 0.0, "tokens": step * STEP,
            "D": 0 if run.kind == "base" else step * STEP, "r_seen": run.r,
        }
        for step in run.evaluation.ends
        for name, eval_set in eval_set_of(run.mixture.roles).items()
    ]  # fmt: skip
    files.append_lines(folder / "metrics.jsonl", rows)


def sweep_of(folder: Path, mixtures: Any, **cpt: Any) -> Sweep:
    """The sweep in a folder, with other mixtures."""
    (folder / "sweep.yaml").write_text(yaml.safe_dump(four_document(mixtures, **cpt), sort_keys=False))
    return prepare(folder)
