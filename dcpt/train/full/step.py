"""One gradient of a run in shards: this process's sequences, in passes, summed with those of the others."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from transformers import PreTrainedModel

from dcpt.core.run_spec import RunSpec
from dcpt.train.full.attempts import Attempts
from dcpt.train.full.group import Group
from dcpt.train.full.memory import first_micro_batch, note_micro_batch
from dcpt.train.full.options import FullOptions
from dcpt.train.full.share import share_bounds, split_rows
from dcpt.train.processor import Processor


class ShardedGradient:
    """Leaves the gradient of a whole batch's mean loss in the shards.

    Parameters
    ----------
    network : PreTrainedModel
        Sharded.
    processor : Processor
        This process's device.
    group : Group
        The processes.
    batch : int
        Sequences per optimizer step of the run.
    most : int
        Sequences of the process that has the most of them.
    micro_batch : int
        Sequences per pass.
    compile_loss : bool
        Compile the loss of the logits.
    """

    def __init__(
        self,
        network: PreTrainedModel,
        processor: Processor,
        group: Group,
        batch: int,
        most: int,
        micro_batch: int,
        compile_loss: bool = False,
    ) -> None:
        self.network, self.processor, self.group = network, processor, group
        self.batch, self.most, self.micro_batch = batch, most, micro_batch
        self.loss = torch.compile(_summed_loss) if compile_loss else _summed_loss

    def __call__(self, rows: NDArray[np.int64]) -> torch.Tensor:
        """Part of the batch's mean loss that this process has, shape (), in nats per token.

        Parameters
        ----------
        rows : ndarray of int64, shape (own sequences, context + 1)
            Token ids; the parts of all processes add up to the batch's loss.
        """
        total = torch.zeros((), device=self.processor.device)
        scale = 1.0 / (self.batch * (rows.shape[1] - 1))
        for part, count in split_rows(rows, self.micro_batch, self.most):
            tokens = torch.from_numpy(part).to(self.processor.device, non_blocking=True)
            logits = self.network(input_ids=tokens[:, :-1], use_cache=False).logits
            if count:
                loss = self.loss(logits, tokens[:, 1:]) * scale
            else:  # the layers must go the same way back in every process
                loss = logits.flatten()[:1].float().sum() * 0.0
            # The shards' gradients are means over the processes; wanted is the sum.
            (loss * self.group.size).backward()
            total += loss.detach()
        return total


def _summed_loss(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(logits.float().flatten(0, 1), targets.flatten(), reduction="sum")


def prepare_gradient(
    network: PreTrainedModel,
    processor: Processor,
    group: Group,
    spec: RunSpec,
    options: FullOptions,
    run_dir: Path,
) -> ShardedGradient:
    """The gradient of a run, with as many sequences per pass as asked for, or as are thought to fit.

    Parameters
    ----------
    network, processor, group
        As `ShardedGradient` takes them; the optimizer has no state yet.
    spec : RunSpec
        The run.
    options : FullOptions
        How it is trained.
    run_dir : Path
        Its folder; it may say that an earlier start ran out of memory.
    """
    bounds = (share_bounds(spec.batch, rank, group.size) for rank in range(group.size))
    most = max(last - first for first, last in bounds)
    rows = options.micro_batch or first_micro_batch(
        network, group, processor, most, spec.context, options.recompute
    )
    known = Attempts.load(run_dir).micro_batch
    rows = note_micro_batch(-group.largest(-min(rows, most, known or rows)))
    return ShardedGradient(network, processor, group, spec.batch, most, rows, options.compile)
