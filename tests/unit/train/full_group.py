"""One process of a group that goes through several runs: what torchrun starts for `test_full_group`.

Argument: a JSON list of jobs. ``run`` is the run's folder; ``stop`` asks, from the last rank only, for an end
after so many steps; ``micro_batch`` and ``recompute`` are options of the run.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from dcpt.train.failure import Stopped
from dcpt.train.full import stop
from dcpt.train.full.group import Group, join_group
from dcpt.train.full.options import FullOptions
from dcpt.train.full.run import run_full
from dcpt.train.model import quiet_transformers
from dcpt.train.processor import prepare_processor


def go_through(jobs: list[dict[str, object]], group: Group) -> None:
    processor = prepare_processor("cpu")
    for job in jobs:
        steps = iter(range(10**6))  # asked once before the first step

        def wish(limit: object = job.get("stop"), steps: object = steps) -> int:
            done = next(steps)  # type: ignore[call-overload]
            last = group.rank == group.size - 1
            return stop.SAVE if limit is not None and last and done >= int(str(limit)) else stop.GO_ON

        options = FullOptions(
            "cpu",
            micro_batch=job.get("micro_batch"),  # type: ignore[arg-type]
            recompute=bool(job.get("recompute")),
        )
        try:
            run_full(Path(str(job["run"])), options, processor, group, wish=wish)
        except Stopped as stopped:
            print(job["run"], stopped, file=sys.stderr)


if __name__ == "__main__":
    quiet_transformers()
    with join_group(prepare_processor("cpu").device) as joined:
        go_through(json.loads(sys.argv[1]), joined)
