"""A worker that is handed several runs on one line."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tiny_sweep import TinySweep

from dcpt.core.run_record import RunRecord
from dcpt.train.__main__ import main
from dcpt.train.pack.worklist import Packing
from dcpt.train.processor import Processor
from dcpt.train.serve import Watch, serve


@pytest.fixture
def watch() -> Iterator[Watch]:
    """A watch whose signal handlers are taken back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGUSR1)}
    yield Watch(None)
    for number, handler in before.items():
        signal.signal(number, handler)


def test_every_run_of_a_line_has_one_end(
    sweep: TinySweep, processor: Processor, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases = [replace(sweep.base(steps=12), seed=seed) for seed in (1, 2, 3)]
    folders = [sweep.place(spec) for spec in bases]
    absent = sweep.root / "runs" / "absent"
    source, sink = os.pipe()
    lines = [{"run_dirs": [str(path) for path in (*folders[:2], absent)]}, {"run_dir": str(folders[2])}]
    os.write(sink, "".join(json.dumps(line) + "\n" for line in (*lines, {"run_dirs": 3})).encode())
    os.close(sink)
    events: list[dict[str, Any]] = []
    with os.fdopen(source) as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        assert serve(processor, events.append, watch, Packing(4)) == 0
    ends = [(event["event"], event["run_id"]) for event in events if event["event"] in ("finished", "failed")]
    assert sorted(ends[:3]) == sorted(
        [("finished", folders[0].name), ("finished", folders[1].name), ("failed", "absent")]
    )
    assert ends[3:] == [("finished", folders[2].name), ("failed", "")]
    packed = [RunRecord.load(folder).host.get("packed") for folder in folders]  # type: ignore[union-attr]
    assert packed == ["2", "2", None]


@pytest.mark.parametrize("size", ["0", "-2", "some"])
def test_a_size_that_is_none_is_refused(size: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--pack", size])
    assert "is not auto, off or a number of runs" in capsys.readouterr().err
