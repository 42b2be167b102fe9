"""A Slurm cluster in a folder: munged, slurmctld and slurmd of this user on loopback.

It has one node or several, each a slurmd of its own on this machine.

It is started where these programs are installed (Debian: slurmd slurmctld slurm-client
slurm-wlm-basic-plugins munge) and ended by process id.
"""

from __future__ import annotations

import contextlib
import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import psutil

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")

CONF = """
ClusterName=tiny
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SwitchType=switch/none
MpiDefault=none
ReturnToService=2
KillWait=20
SchedulerParameters=sched_interval=1,bf_interval=1,defer=false
{nodes}
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing() -> str:
    """Why no cluster can be started here; empty when one can."""
    absent = [name for name in PROGRAMS if _find(name) is None]
    return f"Slurm is not installed: no {', '.join(absent)}" if absent else ""


def _find(name: str) -> str | None:
    return shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"]))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class SlurmCluster:
    """A context in which ``SLURM_CONF`` names a running cluster."""

    def __init__(self, folder: Path, nodes: int = 1) -> None:
        self.folder = folder
        self.nodes = [f"n{number}" for number in range(nodes)]
        self.daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> SlurmCluster:
        folder = self.folder
        for name in ("state", *(f"spool-{node}" for node in self.nodes)):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        host = socket.gethostname().split(".")[0]
        cpus = len(os.sched_getaffinity(0))
        conf = folder / "slurm.conf"
        conf.write_text(
            CONF.format(
                host=host,
                control=_free_port(),
                folder=folder,
                user=getpass.getuser(),
                nodes="\n".join(
                    f"NodeName={node} NodeHostname={host} NodeAddr=127.0.0.1 Port={_free_port()} CPUs={cpus} "
                    "State=UNKNOWN"
                    for node in self.nodes
                ),
            )
        )
        self.environment = {**os.environ, "SLURM_CONF": str(conf)}
        files = {name: f"--{name}={folder}/munge.{name}" for name in ("socket", "pid-file", "log-file")}
        self._start("munged", "--foreground", "--force", f"--key-file={key}", *files.values(),
                    f"--seed-file={folder}/munge.seed", "--num-threads=1")  # fmt: skip
        self._wait(lambda: (folder / "munge.socket").exists(), "munged")
        self._start("slurmctld", "-D", "-f", str(conf))
        for node in self.nodes:
            self._start("slurmd", "-D", "-f", str(conf), "-N", node)
        idle = ["idle"] * len(self.nodes)
        self._wait(
            lambda: self._call("sinfo", "--noheader", "--Node", "--format=%t").split() == idle, "its nodes"
        )
        os.environ["SLURM_CONF"] = str(conf)
        return self

    def __exit__(self, *_: object) -> None:
        os.environ.pop("SLURM_CONF", None)
        steps = self._steps()
        self._call("scancel", f"--user={getpass.getuser()}")
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()
        # They would go on asking for the cluster that has gone.
        for step in psutil.wait_procs({*steps, *self._steps()}, timeout=2)[1]:
            with contextlib.suppress(psutil.NoSuchProcess):
                step.kill()

    def _steps(self) -> list[psutil.Process]:
        """What looks after single jobs of this cluster."""
        found = []
        for process in psutil.process_iter(["name"]):
            with contextlib.suppress(psutil.Error):
                files = process.open_files() if process.info["name"] == "slurmstepd" else []
                if any(Path(file.path).is_relative_to(self.folder) for file in files):
                    found.append(process)
        return found

    def _start(self, name: str, *options: str) -> None:
        command = [_find(name) or name, *options]
        with open(self.folder / f"{name}-{len(self.daemons)}.out", "wb") as out:
            self.daemons.append(
                subprocess.Popen(command, stdout=out, stderr=subprocess.STDOUT, env=self.environment)
            )

    def _call(self, *command: str) -> str:
        done = subprocess.run(command, capture_output=True, text=True, env=self.environment, timeout=60)
        return done.stdout

    def _wait(self, ready: object, what: str) -> None:
        until = time.monotonic() + 60
        while not ready():  # type: ignore[operator]
            if time.monotonic() > until or any(daemon.poll() is not None for daemon in self.daemons):
                words = [path.read_text()[-2000:] for path in self.folder.glob("*.out")]
                self.__exit__()
                raise RuntimeError(f"{what} did not come up: {words}")
            time.sleep(0.2)
