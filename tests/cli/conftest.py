"""The command line in a test: a way to call it, and a small world of files for it to work on."""

from __future__ import annotations

import fcntl
import io
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

SWEEP = """\
schema_version: 1
name: mine
corpora:
  - {name: plain, role: general, source: {kind: jsonl, path: plain.jsonl}, heldout_share: 0.2}
  - {name: code, role: domain, source: {kind: jsonl, path: code.jsonl}, heldout_share: 0.2}
tokenizer: {kind: bpe, vocab_size: 300}
model:
  context: 16
  sizes:
    - {name: a, hidden: 8, layers: 1}
    - {name: b, hidden: 16, layers: 1}
    - {name: c, hidden: 32, layers: 1}
batch: 4
base: {tokens: 640, schedule: {peak: 3e-3}}
cpt:
  ratios: [0.3, 0.7]
  budgets: [320, 640]
  schedule: {peak: 3e-3}
  max_epochs: 10000
evaluation: {every_tokens: 640, sequences: 8}
target:
  # 1.0M parameters, the size that the example of dcpt plan asks for.
  size: {name: t, hidden: 128, layers: 4, inner: 480}
  tokens: 640
  keep: general <= +80%
limit: {hours: 1}
"""


@dataclass(frozen=True)
class Answer:
    """What a command left behind: exit status, results, talk."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout; anything beside it is an error."""
        document = json.loads(self.out)
        assert isinstance(document, dict)
        return document


@cache
def built_command() -> Any:
    """The commands as they are called; a process builds them at every start."""
    import typer.main

    from dcpt.cli.main import app

    return typer.main.get_command(app)


def call_in_process(*words: str, defaults: Mapping[str, Any] | None = None) -> Answer:
    """Run ``dcpt WORDS`` through its entry point in this process.

    `defaults` are defaults of options by command, in click's `default_map`.
    """
    from dcpt.cli import main as entry

    out, err = io.StringIO(), io.StringIO()
    patch = pytest.MonkeyPatch()
    patch.setattr(sys, "argv", ["dcpt", *words])
    patch.setattr(entry, "app", partial(built_command(), default_map=dict(defaults or {})))
    try:
        with redirect_stdout(out), redirect_stderr(err):
            try:
                entry.main()
                code = 0
            except SystemExit as stop:
                code = stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    finally:
        patch.undo()
    return Answer(code, out.getvalue(), err.getvalue())


def call_process(*words: str, cwd: Path | None = None, env: Mapping[str, str] | None = None) -> Answer:
    """Run ``dcpt WORDS`` as a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "dcpt", *words], capture_output=True, text=True, cwd=cwd, env=env, timeout=300
    )
    return Answer(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="session")
def call() -> Callable[..., Answer]:
    """``dcpt`` in this process."""
    return call_in_process


@pytest.fixture(scope="session")
def process() -> Callable[..., Answer]:
    """``dcpt`` as a process."""
    return call_process


@pytest.fixture
def no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are written with empty pictures: drawing takes most of the time, and other tests look at them."""
    from dcpt.report import figures

    def render(name: str, draw: Any, folder: Path, *, alt: str, **look: Any) -> figures.Figure:
        look.pop("size", None)
        return figures.Figure("data:,", "data:,", alt, **look)

    monkeypatch.setattr(figures, "render", render)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def losses(folder: Path, synthetic: ModuleType) -> Path:
    """``losses.csv``: a small sweep drawn from known laws, bases included."""
    return synthetic.table().write(folder / "losses.csv")


@pytest.fixture
def fits(folder: Path, losses: Path, synthetic: ModuleType) -> Path:
    """``fits/mine``: the known laws as fits of that table."""
    from dcpt.cli.fit_folder import note_table
    from dcpt.core.loss_table import LossTable

    synthetic.fits().save(folder / "fits" / "mine")
    note_table(folder / "fits" / "mine", losses, LossTable.read(losses))
    return folder / "fits" / "mine"


@pytest.fixture(scope="session")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep of models of a few thousand parameters, every run finished; one for all of xdist's workers."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    root, finished = base / "trained" / "experiments" / "mine", base / "trained" / "finished"
    with open(base / "trained.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            done = call_in_process("sweep", "run", str(lay_out_sweep(root)), "--slots", "1", "--json")
            assert done.code == 0, done.err
            finished.touch()
    return root


@pytest.fixture
def trained(folder: Path, trained_once: Path) -> Path:
    """``experiments/mine``: a copy of the finished sweep."""
    return Path(shutil.copytree(trained_once, folder / "experiments" / "mine"))


@pytest.fixture
def sweep(folder: Path) -> Path:
    """``experiments/mine``: the same sweep before anything was done."""
    return lay_out_sweep(folder / "experiments" / "mine")


@pytest.fixture(scope="session")
def write_sweep() -> Callable[[Path], Path]:
    """Lays out that sweep under a path."""
    return lay_out_sweep


def lay_out_sweep(root: Path) -> Path:
    """The sweep file and its two corpora, 60 short documents each."""
    draw = random.Random(0)
    words = {
        "plain": "the river runs past an old mill where people meet on market days and talk of rain",
        "code": "def return import lambda yield class self None True False async await with pass raise",
    }
    root.mkdir(parents=True)
    for name, text in words.items():
        texts = [" ".join(draw.choice(text.split()) for _ in range(60)) + "." for _ in range(60)]
        (root / f"{name}.jsonl").write_text("".join(json.dumps({"text": item}) + "\n" for item in texts))
    (root / "sweep.yaml").write_text(SWEEP)
    return root
