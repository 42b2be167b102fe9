"""How many sequences a process may send through the network together: a first guess."""

from __future__ import annotations

import torch
from transformers import PreTrainedModel

from dcpt.train.full.group import Group
from dcpt.train.processor import Processor

SAFE_SHARE = 0.8
"""Share of the free memory that activations may fill: the rest is for gathered layers and fragments."""

# Bytes per sequence and layer in units of context * hidden, with 16-bit activations and an attention that
# keeps no scores: 34 (Korthikanti et al. 2022, arXiv:2205.05198, eq. 2, without its last term). With
# recomputation a layer keeps its input alone: 2.
_KEPT, _RECOMPUTED = 34, 2
# Logits per token and vocabulary entry: in 16 bits, in 32, and the gradients of both.
_LOGITS = 12


def bytes_per_sequence(network: PreTrainedModel, context: int, precision: str, recompute: bool) -> float:
    """Estimate of the activations of one sequence, in bytes."""
    config = network.config
    wide = 2 if precision == "fp32" else 1
    layers, hidden = int(config.num_hidden_layers), int(config.hidden_size)
    per_layer = (_RECOMPUTED if recompute else _KEPT) * hidden * wide
    working = _KEPT * hidden * wide if recompute else 0
    return float(context * (layers * per_layer + working + _LOGITS * int(config.vocab_size)))


def first_micro_batch(
    network: PreTrainedModel,
    group: Group,
    processor: Processor,
    most: int,
    context: int,
    recompute: bool,
) -> int:
    """Sequences per pass that the memory of the fullest process is estimated to hold; all of them on a CPU.

    Parameters
    ----------
    network : PreTrainedModel
        Sharded, before gradients and optimizer state exist.
    group : Group
        All processes come to one answer.
    processor : Processor
        This process's device.
    most : int
        Sequences per step of the process that has the most.
    context : int
        Tokens per sequence.
    recompute : bool
        Whether layers keep their inputs alone.
    """
    rows = most
    if processor.device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(processor.device)
        # Gradients and two moments in fp32, in shards.
        free -= 12 * sum(parameter.numel() for parameter in network.parameters()) // group.size
        size = bytes_per_sequence(network, context, processor.precision, recompute)
        rows = max(1, min(most, int(SAFE_SHARE * free / size)))
    return -group.largest(-rows)


_in_use: list[int] = []


def note_micro_batch(rows: int) -> int:
    """Remember how many sequences a pass of this process has, for when they turn out to be too many."""
    _in_use[:] = [rows]
    return rows


def micro_batch_in_use() -> int | None:
    """Sequences per pass of this process; None before the first is prepared."""
    return _in_use[0] if _in_use else None
