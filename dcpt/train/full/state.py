"""The state of a network in shards and of its optimizer, as tensors by name: in shards, or whole."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn
from torch.distributed.tensor import DTensor, distribute_tensor

from dcpt.core.errors import DataError

MOMENTS = ("exp_avg", "exp_avg_sq")
STEP = "step"

_MODEL, _OPTIMIZER = "model.", "optimizer."


def network_state(network: nn.Module) -> dict[str, torch.Tensor]:
    """Weights and stored buffers by name, each tied one once, not copied."""
    stored = network.state_dict(keep_vars=True)
    tensors: dict[str, torch.Tensor] = dict(network.named_parameters())
    tensors |= {name: buffer for name, buffer in network.named_buffers() if name in stored}
    return tensors


def optimizer_state(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Moments and step counts by parameter, ``exp_avg.<name>`` and so on, as `dump_state` names them."""
    return {
        f"{key}.{name}": value
        for name, parameter in network.named_parameters()
        for key, value in optimizer.state.get(parameter, {}).items()
    }


def prepare_optimizer(
    network: nn.Module, optimizer: torch.optim.Optimizer, extra: tuple[str, ...] = ()
) -> None:
    """Give the optimizer the state it would have before its first step, for a checkpoint to be read into.

    Parameters
    ----------
    network : Module
        Sharded.
    optimizer : Optimizer
        AdamW of its parameters.
    extra : tuple of str
        Further entries of the shape of a parameter.
    """
    for parameter in network.parameters():
        if parameter.requires_grad:
            state = {key: torch.zeros_like(parameter) for key in (*MOMENTS, *extra)}
            # The fused kernel wants its count where the parameter is.
            state[STEP] = torch.zeros((), dtype=torch.float32, device=parameter.device)
            optimizer.state[parameter] = state


def flat_state(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """All of it under one set of names, as distributed checkpoints hold it."""
    found = {_MODEL + name: value.detach() for name, value in network_state(network).items()}
    return found | {_OPTIMIZER + name: value for name, value in optimizer_state(network, optimizer).items()}


def gather(tensors: Mapping[str, torch.Tensor], keep: bool) -> dict[str, torch.Tensor]:
    """Whole tensors on the CPU; every process takes part, those that `keep` them get them.

    Parameters
    ----------
    tensors : mapping
        Sharded or whole.
    keep : bool
        Whether this process wants them.
    """
    found = {}
    for name, value in tensors.items():
        whole = value.detach().full_tensor() if isinstance(value, DTensor) else value.detach()
        if keep:
            found[name] = whole.cpu().contiguous()
    return found


def scatter_optimizer(
    network: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor], where: Path
) -> None:
    """Put a whole state, as a single process stores it, into the shards of every process.

    Raises
    ------
    DataError
        When it is not the state of this network.
    """
    names = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    keys = {name.partition(".")[0] for name in tensors}
    wanted = {f"{key}.{name}" for name in names for key in keys | {*MOMENTS, STEP}}
    if set(tensors) != wanted:
        odd = sorted(wanted.symmetric_difference(tensors))[0]
        raise DataError(f"{where}: the optimizer's state does not fit the network (tensor {odd}).")
    prepare_optimizer(network, optimizer, tuple(sorted(keys - {*MOMENTS, STEP})))
    for name, parameter in names.items():
        for key, slot in optimizer.state[parameter].items():
            value = tensors[f"{key}.{name}"].to(slot.device)
            if value.shape != slot.shape:
                raise DataError(
                    f"{where}: {key}.{name} has shape {tuple(value.shape)}; wanted {tuple(slot.shape)}."
                )
            if isinstance(slot, DTensor):
                value = distribute_tensor(value, slot.device_mesh, slot.placements)
            slot.copy_(value)
