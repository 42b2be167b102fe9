"""The full run, written down before it starts: which model, how many tokens, at which ratios."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from dcpt.core import files
from dcpt.core.settings import Settings, validate

SCHEMA_VERSION = 1


class LaunchedRun(Settings):
    """One run of a launch: the plan's ratio, or another one beside it; of many corpora with their shares."""

    run_id: str
    r: float
    planned: bool
    shares: dict[str, float] | None = None


class LaunchSpec(Settings):
    """A launch: the target's size and tokens, and its runs (schema version 1).

    ``flops`` counts training and evaluations of the runs and of their base, finished or not (see
    `dcpt.sweep.work`).
    """

    schema_version: Literal[1] = 1
    sweep: str
    size: str
    N: int
    D: int
    seed: int
    runs: tuple[LaunchedRun, ...]
    flops: float

    def save(self, path: Path | str) -> Path:
        """Write ``launch.json``."""
        return files.write_json(path, self.model_dump(mode="json"))

    @classmethod
    def load(cls, path: Path | str) -> LaunchSpec:
        """Read ``launch.json``.

        Raises
        ------
        DataError, ConfigError
            When the file is absent, of another schema version, or damaged.
        """
        return validate(cls, files.read_json(path, "a launch", SCHEMA_VERSION), str(path))
