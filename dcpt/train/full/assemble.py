"""What a full run is made of: its network in shards, its optimizer, and where they go on from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file
from transformers import PreTrainedModel

from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import RunSpec
from dcpt.cost.flops import training_flops_per_token
from dcpt.train import checkpoint
from dcpt.train.checkpoint import Progress
from dcpt.train.full import store
from dcpt.train.full.group import Group
from dcpt.train.full.options import FullOptions
from dcpt.train.full.shard import shard_network
from dcpt.train.full.state import scatter_optimizer
from dcpt.train.interpolation import ANCHOR
from dcpt.train.model import count_parameters, head_size
from dcpt.train.optimizer import make_optimizer
from dcpt.train.processor import Processor
from dcpt.train.start import start_network


@dataclass(frozen=True, eq=False)
class Assembly:
    """A run ready to take its next step.

    Attributes
    ----------
    network : PreTrainedModel
        In shards, on the device.
    optimizer : AdamW
        Of its parameters.
    own : Progress or None
        The run's own checkpoint it goes on from.
    parameters : dict
        Parameters by component.
    flops_per_token : float
        Training FLOPs.
    """

    network: PreTrainedModel
    optimizer: torch.optim.AdamW
    own: Progress | None
    parameters: dict[str, int]
    flops_per_token: float


def refuse_options(spec: RunSpec) -> None:
    """Refuse what this trainer does not do.

    Raises
    ------
    ConfigError
        Naming it.
    """
    if spec.optimizer.tilt:
        raise ConfigError(
            f"run {spec.slug}: its sequences are weighed by their losses (tilt), which a full run over "
            "several processes does not do.",
            hint="train it in one process, or without the tilt",
        )


def find_own(run_dir: Path, steps: int, group: Group) -> tuple[Progress | None, bool]:
    """The newest checkpoint a run left, and whether it is one in shards; all processes come to one answer.

    What is damaged is removed by the first process.
    """
    places = [-1, -1]
    if group.first:
        sharded, single = store.newest_whole(run_dir), checkpoint.newest_whole(run_dir, steps)
        places = [-1 if found is None else found.step for found in (sharded, single)]
    sharded_step, single_step = (group.largest(place) for place in places)
    if max(sharded_step, single_step) < 0:
        return None, False
    if sharded_step > single_step:
        return checkpoint.read_state(store.shard_folder(run_dir, sharded_step)), True
    return checkpoint.read_state(checkpoint.checkpoint_folder(run_dir, single_step)), False


def assemble(
    root: Path, run_dir: Path, spec: RunSpec, options: FullOptions, processor: Processor, group: Group
) -> Assembly:
    """Build the run's network and optimizer in every process, from its newest checkpoint if there is one.

    Each process reads the whole network into its host memory once, before the shards are cut.

    Parameters
    ----------
    root, run_dir : Path
        Folder of the sweep, and of the run in it.
    spec : RunSpec
        The run.
    options : FullOptions
        How it is trained.
    processor : Processor
        This process's device.
    group : Group
        The processes.

    Raises
    ------
    DataError, ConfigError
        When what it starts from is absent, damaged or of another network.
    """
    own, in_shards = find_own(run_dir, spec.schedule.steps, group)
    network = start_network(root, run_dir, spec, None if in_shards else own)
    parameters = count_parameters(network)
    config = network.config
    flops = training_flops_per_token(
        parameters,
        int(getattr(config, "num_hidden_layers", 0)),
        int(getattr(config, "hidden_size", 0)),
        spec.context,
        head_size(network),
    )
    shard_network(network, group.mesh, processor.precision, options.recompute, options.compile)
    optimizer = make_optimizer(network, spec.optimizer)
    extra = (ANCHOR,) if spec.optimizer.interpolation is not None else ()
    if own is not None and in_shards:
        store.load_shards(store.shard_folder(run_dir, own.step), network, optimizer, group, extra)
    else:
        source = _optimizer_source(root, run_dir, spec, own)
        if source is not None:
            scatter_optimizer(network, optimizer, _read_optimizer(source), source)
    return Assembly(network, optimizer, own, parameters, flops)


def _optimizer_source(root: Path, run_dir: Path, spec: RunSpec, own: Progress | None) -> Path | None:
    """File of a whole optimizer state the run goes on with, if it goes on with one."""
    start = spec.start
    if own is not None:
        folder = checkpoint.checkpoint_folder(run_dir, own.step)
        return folder / checkpoint.OPTIMIZER if own.step < spec.schedule.steps else None
    if start is not None and (start.mode == "continue" or start.optimizer == "restored"):
        folder = checkpoint.checkpoint_folder(root / "runs" / start.run_id, start.step)
        return folder / checkpoint.OPTIMIZER
    return None


def _read_optimizer(path: Path) -> dict[str, torch.Tensor]:
    try:
        tensors: dict[str, torch.Tensor] = load_file(path)
    except Exception as error:  # safetensors raises classes of its own
        raise DataError(
            f"{path}: cannot be read ({error}); the run goes on from it with its optimizer's state."
        ) from None
    return tensors
