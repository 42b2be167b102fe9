"""From an executor's name and its options to what makes one."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from dcpt.core.errors import ConfigError
from dcpt.run.executor import ExecutorFactory

EXECUTORS = ("local", "ray", "slurm")


def choose_executor(name: str, options: Sequence[str] = ()) -> ExecutorFactory:
    """What makes the executor of that name; its library is imported when it is made.

    Parameters
    ----------
    name : str
        local, ray or slurm.
    options : sequence of str
        ``key=value``: for slurm any long option of sbatch (``partition=gpu``), for ray those of
        `dcpt.run.ray_executor.RayExecutor`; local has none.

    Raises
    ------
    ConfigError
        When the name is unknown, or an option is not of that form or stands twice.
    """
    read: dict[str, str] = {}
    for option in options:
        key, given, value = option.partition("=")
        key = key.strip()
        if not key or (not given and name != "slurm"):
            raise ConfigError(f"--option {option!r}: wanted KEY=VALUE, such as num_gpus=0.25.")
        if key in read:
            raise ConfigError(f"--option {key!r} stands twice.")
        read[key] = value.strip()
    if name == "ray":
        from dcpt.run.ray_executor import RayExecutor

        return partial(RayExecutor, options=read)
    if name == "slurm":
        from dcpt.run.slurm import SlurmExecutor

        return partial(SlurmExecutor, options=read)
    if name != "local":
        raise ConfigError(f"--executor {name!r}: wanted one of {', '.join(EXECUTORS)}.")
    if read:
        hint = "--slots says how many runs at a time"
        raise ConfigError(f"--option {next(iter(read))!r}: the local executor has none.", hint)
    from dcpt.run.local import LocalExecutor

    return LocalExecutor
