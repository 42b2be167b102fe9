"""A network in shards: each layer gathered when it computes, its gradients summed over the processes."""

from __future__ import annotations

import torch
from torch import nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import MixedPrecisionPolicy, fully_shard
from transformers import PreTrainedModel

from dcpt.core.errors import ConfigError


def decoder_layers(network: PreTrainedModel) -> list[nn.Module]:
    """The decoder layers, in order: the list of as many modules as the configuration has layers.

    Raises
    ------
    ConfigError
        When the network has no such list.
    """
    wanted = int(getattr(network.config, "num_hidden_layers", 0))
    lists = [list(module) for module in network.modules() if isinstance(module, nn.ModuleList)]
    # The first one is the outermost: the experts of a layer may be as many.
    layers = next((found for found in lists if found and len(found) == wanted), [])
    if not layers:
        raise ConfigError(
            f"model family {network.config.model_type!r}: its decoder layers were not found.",
            hint="train it in one process",
        )
    return layers


def shard_network(
    network: PreTrainedModel,
    mesh: DeviceMesh,
    precision: str = "fp32",
    recompute: bool = False,
    compile_layers: bool = False,
) -> None:
    """Spread a network that every process has whole over the processes, layer by layer.

    Weights, gradients and the optimizer's state stay in fp32 shards. In bf16 a layer's weights are
    gathered and used in bf16, and its gradients are summed in fp32.

    Parameters
    ----------
    network : PreTrainedModel
        On the CPU, the same in every process; changed in place. Its shards lie on the mesh's device.
    mesh : DeviceMesh
        Of one dimension.
    precision : str
        fp32 or bf16.
    recompute : bool
        Keep only what goes into the layers and compute the rest again in the backward pass.
    compile_layers : bool
        Compile each layer.

    Raises
    ------
    ConfigError
        When its decoder layers are not found, or it cannot recompute.
    """
    policy = MixedPrecisionPolicy()
    if precision == "bf16":
        policy = MixedPrecisionPolicy(param_dtype=torch.bfloat16, reduce_dtype=torch.float32)
    if recompute:
        if not network.supports_gradient_checkpointing:
            raise ConfigError(f"model family {network.config.model_type!r} cannot recompute its activations.")
        # Newer transformers have another name for it and warn of the older one.
        enable = getattr(network, "activation_checkpointing_enable", network.gradient_checkpointing_enable)
        enable({"use_reentrant": False})
    for layer in decoder_layers(network):
        if compile_layers:
            # The forward pass alone: what gathers and frees the weights is a hook, which stays outside.
            layer.forward = torch.compile(layer.forward)
        fully_shard(layer, mesh=mesh, mp_policy=policy)
    fully_shard(network, mesh=mesh, mp_policy=policy)
    network.train()
