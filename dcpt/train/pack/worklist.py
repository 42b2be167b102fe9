"""A list of runs handed over at once: sorted into packs, trained, reported one by one."""

from __future__ import annotations

import gc
import sys
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from dcpt.core.errors import DcptError
from dcpt.core.pack_key import pack_key
from dcpt.core.run_record import RunRecord
from dcpt.train.failure import Stopped, explain
from dcpt.train.inputs import read_spec
from dcpt.train.pack.decoder import refuse_unpackable
from dcpt.train.pack.pack import Pack
from dcpt.train.pack.probe import choose_size, even_parts, measure_rate
from dcpt.train.processor import Processor
from dcpt.train.unit import Stop, Unit

Size = Literal["auto", "off"] | int
Compile = Literal["auto", "on", "off"]
Emit = Callable[[dict[str, Any]], None]
Alone = Callable[[Path], object]

COMPILE_SECONDS = 600.0
"""`auto` compiles a pack that would train at least so long: kernels are made for every shape and size of pack
anew, which takes a minute or more."""


@dataclass(frozen=True)
class Packing:
    """How a worker packs.

    Parameters
    ----------
    size : "auto", "off" or int
        Runs together: measured on CUDA and none on the CPU, none, or at most so many.
    compile : {"auto", "on", "off"}
        Whether `torch.compile` makes the kernels; the CUDA graph of a step is recorded in any case.
    """

    size: Size = "off"
    compile: Compile = "auto"

    def active(self, processor: Processor) -> bool:
        """Whether runs are packed on this device."""
        return self.size != "off" and (self.size != "auto" or processor.device.type == "cuda")


def train_list(
    run_dirs: Sequence[Path], processor: Processor, emit: Emit, stop: Stop, packing: Packing, alone: Alone
) -> None:
    """Bring every run of a list to its end, in packs where they can be packed.

    Each run ends with one ``finished`` or ``failed`` event, as if it had been trained alone. A pack that
    runs out of memory is halved and goes on from the last checkpoints; the runs of one that breaks in
    another way are trained one by one.

    Parameters
    ----------
    run_dirs : sequence of Path
        Folders of the runs.
    processor : Processor
        Where to compute.
    emit : callable
        Takes events.
    stop : callable
        As `dcpt.train.unit.run` takes it.
    packing : Packing
        Whether and how to pack.
    alone : callable
        Trains one run and reports how it ended.

    Raises
    ------
    Stopped
        When `stop` asked for it.
    """
    if packing.active(processor):
        for group in _groups(run_dirs):
            _Group(group, processor, emit, stop, packing, alone).train()
    else:
        for run_dir in run_dirs:
            alone(run_dir)


def _groups(run_dirs: Sequence[Path]) -> list[list[Path]]:
    """Runs by pack key, in the order of the list; one that cannot be read or packed stands alone."""
    groups: dict[str, list[Path]] = {}
    for run_dir in run_dirs:
        try:
            key = pack_key(read_spec(run_dir))
            record = RunRecord.load(run_dir)
        except DcptError:
            key = record = None
        finished = record is not None and record.status == "finished"
        groups.setdefault(key if key and not finished else f"alone {run_dir}", []).append(run_dir)
    return list(groups.values())


class _Group:
    """Runs of one key that wait to be trained."""

    def __init__(
        self,
        run_dirs: Sequence[Path],
        processor: Processor,
        emit: Emit,
        stop: Stop,
        packing: Packing,
        alone: Alone,
    ) -> None:
        self.waiting = list(run_dirs)
        self.processor, self.emit, self.stop = processor, emit, stop
        self.packing, self.alone, self.compile = packing, alone, packing.compile
        self.most = len(run_dirs) if packing.size == "auto" else max(1, int(packing.size))

    def train(self) -> None:
        while self.waiting:
            if len(self.waiting) == 1 or self.most == 1:
                self.alone(self.waiting.pop(0))
                continue
            rest = self._train_pack()
            gc.collect()  # networks and units refer to one another
            if self.processor.device.type == "cuda":
                torch.cuda.empty_cache()
            for run_dir in rest:
                self.alone(run_dir)

    def _train_pack(self) -> list[Path]:
        """Train the first runs that wait together; those that turned out to be for themselves."""
        units: list[Unit] = []
        part: list[Path] = []
        compiled = False
        try:
            units, part = self._set_up()
            if len(units) > 1:
                compiled = self._compiled(units)
                Pack(units, self.processor, self.stop, self._done, compiled).run()
        except Stopped:
            raise
        except Exception as error:
            if explain(error).reason == "out of memory":
                count = len(units) if len(units) > 1 else min(self.most, len(self.waiting))
                self.most = max(1, count // 2)
                note = f"pack: {count} runs do not fit into memory; going on with {self.most} at most"
                print(note, file=sys.stderr)
                return []
            traceback.print_exc(file=sys.stderr)
            if compiled:  # a compiler needs more of a machine than training does
                print("pack: going on without torch.compile", file=sys.stderr)
                self.compile = "off"
                return []
        # Whoever is still unreported could not join the pack, left it, or was in it when it broke.
        rest = [run_dir for run_dir in part or self._part() if run_dir in self.waiting]
        for run_dir in rest:
            self.waiting.remove(run_dir)
        return rest

    def _set_up(self) -> tuple[list[Unit], list[Path]]:
        """Units of the next pack, and the runs they were to be made of."""
        first = self._open(self.waiting[0])
        if first is not None and self.packing.size == "auto":
            self.most, _ = choose_size(first, self.processor, min(self.most, len(self.waiting)))
        part = self._part()
        units = [] if first is None else [first]
        for run_dir in part[1:]:
            unit = self._open(run_dir)
            if unit is not None and (not units or _alike(unit, units[0])):
                units.append(unit)
        return units, part

    def _part(self) -> list[Path]:
        return self.waiting[: even_parts(len(self.waiting), min(self.most, len(self.waiting)))[0]]

    def _open(self, run_dir: Path) -> Unit | None:
        """A run set up to be trained; None for one that cannot be, or not in a pack: alone it says why."""
        try:
            unit = Unit(run_dir.resolve(), self.processor, self.emit, self.stop)
        except Exception as error:
            if explain(error).reason == "out of memory":
                raise
            return None
        at_end = unit.progress.step >= unit.steps
        return None if at_end or unit.mixture is None or refuse_unpackable(unit.network) else unit

    def _compiled(self, units: Sequence[Unit]) -> bool:
        wish = self.compile
        if wish != "auto" or self.processor.device.type != "cuda":
            return wish == "on"
        tokens = sum((unit.steps - unit.progress.step) * unit.spec.tokens_per_step for unit in units)
        rate, _ = measure_rate(units[0], self.processor, len(units))
        return tokens / rate > COMPILE_SECONDS

    def _done(self, unit: Unit, finished: bool, reason: str) -> None:
        self.waiting[:] = [run_dir for run_dir in self.waiting if run_dir.resolve() != unit.run_dir]
        event: dict[str, Any] = {"event": "finished", "run_id": unit.run_dir.name}
        if not finished:
            event |= {"event": "failed", "reason": reason, "retry": False}
        self.emit(event)


def _alike(one: Unit, other: Unit) -> bool:
    """Whether two networks have one shape, whatever their specs say."""
    mine, others = (unit.network.config.to_dict() for unit in (one, other))
    return all(mine[key] == others.get(key) for key in mine if key not in ("_name_or_path", "dtype"))
