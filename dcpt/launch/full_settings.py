"""How a full run is spread over processes and machines; nothing here is part of what the run is."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import dataclass
from pathlib import Path

from dcpt.core.errors import ConfigError

MAX_RESTARTS = 100
"""Restarts torchrun is allowed: a run that gets further each time is not given up. One that does not is, by
the trainer, after three attempts from one step."""

AGENT_ENVIRONMENT = {
    "PET_SIGNALS_TO_HANDLE": "SIGTERM,SIGINT,SIGHUP,SIGQUIT,SIGUSR1",
    "TORCH_ELASTIC_SHUTDOWN_TIMEOUT": "300",
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1",
}
"""Signals that torchrun passes on to the processes of the run, which then save and stop; the seconds they
get for it; and a store of their own for every start, because torchrun 2.13 otherwise leaves the addresses of
dead processes for those of the next start. A torchrun that does not know a name leaves it alone."""


@dataclass(frozen=True)
class FullSettings:
    """Processes, memory and arithmetic of a full run.

    Parameters
    ----------
    procs : int
        Processes per machine, one per accelerator.
    nodes : int
        Machines.
    device, precision : str
        auto, cpu or cuda; fp32 or bf16.
    micro_batch : int, optional
        Sequences per pass and process; by default what the memory is estimated to hold.
    recompute : bool
        Compute activations again in the backward pass instead of keeping them.
    compile : bool
        Compile the decoder layers.

    Raises
    ------
    ConfigError
        When a number is below 1.
    """

    procs: int = 1
    nodes: int = 1
    device: str = "auto"
    precision: str = "fp32"
    micro_batch: int | None = None
    recompute: bool = False
    compile: bool = False

    def __post_init__(self) -> None:
        for name in ("procs", "nodes", "micro_batch"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"launch: {name} is {value}; wanted 1 or more.")

    @property
    def asked(self) -> bool:
        """Whether the trainer of several processes is wanted; for one process the other is the default."""
        return self.procs * self.nodes > 1 or self.micro_batch is not None or self.recompute or self.compile

    def trainer(self, run_dir: Path) -> list[str]:
        """Arguments of the trainer's process: ``-m dcpt.train full ...``."""
        found = ["-m", "dcpt.train", "full", str(run_dir.resolve())]
        found += ["--device", self.device, "--precision", self.precision]
        if self.micro_batch is not None:
            found += ["--micro-batch", str(self.micro_batch)]
        return found + (["--recompute"] if self.recompute else []) + (["--compile"] if self.compile else [])

    def here(self, run_dir: Path) -> list[str]:
        """Command that trains a run with processes of this machine alone."""
        agent = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        return [*agent, *self._agent(), *self.trainer(run_dir)]

    def across(self, run_dir: Path, meeting_point: str) -> list[str]:
        """Command that trains a run with processes of every machine of a Slurm job, given inside of it.

        Parameters
        ----------
        run_dir : Path
            The run's folder, on a disk that every machine sees.
        meeting_point : str
            ``HOST:PORT`` of the job's first machine.
        """
        # srun does not take the cores of a task from the job (since Slurm 22.05).
        cores = os.environ.get("SLURM_CPUS_PER_TASK", str(self.procs))
        tasks = ["--nodes", str(self.nodes), "--ntasks-per-node", "1", "--cpus-per-task", cores]
        agent = [sys.executable, "-m", "torch.distributed.run", "--nnodes", str(self.nodes), *self._agent()]
        agent += ["--rdzv-backend", "c10d", "--rdzv-id", run_dir.name, "--rdzv-endpoint", meeting_point]
        return ["srun", *tasks, *agent, *self.trainer(run_dir)]

    def lines(self, run_dir: Path) -> list[str]:
        """Shell lines that train a run on a cluster: by hand on every machine, and inside a Slurm job.

        The run's folder must lie on a disk that every machine sees.
        """
        settings = " ".join(f"{name}={value}" for name, value in AGENT_ENVIRONMENT.items())
        meeting = f"--rdzv-backend c10d --rdzv-id {run_dir.name} --rdzv-endpoint"
        rest = shlex.join(self.trainer(run_dir))
        agent = f"torchrun --nnodes {self.nodes} {' '.join(self._agent())} {meeting}"
        first = '"$(scontrol show hostnames $SLURM_JOB_NODELIST | head -n 1)":29400'
        # As in `across`: without it a task may get one core.
        cores = f"--cpus-per-task ${{SLURM_CPUS_PER_TASK:-{self.procs}}}"
        slurm = f"srun --nodes {self.nodes} --ntasks-per-node 1 {cores} {agent} {first} {rest}"
        return [f"{settings} {agent} FIRST_MACHINE:29400 {rest}", f"{settings} {slurm}"]

    def _agent(self) -> list[str]:
        return ["--nproc-per-node", str(self.procs), "--max-restarts", str(MAX_RESTARTS)]
