"""Held-out losses of a network in shards: each process measures some windows, and all hear of all."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from transformers import PreTrainedModel

from dcpt.train.evaluate import logits_rows
from dcpt.train.full.group import Group
from dcpt.train.processor import Processor


class ShardedMeasure:
    """`dcpt.train.evaluate.measure_losses` over several processes.

    Parameters
    ----------
    group : Group
        The processes.
    most : int
        Windows that go through the network together at most.
    """

    def __init__(self, group: Group, most: int) -> None:
        self.group, self.most = group, most

    def __call__(
        self, network: PreTrainedModel, processor: Processor, windows: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Mean loss of each window in nats per token, shape (windows,); the same in every process.

        Parameters
        ----------
        network : PreTrainedModel
            Sharded.
        processor : Processor
            This process's device.
        windows : ndarray of int64, shape (windows, context + 1)
            All windows, in every process.
        """
        size, context = self.group.size, windows.shape[1] - 1
        # Layers are gathered together, so every process makes equally many passes: short of windows it
        # measures the last one again.
        part = -(-len(windows) // size)
        places = np.minimum(np.arange(part) + self.group.rank * part, len(windows) - 1)
        own = windows[places]
        rows = min(self.most, logits_rows(processor, context, network.config.vocab_size))
        losses = []
        network.eval()
        # Not inference mode: what is gathered in it could not be used for training afterwards.
        with torch.no_grad():
            for first in range(0, part, rows):
                tokens = torch.from_numpy(own[first : first + rows]).to(processor.device)
                logits = network(input_ids=tokens[:, :-1], use_cache=False).logits
                values = F.cross_entropy(
                    logits.float().flatten(0, 1), tokens[:, 1:].flatten(), reduction="none"
                )
                losses.append(values.view(-1, context).double().mean(dim=1))
        network.train()
        found = torch.cat(self.group.everyone(torch.cat(losses).cpu())).numpy()
        return np.asarray(found[: len(windows)], dtype=np.float64)
