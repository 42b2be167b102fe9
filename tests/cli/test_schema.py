"""The committed JSON schemas: up to date, and right about the files they are for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dcpt.core.strict_yaml import read_yaml

ROOT = Path(__file__).resolve().parents[2]
MODELINE = "# yaml-language-server: $schema=../../schemas/sweep.schema.json"

GOOD = {
    "sweep": [ROOT / "dcpt" / "sweep" / "demo.yaml", *sorted(ROOT.glob("experiments/*/sweep.yaml"))],
    "objective": [
        "N: 7B\nD: 2e10\nkeep: general <= +2%\n",
        "N: 7e9\nD: 20B\nkeep: general <= 2.95\nlevel: 0.8\n",
    ],
    "mixture-question": [
        "minimise: domain\nkeep: general <= +2%\nshares: [wiki >= 0.1, web = cc + c4 <= 60%]\n",
        "keep: [wiki <= 3.1]\ngeneral: wiki + books\nreplay: 0.2\npools: {code: 2B}\ntokens: 20B\n"
        "epochs: {code: 4}\n",
    ],
    "columns": ["schema_version: 1\ncolumns: {value: loss}\nscale: {N: 1M, r: 0.01}\nroles: {med: domain}\n"],
}
BAD = {
    "sweep": ["schema_version: 1\nname: x\ncoropra: []\n"],
    "objective": ["N: 7B\nD: 20B\n", "N: 7B\nD: 20B\nkeep: general <= +2%\nlevl: 0.9\n"],
    "mixture-question": ["minimize: wiki\n", "against: mine\n", "replay: [1]\n"],
    "columns": [
        "columns: {}\n",
        "schema_version: 1\ncolumns: {vlaue: loss}\n",
        "schema_version: 1\nwide: 3\n",
    ],
}


def documents(cases: list[Any], folder: Path) -> list[dict[str, Any]]:
    found = []
    for case in cases:
        path = case
        if isinstance(case, str):
            path = folder / "case.yaml"
            path.write_text(case)
        found.append(read_yaml(path))
    return found


@pytest.mark.parametrize("kind", ["sweep", "objective", "mixture-question", "columns"])
def test_committed_schema_is_up_to_date(call: Callable[..., Any], kind: str) -> None:
    """If this fails: dcpt schema KIND > schemas/KIND.schema.json."""
    assert (ROOT / "schemas" / f"{kind}.schema.json").read_text() == call("schema", kind).out


@pytest.mark.parametrize("kind", ["sweep", "objective", "mixture-question", "columns"])
def test_schema_takes_what_dcpt_takes(kind: str, tmp_path: Path) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="an editor's validator comes with nbformat")
    schema = json.loads((ROOT / "schemas" / f"{kind}.schema.json").read_text())
    validator = jsonschema.Draft202012Validator(schema)
    validator.check_schema(schema)
    for document in documents(GOOD[kind], tmp_path):
        assert [error.message for error in validator.iter_errors(document)] == []
    for document in documents(BAD[kind], tmp_path):
        assert not validator.is_valid(document)


@pytest.mark.parametrize("path", ["experiments/law_cpu/sweep.yaml"])
def test_editors_are_told_of_the_schema(path: str) -> None:
    assert (ROOT / path).read_text().splitlines()[0] == MODELINE
    assert (ROOT / path).parent.joinpath(MODELINE.partition("=")[2]).resolve().exists()
