"""dcpt fit with several tables: domains stacked, and laws judged on domains they have not seen."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

STARTS = {"ore": 4.0, "sea": 3.4, "tax": 3.0, "zoo": 2.6}


@pytest.fixture
def domains(folder: Path) -> list[str]:
    """Four tables NAME/losses.csv whose losses differ by their level, which the short run shows."""
    rng = np.random.default_rng(0)
    for name, start in STARTS.items():
        rows = [(N, 0.0, 0.0, start + 1.0) for N in (1e6, 4e6, 1.6e7)]
        for N in (1e6, 4e6, 1.6e7):
            for r in (0.2, 0.5, 0.8):
                for D in (1e6, 2e6, 4e6):
                    loss = start - 1 + 0.3 * (N / 1e6) ** -0.3 + 0.5 * r**-0.2 * (D / 1e6) ** -0.3
                    rows.append((N, D, r, loss * np.exp(1e-3 * rng.normal())))
        Path(name).mkdir()
        frame = pd.DataFrame(rows, columns=["N", "D", "r", "value"]).assign(eval_set="domain")
        frame.to_csv(f"{name}/losses.csv", index=False)
    return [f"{name}/losses.csv" for name in STARTS]


def test_pairs_left_out(domains: list[str], call: Callable[..., Any]) -> None:
    words = ("--law", "cross-d-cpt-k1", "--law", "d-cpt", "--protocol", "leave-2-domains")
    answer = call("fit", *domains, *words, "--json")
    assert answer.code == 0, answer.err
    document = answer.document
    (found,) = document["sets"]
    assert (document["kind"], document["protocol"]) == ("protocol", "leave-2-domains")
    assert found["domains"] == list(STARTS)
    assert found["short_run"] == {"N": 1e6, "r": 0.8, "D": [1e6, 2e6, 4e6]}
    assert len({row["left_out"] for row in found["rows"]}) == 6
    assert found["tournament"]["winners"]["domain"]["domain pair"]["model"] == "cross-d-cpt-k1"
    assert set(document["tables"]) == set(STARTS)
    text = call("fit", *domains, *words)
    assert "ore + zoo" in text.out
    assert "N=1M,r=0.8,D=1M:2M:4M" in text.out


def test_a_stacked_fit_predicts_a_domain_by_its_coefficient(
    domains: list[str], call: Callable[..., Any]
) -> None:
    words = ("--law", "cross-d-cpt-k1", "--bootstrap", "0", "--no-holdouts", "-o", "fits/all", "--json")
    named = ("--domain", "shore=sea/losses.csv", "--short-run", "N=1M,r=0.5,D=1M:2M:4M")
    fitted = call("fit", domains[0], domains[2], domains[3], *named, *words)
    assert fitted.code == 0, fitted.err
    assert fitted.document["rows"] == 4 * 27
    assert list(fitted.document["tables"]) == ["ore", "tax", "zoo", "shore"]
    none = call("predict", "fits/all", "--at", "N=4M,D=2M,r=0.5", "--json")
    assert none.code == 2
    assert "k1" in none.err
    found = [call("predict", "fits/all", "--at", f"N=4M,D=2M,r=0.5,k1={k}", "--json") for k in (3.0, 4.0)]
    means = [answer.document["predictions"][0]["mean"] for answer in found]
    assert means[0] < means[1]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--protocol", "leave-2-domains"), "wanted 4 domains or more"),
        (("--protocol", "d-cpt"), "one domain"),
        ((), "name the law"),
        (("--law", "cross-d-cpt-k1", "--short-run", "N=1M,r=0.5,D=1M:2M"), "TOKENS:TOKENS:TOKENS"),
        (("--law", "cross-d-cpt-k1", "--short-run", "N=1M,r=0.5,D=2M:1M:4M"), "that grow"),
        (("--law", "cross-d-cpt-k1", "--domain", "tax=tax/losses.csv"), "two tables are named 'tax'"),
    ],
)
def test_mistakes(
    domains: list[str], call: Callable[..., Any], words: tuple[str, ...], sentence: str
) -> None:
    answer = call("fit", *domains[:3], *words)
    assert answer.code == 2
    assert sentence in answer.err
    assert not answer.out
