"""``--executor slurm`` where Slurm's commands are absent, or there and without a cluster."""

from __future__ import annotations

from pathlib import Path

import pytest

from dcpt.core.errors import ConfigError
from dcpt.run.executor import Place
from dcpt.run.slurm import SlurmExecutor

SAID = """\
sbatch: error: resolve_ctls_from_dns_srv: res_nsearch error: Unknown host
sbatch: error: fetch_config: DNS SRV lookup failed
sbatch: fatal: Could not establish a configuration source
"""
"""Of sbatch on a machine that has Debian's slurm-client and nothing else."""


def test_no_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(ConfigError, match="sbatch is not on this machine") as refused:
        SlurmExecutor(Place(tmp_path))
    assert "--executor local or ray" in str(refused.value.hint)


def test_commands_without_a_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    commands = tmp_path / "bin"
    commands.mkdir()
    (tmp_path / "said").write_text(SAID)
    for name in ("sbatch", "squeue", "scancel"):
        (commands / name).write_text(
            f'#!/bin/sh\nwhile read -r line; do echo "$line"; done < {tmp_path}/said >&2\nexit 1\n'
        )
        (commands / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(commands))
    executor = SlurmExecutor(Place(tmp_path))
    executor.submit(["run"])
    with pytest.raises(ConfigError, match=r"belongs to no Slurm cluster.*configuration source") as refused:
        executor.poll(0.01)
    assert "--executor local or ray" in str(refused.value.hint)
    assert "--option" not in str(refused.value.hint)
