"""Command line of the full run's trainer; standard library only, so that its help is quick."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

MEET_SECONDS = 120.0
"""How long the processes wait for one another at the start: time for the imports of the slowest."""


@dataclass(frozen=True)
class FullOptions:
    """How a run is trained; nothing here is part of what the run is.

    Parameters
    ----------
    device, precision : str
        auto, cpu or cuda; fp32 or bf16 (computed in bf16, summed and kept in fp32).
    micro_batch : int, optional
        Sequences that a process sends through the network together; by default what the memory is
        estimated to hold.
    recompute : bool
        Keep only the inputs of the decoder layers and compute the rest again in the backward pass.
    compile : bool
        Compile the decoder layers.
    hardware : str, optional
        Name in `dcpt.cost.hardware` whose peak the utilisation is a share of; by default that of the device.
    parent : int, optional
        Process of this machine without which the run is to save and stop.
    meet_seconds : float
        How long the processes wait for one another at the start.
    """

    device: str = "auto"
    precision: str = "fp32"
    micro_batch: int | None = None
    recompute: bool = False
    compile: bool = False
    hardware: str | None = None
    parent: int | None = None
    meet_seconds: float = MEET_SECONDS

    def flags(self) -> list[str]:
        """The command line that `read_options` reads back."""
        found = ["--device", self.device, "--precision", self.precision]
        if self.micro_batch is not None:
            found += ["--micro-batch", str(self.micro_batch)]
        found += ["--recompute"] if self.recompute else []
        found += ["--compile"] if self.compile else []
        found += ["--hardware", self.hardware] if self.hardware is not None else []
        found += ["--meet-seconds", f"{self.meet_seconds:g}"] if self.meet_seconds != MEET_SECONDS else []
        return found + (["--parent", str(self.parent)] if self.parent is not None else [])


def add_options(parser: argparse.ArgumentParser) -> None:
    """Declare the flags of ``python -m dcpt.train full`` that the other commands do not have."""
    parser.add_argument("run_dir", type=Path, help="ROOT/runs/<run_id>, with a spec.json")
    parser.add_argument("--micro-batch", type=int, default=None, help="sequences per pass and process")
    parser.add_argument("--recompute", action="store_true", help="compute activations again going back")
    parser.add_argument("--compile", action="store_true", help="compile the decoder layers")
    parser.add_argument("--hardware", default=None, help="whose peak MFU is a share of (default: the device)")
    parser.add_argument("--parent", type=int, default=None, help="save and stop when this process has gone")
    meet = f"wait so long for the other processes (default: {MEET_SECONDS:g})"
    parser.add_argument("--meet-seconds", type=_seconds, default=MEET_SECONDS, help=meet)


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
    return value


def read_options(found: argparse.Namespace) -> FullOptions:
    """The options of a parsed command line."""
    return FullOptions(
        found.device,
        found.precision,
        found.micro_batch,
        found.recompute,
        found.compile,
        found.hardware,
        found.parent,
        found.meet_seconds,
    )
