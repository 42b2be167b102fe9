"""The record of a run that came to its end."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import metadata
from typing import Literal

import numpy as np
import torch
import transformers

from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import RunSpec
from dcpt.train.checkpoint import Progress
from dcpt.train.inputs import Mixture


def make_record(
    run_id: str,
    spec: RunSpec,
    status: Literal["finished", "abandoned"],
    reason: str,
    progress: Progress,
    mixture: Mixture | None,
    attempts: int,
    parameters: Mapping[str, int],
    host: Mapping[str, str],
) -> RunRecord:
    """What became of a run after ``progress.step`` steps.

    Parameters
    ----------
    run_id : str
        Name of its folder.
    spec, status, reason, attempts, parameters, host
        As in `RunRecord`.
    progress : Progress
        Steps done, seconds and FLOPs.
    mixture : Mixture, optional
        What it was trained on; None for a run without a step.
    """
    sequences = progress.step * spec.batch
    return RunRecord(
        run_id=run_id,
        status=status,
        reason=reason,
        attempts=attempts,
        parameters=parameters,
        steps=progress.step,
        tokens=progress.step * spec.tokens_per_step,
        r_seen=mixture.sampler.r_seen(0, sequences) if mixture is not None and sequences else None,
        epochs=mixture.sampler.epochs(sequences) if mixture is not None else {},
        flops=progress.flops,
        seconds=progress.seconds,
        host=host,
        versions=_versions(),
    )


def _versions() -> dict[str, str]:
    try:
        own = metadata.version("dcpt")
    except metadata.PackageNotFoundError:
        own = "not installed"
    return {
        "dcpt": own,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "numpy": np.__version__,
    }
