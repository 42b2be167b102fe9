"""Weights & Biases: offline unless the user's environment says otherwise."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dcpt.run.sinks.sink import MirroredRun

# Before the import: error reports of the client's own go over the network, too.
os.environ.setdefault("WANDB_ERROR_REPORTING", "false")

import wandb


class WandbSink:
    """One W&B run per run, with the run id as its id, so that a resumed run goes on in its own curves.

    The steps of a W&B run only grow: a run that begins again is another one, beside the first in its group.

    ``WANDB_MODE``, ``WANDB_PROJECT``, ``WANDB_ENTITY`` and ``WANDB_DIR`` are obeyed; without ``WANDB_MODE``
    the runs are written below `folder`, to be sent with ``wandb sync``.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = Path(os.environ.get("WANDB_DIR", folder))
        self.mode: Any = os.environ.get("WANDB_MODE", "offline")
        self._run: Any = None

    def open(self, run: MirroredRun) -> None:
        """Begin the run, or go on with it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        online = self.mode == "online"
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", run.project),
            group=run.group,
            name=run.label,
            id=run.label,
            notes=run.reason or None,
            config=dict(run.told),
            dir=str(self.folder),
            mode=self.mode,
            resume="allow" if online else None,
            reinit="create_new",
            save_code=False,
            settings=wandb.Settings(
                silent=True,
                console="off",
                disable_git=True,
                disable_code=True,
                x_disable_stats=True,
                x_disable_machine_info=True,
                x_save_requirements=False,
            ),
        )

    def log(self, step: int, values: Mapping[str, float]) -> None:
        """Add the metrics of a step to the run's history."""
        self._run.log(dict(values), step=step)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()
