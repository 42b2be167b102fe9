"""Model FLOPs utilisation of the full-run trainer, as `dcpt launch` starts it."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.gpu.proxies import Proxies, Setting
from dcpt.core import files
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import ModelSpec
from dcpt.cost.flops import training_flops_per_token
from dcpt.train.model import count_on_meta
from dcpt.train.processor import Processor

SETTING = Setting("350M", vocabulary=32768, context=2048, batch=32, steps=50, ratios=1, every=50, sequences=8)
TOY = Setting("0.05M", vocabulary=64, context=16, batch=4, steps=50, ratios=1, every=50, sequences=16)

SETTLED = 20
"""Steps before the first row that counts: kernels are compiled and chosen in them."""

TIME_LIMIT = 180.0
"""Seconds after which the run is ended; a speed it has logged by then counts."""


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
        When the run logged no speed.
    """
    setting = TOY if toy else SETTING
    with tempfile.TemporaryDirectory() as folder:
        sweep = Proxies(Path(folder), setting)
        run_dir = sweep.place([sweep.spec(0.5, 1)])[0]
        command = [sys.executable, "-m", "dcpt.train", "full", str(run_dir)]
        command += ["--device", processor.device.type, "--precision", processor.precision, *flags]
        trouble = _run(command)
        record = RunRecord.load(run_dir)
        rows = list(files.read_lines(run_dir / "metrics.jsonl"))
    rates = [row["tokens_per_second"] for row in rows if row["kind"] == "train" and row["step"] > SETTLED]
    if record is not None and record.status == "finished":
        trouble = ""
    if not rates:
        raise RuntimeError(f"the full run did not finish: {trouble or 'it logged no speed'}")
    config = setting.config
    parameters = count_on_meta(ModelSpec("llama", config))
    flops = training_flops_per_token(
        parameters,
        int(str(config["num_hidden_layers"])),
        int(str(config["hidden_size"])),
        setting.context,
        parameters["head"],
    )
    rate = statistics.median(rates)
    return {
        "benchmark": "mfu",
        "device": processor.device.type,
        "precision": processor.precision,
        "parameters": parameters,
        "setting": {**vars(setting), "tokens": setting.tokens},
        "options": list(flags),
        "micro_batch": None if record is None else record.host.get("micro_batch"),
        "tokens_per_second": rate,
        "flops_per_token": flops,
        "peak_flops": peak,
        "mfu": rate * flops / peak,
        "unfinished": trouble or None,
    }


def _run(command: list[str]) -> str:
    """Why a command did not end well, in a line; empty when it did."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=TIME_LIMIT)
    except subprocess.TimeoutExpired:
        return f"ended after {TIME_LIMIT:.0f} s"
    if done.returncode == 0 and '"failed"' not in done.stdout:
        return ""
    sys.stderr.write(done.stderr[-3000:])
    words = [line for line in done.stderr.strip().splitlines() if "Error" in line]
    return (words or done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1][:300]
