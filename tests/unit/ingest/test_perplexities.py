"""Perplexities are no losses: 30 nats per token would be worse than any guess."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

from dcpt.ingest.csv_table import import_table, read_cells, to_table
from dcpt.ingest.reading import Reading

LOSSES = [2.9, 3.1, 3.3, 3.6]


def write(path: Path, values: list[float], column: str) -> Reading:
    rows = "".join(f"{10**6 * (i + 1)},2000000,0.3,general,{value}\n" for i, value in enumerate(values))
    path.write_text(f"N,D,r,eval_set,{column}\n{rows}")
    return Reading(columns={} if column == "value" else {"value": column})


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        (
            "value",
            [math.exp(loss) for loss in LOSSES],
            "look like perplexities (a guess among a million",
        ),
        ("value", LOSSES, ""),
        ("value", [11.0, 11.5, 12.0, 12.4], ""),  # an untrained model of a large vocabulary
        ("eval/ppl", [6.0, 7.0, 8.0, 9.0], "look like perplexities (the column is called 'eval/ppl')"),
        ("val_perplexity", [6.0, 7.0, 8.0, 9.0], "(the column is called 'val_perplexity')"),
        ("log_ppl", LOSSES, ""),
        ("supplement", LOSSES, ""),
    ],
)
def test_a_note_says_what_they_look_like(tmp_path: Path, column: str, values: list[float], said: str) -> None:
    path = tmp_path / "runs.csv"
    reading = write(path, values, column)
    found, _ = read_cells(path, reading)
    _, report = to_table(found, path, reading, strict=True)
    _, imported = import_table(path, reading)
    notes = [note for note in report.notes if "perplex" in note]
    assert notes == [note for note in imported.notes if "perplex" in note]
    assert len(notes) == (1 if said else 0)
    assert all(said in note for note in notes)
    middle = math.log(sum(sorted(values)[1:3]) / 2)
    assert all(f"give the logarithm, {middle:.4g} there" in note for note in notes)
