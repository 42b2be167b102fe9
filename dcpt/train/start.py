"""Where a run's weights come from: its own checkpoint, its parent's, a local model, or the seed."""

from __future__ import annotations

from pathlib import Path

from transformers import PreTrainedModel

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import RunSpec
from dcpt.train import checkpoint
from dcpt.train.checkpoint import Progress
from dcpt.train.model import draw_model, load_model, read_config


def start_network(root: Path, run_dir: Path, spec: RunSpec, own: Progress | None) -> PreTrainedModel:
    """Build the network a run begins or goes on with, on the CPU.

    Parameters
    ----------
    root : Path
        Folder of the sweep; relative checkpoint paths start there.
    run_dir : Path
        Folder of the run.
    spec : RunSpec
        The run.
    own : Progress, optional
        The run's own checkpoint it is resumed from.

    Raises
    ------
    DataError
        When the checkpoint it starts from is absent, damaged or of another network.
    ConfigError
        When the network cannot be built, or is too small for the tokens or the context.
    """
    if own is not None:
        network = _rebuild(spec, checkpoint.checkpoint_folder(run_dir, own.step))
    elif spec.start is not None:
        folder = checkpoint.checkpoint_folder(root / "runs" / spec.start.run_id, spec.start.step)
        if not folder.is_dir():
            raise DataError(
                f"{folder}: no such checkpoint; the run starts from it.", hint="run its parent first"
            )
        checkpoint.read_progress(folder)
        network = _rebuild(spec, folder)
    elif spec.model.checkpoint is not None:
        network = load_model(spec.model, root / spec.model.checkpoint)
    else:
        network = draw_model(read_config(spec.model), spec.seed)
    positions = getattr(network.config, "max_position_embeddings", None)
    if isinstance(positions, int) and positions < spec.context:
        raise ConfigError(f"model: it reads {positions} positions; the run's context is {spec.context}.")
    return network


def _rebuild(spec: RunSpec, folder: Path) -> PreTrainedModel:
    network = draw_model(read_config(spec.model, folder), spec.seed)
    checkpoint.load_weights(folder, network)
    return network
