"""Mistakes in a sweep file and its texts: one sentence with place, got and wanted, and the exit code."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "unit" / "sweep"))

from tiny_text import STEP, tiny_document, write_sweep

from dcpt.cli.main import main

CONFIG, DATA = 2, 3


@pytest.fixture
def check(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """Run ``dcpt sweep check`` on a folder; its exit code and what it said on stderr."""

    def run(folder: Path) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["dcpt", "sweep", "check", str(folder)])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        if ended.value.code:
            assert said.out == ""
        return int(ended.value.code or 0), said.err

    return run


def edit(folder: Path, old: str, new: str) -> None:
    """Change the text of the sweep file."""
    path = folder / "sweep.yaml"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


@pytest.mark.parametrize(
    ("old", "new", "wanted"),
    [
        ("ratios:", "ratois:", ["sweep.yaml: unknown key 'cpt.ratois'", "did you mean 'ratios'?"]),
        ("- 0.25\n", "- 1.5\n", ["sweep.yaml: cpt.ratios: got", "ratio 1.5 is outside [0, 1]; wanted"]),
        ("- 0.25\n", "- -0.1\n", ["ratio -0.1 is outside [0, 1]"]),
        ("- 0.25\n", "- 25\n", ["ratio 25 is outside [0, 1]", "looks like a percentage; write 0.3 for 30 %"]),
        ("- 0.25\n", "- 25%\n", ["ratio 25% is a percentage; wanted", "write 0.3 for 30 %"]),
        ("- 0.25\n", "- no\n", ["cpt.ratios[0]: got 'no'; input should be a valid number"]),
        ("batch: 4\n", "batch: 4\nbatch: 8\n", ["column 1: is not valid YAML: key 'batch' stands twice"]),
        ("batch: 4\n", "batch: 4x\n", ["batch: got '4x'; input should be a valid integer"]),
        ("tokens: 2560\n", "tokens: 2560 x\n", ["base.tokens: got '2560 x'; wanted a number such as 7B"]),
        ("tokens: 2560\n", "tokens: 1e999\n", ["base.tokens: got inf; wanted a finite number"]),
        ("tokens: 2560\n", "tokens: true\n", ["base.tokens: got True; wanted a number such as 7B"]),
        ("tokens: 2560\n", "tokens: 10\n", ["base.tokens: less than one step of 64 tokens"]),
        ("role: domain", "role: general", ["there is no domain corpus; wanted at least one of each side"]),
        ("name: law", "name: prose", ["corpus names repeat: prose, prose"]),
        ("hidden: 16", "hidden: 15", ["size 'small': hidden is 15; wanted an even number"]),
        ("- 0.8\n", "- 0.25\n", ["a ratio stands twice"]),
        (
            "  ratios:\n  - 0.25\n  - 0.8\n",
            "  ratios: 0.5\n",
            ["cpt.ratios: got 0.5; wanted a list such as [0.1, 0.5]"],
        ),
        ("name: tiny", "nme: tiny", ["unknown key 'nme'", "did you mean 'name'?"]),
    ],
)
def test_a_mistake_in_the_sweep_file(
    check: Any, tmp_path: Path, old: str, new: str, wanted: list[str]
) -> None:
    folder = write_sweep(tmp_path / "sweep")
    edit(folder, old, new)
    code, said = check(folder)
    assert code == CONFIG
    assert said.splitlines()[-1 - said.count("hint:")].startswith("ConfigError: ")
    assert str(folder / "sweep.yaml") in said
    for part in wanted:
        assert part in said


def test_numbers_and_words_of_yaml(check: Any, tmp_path: Path) -> None:
    """1e-4 is a number, `no` is a word: here a peak rate and the name of a sweep."""
    folder = write_sweep(tmp_path / "sweep")
    edit(folder, "name: tiny", "name: no")
    edit(folder, "peak: 0.003", "peak: 1e-4")
    code, said = check(folder)
    assert (code, "Error" in said) == (0, False)


def test_an_absent_sweep_file(check: Any, tmp_path: Path) -> None:
    code, said = check(tmp_path)
    assert code == CONFIG
    assert f"{tmp_path / 'sweep.yaml'}: no such sweep file" in said


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", ["law.jsonl", "holds no document with text"]),
        (b'{"text": "  "}\n' * 5, ["law.jsonl", "holds no document with text"]),
        (b'{"text": "\xff\xfe"}\n', ["law.jsonl byte 10: is not UTF-8"]),
        (b'{"words": "a"}\n', ["law.jsonl line 1: no column 'text'; there are words", "column: ..."]),
        (b'{"text": 3}\n', ["law.jsonl line 1: column 'text' holds a int; wanted text"]),
        (b'{"text": "a"}\n{"text', ["law.jsonl line 2: is not JSON", "wanted one object per line"]),
        (None, ["law.jsonl: no such file", "relative paths start at"]),
    ],
)
def test_an_unusable_corpus(check: Any, tmp_path: Path, content: bytes | None, wanted: list[str]) -> None:
    folder = write_sweep(tmp_path / "sweep")
    (folder / "law.jsonl").unlink()
    if content is not None:
        (folder / "law.jsonl").write_bytes(content)
    code, said = check(folder)
    assert code == DATA
    assert "DataError: " in said
    for part in wanted:
        assert part in said


def test_a_corpus_too_small_says_how_many_epochs(check: Any, tmp_path: Path) -> None:
    """10,531 tokens are 658 windows of 16, all in play once the base leaves too few; 9600 are asked for."""
    document = tiny_document()
    document["cpt"]["budgets"] = [3200 * STEP]
    folder = write_sweep(tmp_path / "sweep", **document)
    code, said = check(folder)
    assert code == CONFIG
    assert (
        f"{folder / 'sweep.yaml'}: corpus 'prose': run small-r0.25-s0-d205k needs 154k tokens of it and "
        "it has 10.5k: 14.6 epochs, more than max_epochs = 4."
    ) in said
    assert "raise cpt.max_epochs" in said
