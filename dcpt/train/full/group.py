"""The processes of a full run: who they are, and how they agree."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh

from dcpt.core.errors import ConfigError
from dcpt.train.full.meeting import meet
from dcpt.train.full.options import MEET_SECONDS

PATIENCE = timedelta(minutes=30)
"""How long a process waits for another in a collective: one may be reading a large checkpoint."""

# Names of rank, number of processes and rank on the machine: torchrun's, else those of a Slurm step.
_TORCHRUN = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
_SLURM = ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID")


@dataclass(frozen=True, eq=False)
class Group:
    """The processes that train one run together.

    Attributes
    ----------
    rank, size, local : int
        Number of this process, of all, and of this one on its machine.
    mesh : DeviceMesh
        One dimension: the shards.
    control, saving : ProcessGroup
        Groups on the CPU for words between the processes and for checkpoints on their way to the disk,
        which must not meet the collectives of the training.
    """

    rank: int
    size: int
    local: int
    mesh: DeviceMesh
    control: Any
    saving: Any

    @property
    def first(self) -> bool:
        """Whether this process is the one that writes."""
        return self.rank == 0

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """Sum over the processes of a tensor on the CPU."""
        dist.all_reduce(values, group=self.control)
        return values

    def largest(self, value: int) -> int:
        """Largest of the processes' numbers."""
        found = torch.tensor([value], dtype=torch.int64)
        dist.all_reduce(found, dist.ReduceOp.MAX, group=self.control)
        return int(found[0])

    def everyone(self, values: torch.Tensor) -> list[torch.Tensor]:
        """The tensor of every process, by rank; all have one shape and lie on the CPU."""
        found = [torch.empty_like(values) for _ in range(self.size)]
        dist.all_gather(found, values, group=self.control)
        return found

    def wait(self) -> None:
        """Wait until all processes are here."""
        dist.barrier(group=self.control)


def find_rank() -> tuple[int, int, int]:
    """Rank, number of processes and rank on this machine, as the environment says; alone without it.

    Raises
    ------
    ConfigError
        When a value is no number, or the rank is beyond the number of processes.
    """
    for names in (_TORCHRUN, _SLURM):
        found = [os.environ.get(name) for name in names]
        if found[0] is None or found[1] is None:
            continue
        # A Slurm job's shell has the variables too; without an address it is no process of a group.
        if names is _SLURM and "MASTER_ADDR" not in os.environ:
            break
        try:
            rank, size, local = (int(value or 0) for value in found)
        except ValueError:
            raise ConfigError(f"train: {', '.join(names)} are {found}; wanted numbers.") from None
        if not 0 <= rank < size:
            raise ConfigError(f"train: {names[0]} is {rank} of {size} processes.")
        return rank, size, local
    return 0, 1, 0


@contextlib.contextmanager
def join_group(device: torch.device, meet_seconds: float = MEET_SECONDS) -> Iterator[Group]:
    """Meet the other processes of the run; leave them at the end.

    Parameters
    ----------
    device : torch.device
        Where this process computes.
    meet_seconds : float
        How long to wait for the others to come.

    Raises
    ------
    AbsentError
        When they do not.
    """
    rank, size, local = find_rank()
    cuda = device.type == "cuda"
    if cuda:
        torch.cuda.set_device(local if device.index is None else device)
    backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
    alone = size == 1 and "MASTER_ADDR" not in os.environ
    store = dist.HashStore() if alone else meet(rank, size, meet_seconds)
    store.set_timeout(PATIENCE)
    dist.init_process_group(backend, store=store, rank=rank, world_size=size, timeout=PATIENCE)
    try:
        mesh = init_device_mesh(device.type, (size,), mesh_dim_names=("shards",))
        control, saving = (dist.new_group(backend="gloo", timeout=PATIENCE) for _ in range(2))
        yield Group(rank, size, local, mesh, control, saving)
    finally:
        dist.destroy_process_group()
