"""What goes from machine to machine with the ladder, and what is removed on the way."""

from __future__ import annotations

import io
import json
import tarfile
from dataclasses import replace
from pathlib import Path

from benchmarks.gpu.proxies import Proxies, Setting
from dcpt.core.run_spec import StartSpec
from experiments.ladder_h200 import archive
from experiments.ladder_h200.ladder import clear


def leave(folder: Path, status: str = "finished", reason: str = "") -> Path:
    """A run as it looks when it is over."""
    folder.mkdir(parents=True)
    for name in archive.KEPT:
        (folder / name).write_text(json.dumps({"status": status, "reason": reason}))
    (folder / "checkpoints" / "step-00000001").mkdir(parents=True)
    return folder


def test_an_archive_brings_finished_runs_and_leaves_those_that_are_there(tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for name, status, reason in (
        ("done", "finished", ""),
        ("nan", "abandoned", "diverged: the training loss is nan at step 3"),
        ("odd", "abandoned", "a corpus was rebuilt"),
        ("open", "failed", "out of memory"),
    ):
        leave(there / name, status, reason)
    (there / "logs").mkdir()
    assert archive.pack(there, tmp_path / "out" / "runs.tar.gz") == 2
    leave(here / "done")
    (here / "done" / "metrics.jsonl").write_text("mine")
    assert archive.unpack(tmp_path / "out" / "runs.tar.gz", here) == 1
    assert sorted(folder.name for folder in here.iterdir()) == ["done", "nan"]
    assert (here / "done" / "metrics.jsonl").read_text() == "mine"
    assert sorted(path.name for path in (here / "nan").iterdir()) == sorted(archive.KEPT)


def test_an_archive_writes_nowhere_else(tmp_path: Path) -> None:
    foreign = tmp_path / "runs.tar.gz"
    with tarfile.open(foreign, "w:gz") as file:
        for place in ("..", "a/../../b", "/etc"):
            for name in archive.KEPT:
                member = tarfile.TarInfo(f"{place}/{name}")
                content = json.dumps({"status": "finished"}).encode()
                member.size = len(content)
                file.addfile(member, io.BytesIO(content))
    assert archive.unpack(foreign, tmp_path / "sweep" / "runs") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs.tar.gz"]


def test_checkpoints_go_when_no_open_run_starts_from_them(tmp_path: Path) -> None:
    base = Proxies(tmp_path, Setting("0.05M", 64, 16, 4, steps=8, every=4, sequences=4)).spec(0.5, 1)
    children = [
        replace(base, slug=slug, kind="branch", start=StartSpec(base.run_id, 4, "continue"))
        for slug in ("one", "two")
    ]
    runs, specs = tmp_path / "runs", [base, *children]
    kept = leave(runs / base.run_id) / "checkpoints"
    leave(runs / children[0].run_id)
    clear(runs, specs)
    assert kept.is_dir()
    assert not (runs / children[0].run_id / "checkpoints").exists()
    leave(runs / children[1].run_id)
    clear(runs, specs)
    assert not kept.exists()
