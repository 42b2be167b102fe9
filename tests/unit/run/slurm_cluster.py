"""A Slurm cluster of one node, in a folder: munged, slurmctld and slurmd of this user on loopback.

It is started where these programs are installed (Debian: slurmd slurmctld slurm-client
slurm-wlm-basic-plugins munge) and ended by process id.
"""

from __future__ import annotations

import getpass
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scancel", "scontrol")

CONF = """
ClusterName=tiny
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={control}
SlurmdPort={daemon}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
SlurmUser={user}
SlurmdUser={user}
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
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
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} State=UNKNOWN
PartitionName=all Nodes={host} Default=YES MaxTime=INFINITE State=UP
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

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.daemons: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> SlurmCluster:
        folder = self.folder
        for name in ("state", "spool"):
            (folder / name).mkdir(parents=True)
        folder.chmod(0o755)
        key = folder / "munge.key"
        key.write_bytes(os.urandom(128))
        key.chmod(0o600)
        host = socket.gethostname().split(".")[0]
        conf = folder / "slurm.conf"
        conf.write_text(
            CONF.format(
                host=host,
                control=_free_port(),
                daemon=_free_port(),
                folder=folder,
                user=getpass.getuser(),
                cpus=len(os.sched_getaffinity(0)),
            )
        )
        self.environment = {**os.environ, "SLURM_CONF": str(conf)}
        files = {name: f"--{name}={folder}/munge.{name}" for name in ("socket", "pid-file", "log-file")}
        self._start("munged", "--foreground", "--force", f"--key-file={key}", *files.values(),
                    f"--seed-file={folder}/munge.seed", "--num-threads=1")  # fmt: skip
        self._wait(lambda: (folder / "munge.socket").exists(), "munged")
        self._start("slurmctld", "-D", "-f", str(conf))
        self._start("slurmd", "-D", "-f", str(conf), "-N", host)
        self._wait(lambda: "idle" in self._call("sinfo", "--noheader", "--format=%t"), "the node")
        os.environ["SLURM_CONF"] = str(conf)
        return self

    def __exit__(self, *_: object) -> None:
        os.environ.pop("SLURM_CONF", None)
        self._call("scancel", f"--user={getpass.getuser()}")
        for daemon in reversed(self.daemons):
            daemon.terminate()
        for daemon in self.daemons:
            try:
                daemon.wait(20)
            except subprocess.TimeoutExpired:
                daemon.kill()
                daemon.wait()

    def _start(self, name: str, *options: str) -> None:
        command = [_find(name) or name, *options]
        with open(self.folder / f"{name}.out", "wb") as out:
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
