"""Places where a first user stumbled: what is said there now, and that it is what helps."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

SCHEDULE = "wsd(peak=1e-3, steps=384, decay=20%)"


@pytest.mark.parametrize(
    ("values", "said", "hint"),
    [
        (
            "10,20",
            "got 10; replay compares general shares of the tokens, numbers in [0, 1]",
            "write 0.1 for 10 %",
        ),
        ("0.1,120%", "got 120%; replay compares general shares", ""),
        ("0.1,x", "--values: got 'x'; wanted a share such as 0.2 or 20%", ""),
    ],
)
def test_shares_in_per_cent_are_named_as_such(
    call: Callable[..., Any], folder: Path, values: str, said: str, hint: str
) -> None:
    answer = call("plan", "curves", "--schedule", SCHEDULE, "--ask", "replay", "--values", values)
    assert (answer.code, answer.out) == (2, "")
    assert said in answer.err
    assert hint in answer.err


def without(column: str, losses: Path, path: Path) -> Path:
    with open(losses, newline="") as source, open(path, "w", newline="") as target:
        rows = list(csv.DictReader(source))
        writer = csv.DictWriter(target, [name for name in rows[0] if name != column], extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    return path


def test_a_hint_names_a_flag_that_the_command_has(
    call: Callable[..., Any], folder: Path, losses: Path, fits: Path
) -> None:
    short = without("D", losses, folder / "short.csv")
    assert "hint: map your own name to it: --map D=YOUR_COLUMN" in call("fit", str(short)).err
    from dcpt.core.errors import DataError
    from dcpt.core.loss_table import LossTable

    with pytest.raises(DataError) as caught:  # what `dcpt compare` reads with, which has no --map
        LossTable.read(short)
    assert str(caught.value.hint).startswith("map your own name to it: dcpt ingest csv FILE --map D=")


def test_scales_may_stand_in_one_list(call: Callable[..., Any], folder: Path, losses: Path) -> None:
    words = ("ingest", "csv", str(losses), "--scale", "N=2,D=1k", "-o")
    assert call(*words, "scaled.csv").code == 0
    assert call("ingest", "csv", str(losses), "-o", "plain.csv").code == 0
    plain, scaled = (
        [
            (float(row["N"]), float(row["D"]))
            for row in csv.DictReader((folder / name).read_text().splitlines())
        ]
        for name in ("plain.csv", "scaled.csv")
    )
    assert scaled == [(2 * N, 1000 * D) for N, D in plain]
    answer = call(*words[:-2], "N=2,x", "-o", "other.csv")
    assert (answer.code, "--scale N: got '2,x'" in answer.err) == (2, True)


def test_a_folder_for_a_table_says_which_file_or_which_laws(
    call: Callable[..., Any], folder: Path, losses: Path
) -> None:
    (folder / "logs").mkdir()
    answer = call("fit", "logs")
    assert (answer.code, answer.out) == (3, "")
    assert "logs: is a folder; wanted a table of losses" in answer.err
    assert "--law auto-curve" in answer.err
    losses.rename(folder / "logs" / "losses.csv")
    assert "hint: the table in it: logs/losses.csv" in call("fit", "logs").err


def test_fits_go_into_a_folder_whatever_it_is_called(
    call: Callable[..., Any], folder: Path, losses: Path
) -> None:
    fit = ("fit", str(losses), "--law", "chinchilla", "--bootstrap", "0", "--no-holdouts", "-o")
    for name in ("v1.2", "runs.json"):
        (folder / name).mkdir()
        assert call(*fit, name).code == 0
        assert (folder / name / "fit.json").exists()
        assert call("predict", name, "--at", "N=1M,D=2M").code == 0


def test_many_fits_are_a_table_and_in_full_on_request(
    call: Callable[..., Any], folder: Path, losses: Path
) -> None:
    fit = ("fit", str(losses), "--law", "chinchilla", "--law", "kaplan", "--bootstrap", "0", "--no-holdouts")
    brief, full = call(*fit), call(*fit, "--verbose")
    assert (brief.code, full.code) == (0, 0)
    assert "--verbose" in brief.err
    assert len(brief.out.splitlines()) < 15 < len(full.out.splitlines()) / 3
    for word in ("chinchilla", "kaplan", "general", "domain"):
        assert word in brief.out
