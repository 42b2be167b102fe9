"""AdamW as the spec describes it, and its state as named tensors."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from dcpt.core.errors import DataError
from dcpt.core.run_spec import OptimizerSpec
from dcpt.train.interpolation import ANCHOR

_STATE = ("exp_avg", "exp_avg_sq", "step")


def make_optimizer(network: nn.Module, spec: OptimizerSpec) -> torch.optim.AdamW:
    """AdamW that decays matrices (embeddings included) and leaves vectors (norms, biases) alone.

    The fused kernel is used on either device: on the CPU it is as exact as the others and the
    fastest for small models.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in parameters if p.ndim >= 2], "weight_decay": spec.weight_decay},
        {"params": [p for p in parameters if p.ndim < 2], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(
        [group for group in groups if group["params"]],
        lr=0.0,
        betas=(spec.beta1, spec.beta2),
        eps=spec.eps,
        fused=True,
    )


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Learning rate of the next step."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def clip_gradients(network: nn.Module, limit: float) -> torch.Tensor:
    """Scale the gradients to a norm of at most `limit` (0: only measure it).

    Returns
    -------
    Tensor, shape ()
        Norm of all gradients before scaling.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.grad is not None]
    return torch.nn.utils.clip_grad_norm_(parameters, limit if limit > 0 else float("inf"))


def dump_state(network: nn.Module, optimizer: torch.optim.Optimizer) -> dict[str, torch.Tensor]:
    """Moments and step counts by parameter name: ``exp_avg.<name>`` and so on."""
    tensors = {}
    for name, parameter in network.named_parameters():
        for key, value in optimizer.state.get(parameter, {}).items():
            tensors[f"{key}.{name}"] = value.detach().cpu().contiguous()
    return tensors


def load_state(
    network: nn.Module, optimizer: torch.optim.Optimizer, tensors: Mapping[str, torch.Tensor], where: str
) -> None:
    """Put a state made by `dump_state` back.

    Raises
    ------
    DataError
        When the tensors are not those of this network.
    """
    names = {name: parameter for name, parameter in network.named_parameters() if parameter.requires_grad}
    keys = [*_STATE, *([ANCHOR] if any(name.startswith(f"{ANCHOR}.") for name in tensors) else [])]
    wanted = {f"{key}.{name}" for name in names for key in keys}
    if set(tensors) != wanted:
        odd = sorted(wanted.symmetric_difference(tensors))[0]
        raise DataError(f"{where}: the optimizer's state does not fit the network (tensor {odd}).")
    for name, parameter in names.items():
        state = {}
        for key in keys:
            value = tensors[f"{key}.{name}"]
            if key != "step" and value.shape != parameter.shape:
                raise DataError(
                    f"{where}: {key}.{name} has shape {tuple(value.shape)}; wanted {tuple(parameter.shape)}."
                )
            # A copy of its own: tensors from a file may lie at addresses that change the last bit.
            state[key] = value.to(parameter.device, copy=True)
        optimizer.state[parameter] = state
