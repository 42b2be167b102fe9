"""Model FLOPs utilisation of the full-run trainer, as `dcpt launch` starts it."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.proxies import Proxies, Setting
from dcpt.core.run_record import RunRecord
from dcpt.cost.flops import training_flops_per_token
from dcpt.train.processor import Processor

SETTING = Setting("350M", vocabulary=32768, context=2048, batch=32, steps=50, ratios=1, every=50, sequences=8)
TOY = Setting("0.05M", vocabulary=64, context=16, batch=4, steps=50, ratios=1, every=50, sequences=16)

SETTLED = 20
"""Steps before the first row that counts: kernels are compiled and chosen in them."""

TIME_LIMIT = 300.0


def measure_mfu(processor: Processor, toy: bool, peak: float, flags: Sequence[str] = ()) -> dict[str, Any]:
    """Train some steps in a process of its own and read the speed from the journal.

    Parameters
    ----------
    processor : Processor
        Device and precision.
    toy : bool
        Whether to take a model of toy size.
    peak : float
        FLOP/s the utilisation is a share of.
    flags : sequence of str
        More options of ``python -m dcpt.train full``.

    Raises
    ------
    RuntimeError
        When the run did not finish.
    """
    setting = TOY if toy else SETTING
    words = [*flags, *([] if toy else ["--compile"])]
    with tempfile.TemporaryDirectory() as folder:
        sweep = Proxies(Path(folder), setting)
        run_dir = sweep.place([sweep.spec(0.5, 1)])[0]
        command = [sys.executable, "-m", "dcpt.train", "full", str(run_dir)]
        command += ["--device", processor.device.type, "--precision", processor.precision, *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT)
        record = RunRecord.load(run_dir)
        if record is None or record.status != "finished":
            last = (done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1]
            raise RuntimeError(f"the full run did not finish: {last[:300]}")
        rows = [json.loads(line) for line in (run_dir / "metrics.jsonl").read_text().splitlines()]
    rates = [row["tokens_per_second"] for row in rows if row["kind"] == "train" and row["step"] > SETTLED]
    config = setting.config
    flops = training_flops_per_token(
        dict(record.parameters),
        int(str(config["num_hidden_layers"])),
        int(str(config["hidden_size"])),
        setting.context,
        record.parameters["head"],
    )
    rate = statistics.median(rates)
    return {
        "benchmark": "mfu",
        "device": processor.device.type,
        "precision": processor.precision,
        "parameters": dict(record.parameters),
        "setting": {**vars(setting), "tokens": setting.tokens},
        "options": words,
        "micro_batch": record.host.get("micro_batch"),
        "tokens_per_second": rate,
        "flops_per_token": flops,
        "peak_flops": peak,
        "mfu": rate * flops / peak,
    }
