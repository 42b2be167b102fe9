"""How much of a device the full run's trainer gets: a model of any size on random tokens, for a few steps."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from dcpt.core.run_spec import ModelSpec, OptimizerSpec
from dcpt.cost.flops import training_flops_per_token
from dcpt.train.full.group import Group
from dcpt.train.full.shard import shard_network
from dcpt.train.full.share import share_bounds
from dcpt.train.full.step import ShardedGradient
from dcpt.train.model import count_parameters, draw_model, head_size, read_config
from dcpt.train.optimizer import clip_gradients, make_optimizer, set_rate
from dcpt.train.processor import Processor

DENSE_350M: Mapping[str, Any] = {
    "vocab_size": 32768,
    "hidden_size": 1024,
    "intermediate_size": 2816,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "num_key_value_heads": 16,
    "max_position_embeddings": 2048,
    "tie_word_embeddings": True,
}
"""A dense Llama of 308M parameters beside 34M of tied embeddings: width and depth of GPT-3 Medium (Brown et
al. 2020, arXiv:2005.14165, table 2.1), and a gated MLP of three matrices of 2816."""


@dataclass(frozen=True)
class Speed:
    """What a probe measured.

    Attributes
    ----------
    parameters : int
        All of them.
    flops_per_token : float
        Of training, recomputation not counted.
    tokens_per_second : float
        Of all processes, from the median step.
    flops_per_second : float
        Model FLOPs per second of one process.
    seconds_per_step : float
        Median.
    peak_bytes : int
        Most device memory a process of this rank held; 0 on a CPU.
    """

    parameters: int
    flops_per_token: float
    tokens_per_second: float
    flops_per_second: float
    seconds_per_step: float
    peak_bytes: int

    def utilisation(self, peak_flops: float) -> float:
        """Model FLOPs per second of one process over a device's peak."""
        return self.flops_per_second / peak_flops


def measure_speed(
    config: Mapping[str, Any],
    processor: Processor,
    group: Group,
    context: int,
    batch: int,
    micro_batch: int,
    steps: int = 10,
    warm: int = 3,
    recompute: bool = False,
    compile_layers: bool = False,
) -> Speed:
    """Time whole optimizer steps of the full run: forward, backward, clipping, AdamW.

    Parameters
    ----------
    config : mapping
        Fields of a Llama configuration.
    processor : Processor
        This process's device and precision.
    group : Group
        The processes (see `dcpt.train.full.group.join_group`); one alone does.
    context : int
        Tokens per sequence.
    batch, micro_batch : int
        Sequences per optimizer step of all processes, and per pass of each.
    steps, warm : int
        Steps that are timed, and steps before them.
    recompute, compile_layers : bool
        As `dcpt.train.full.shard.shard_network` takes them.
    """
    network = draw_model(read_config(ModelSpec("llama", dict(config))), 0)
    parameters = count_parameters(network)
    per_token = training_flops_per_token(
        parameters,
        network.config.num_hidden_layers,
        network.config.hidden_size,
        context,
        head_size(network),
    )
    shard_network(network, group.mesh, processor.precision, recompute, compile_layers)
    optimizer = make_optimizer(network, OptimizerSpec())
    set_rate(optimizer, 1e-4)
    bounds = [share_bounds(batch, rank, group.size) for rank in range(group.size)]
    most = max(last - first for first, last in bounds)
    gradient = ShardedGradient(network, processor, group, batch, most, micro_batch, compile_layers)
    own = bounds[group.rank][1] - bounds[group.rank][0]
    cuda = processor.device.type == "cuda"
    seconds = []
    for number in range(warm + steps):
        random = np.random.default_rng([number, group.rank])
        rows = random.integers(0, network.config.vocab_size, (own, context + 1))
        began = time.perf_counter()
        gradient(rows)
        clip_gradients(network, 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        if cuda:
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - began)
    median = float(np.median(seconds[warm:]))
    rate = batch * context / median
    return Speed(
        parameters=sum(parameters.values()),
        flops_per_token=per_token,
        tokens_per_second=rate,
        flops_per_second=rate * per_token / group.size,
        seconds_per_step=median,
        peak_bytes=torch.cuda.max_memory_allocated() if cuda else 0,
    )
