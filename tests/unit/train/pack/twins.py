"""One sweep of runs twice, to be trained alone and together, and how far the two come apart."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from tiny_sweep import TinySweep, read_rows

from dcpt.core.run_spec import RunSpec
from dcpt.train import checkpoint
from dcpt.train.pack.worklist import Packing, train_list
from dcpt.train.processor import Processor
from dcpt.train.unit import run

STEPS = 24
"""Of the runs."""


class Twins:
    """One sweep of runs twice: to be trained alone, and to be trained together."""

    def __init__(self, root: Path, processor: Processor, base: Path) -> None:
        self.processor = processor
        self.sweeps = [TinySweep(root / name) for name in ("alone", "together")]
        for sweep in self.sweeps:
            shutil.copytree(base, sweep.root / "runs" / base.name)

    def place(self, specs: list[RunSpec]) -> list[list[Path]]:
        """The folders of the runs, by sweep."""
        return [[sweep.place(spec) for spec in specs] for sweep in self.sweeps]

    def runs(self, **changes: Any) -> list[RunSpec]:
        """Trunks at four ratios, one of them with another seed, one reweighted nowhere."""
        base = self.sweeps[0].base()
        trunks = [replace(self.sweeps[0].trunk(base, r=r), **changes) for r in (0.1, 0.3, 0.5, 0.8)]
        return [*trunks[:3], replace(trunks[3], seed=5, mixture=self.sweeps[0].mixture(0.8, seed=9))]

    def pack(self, folders: list[Path], stop: Callable[[], Any] = lambda: None, size: Any = 9) -> list[Any]:
        """Train folders together; the events, and which runs were trained alone."""
        events: list[dict[str, Any]] = []

        def alone(folder: Path) -> None:
            events.append({"event": "alone", "run_id": folder.name})
            run(folder, self.processor)

        train_list(folders, self.processor, events.append, stop, Packing(size), alone)
        return events


def largest_difference(one: Path, other: Path) -> float:
    """Between the losses and the last checkpoints of two runs, whose rows are the same otherwise."""
    worst = 0.0
    for kind in ("eval", "train"):
        rows, others = read_rows(one, kind), read_rows(other, kind)
        assert len(rows) == len(others) > 0
        for row, twin in zip(rows, others, strict=True):
            values = [
                row.keys() - {"value", "sem", "loss", "grad_norm"},
                {"value", "sem", "loss", "grad_norm"},
            ]
            assert {key: row[key] for key in values[0]} == {key: twin[key] for key in values[0]}
            worst = max(worst, *(abs(row[key] - twin[key]) for key in values[1] & row.keys()))
    steps = checkpoint.list_steps(one)
    assert steps == checkpoint.list_steps(other)
    for step in steps:
        places = [checkpoint.checkpoint_folder(folder, step) for folder in (one, other)]
        names = [sorted(path.name for path in place.iterdir()) for place in places]
        assert names[0] == names[1]
        assert len({(place / "config.json").read_text() for place in places}) == 1
        for name in ("model.safetensors", "optimizer.safetensors"):
            first, second = (load_file(place / name) for place in places)
            assert first.keys() == second.keys()
            worst = max(worst, *((first[key] - second[key]).abs().max().item() for key in first))
    return worst
