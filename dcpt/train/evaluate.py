"""Held-out losses: fixed windows per corpus, and each side pooled."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from transformers import PreTrainedModel

from dcpt.core.mixture import MixtureSpec
from dcpt.core.symbols import DENSE, ROLES, UNITS
from dcpt.corpus.batches import heldout_windows
from dcpt.corpus.shards import TokenCorpus
from dcpt.train.failure import is_out_of_memory
from dcpt.train.processor import Processor

Measure = Callable[[PreTrainedModel, Processor, NDArray[np.int64]], NDArray[np.float64]]

# Logits held at a time, in elements: on the CPU a piece that stays in the cache (16 windows of 128
# tokens at 1024 tokens of vocabulary), on a GPU 1 GiB of fp32.
_LOGITS = {"cpu": 1 << 21, "cuda": 1 << 28}


@dataclass(frozen=True, eq=False)
class HeldOut:
    """Held-out windows of one corpus.

    Parameters
    ----------
    name, role : str
        The corpus and its side.
    windows : ndarray of int64, shape (windows, context + 1)
        Token ids.
    bytes_per_token : float
        Of the held-out split.
    weight : float
        Share of the corpus inside its side; the weights of a side sum to 1.
    """

    name: str
    role: str
    windows: NDArray[np.int64]
    bytes_per_token: float
    weight: float


@dataclass(frozen=True)
class Measurement:
    """One value of one metric on one evaluation set."""

    eval_set: str
    metric: str
    unit: str
    value: float
    sem: float
    n_eval_tokens: int


def read_heldout(
    corpora: Mapping[str, TokenCorpus], mixture: MixtureSpec, context: int, sequences: int
) -> list[HeldOut]:
    """Held-out windows of every corpus that has a held-out part.

    Inside a side the corpora weigh as the mixture's `weights` say, or else by their training tokens; the
    shares in force do not count, so that the pooled loss is the same quantity at every r and at the base.

    Raises
    ------
    DataError
        When a held-out part has too few windows.
    """
    found = []
    for role in ROLES:
        side = {
            name: corpus
            for name, corpus in corpora.items()
            if corpus.info.role == role and corpus.info.heldout.tokens > 0
        }
        weights = {
            name: mixture.weights.get(name, float(corpus.info.train.tokens)) for name, corpus in side.items()
        }
        total = sum(weights.values())
        for name, corpus in side.items():
            windows = heldout_windows(corpus, context, sequences)
            found.append(
                HeldOut(name, role, windows, corpus.bytes_per_token("heldout"), weights[name] / total)
            )
    return found


def measure_losses(
    network: PreTrainedModel, processor: Processor, windows: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Mean loss of each window.

    Parameters
    ----------
    network : PreTrainedModel
        On the processor's device.
    processor : Processor
        Device and precision.
    windows : ndarray of int64, shape (windows, context + 1)
        Token ids.

    Returns
    -------
    ndarray, shape (windows,)
        Nats per token.
    """
    context = windows.shape[1] - 1
    rows = logits_rows(processor, context, network.config.vocab_size)
    losses = []
    network.eval()
    with torch.inference_mode(), processor.autocast():
        first = 0
        while first < len(windows):
            try:
                part = torch.from_numpy(windows[first : first + rows]).to(processor.device)
                losses.append(_window_losses(network, part))
                first += len(part)
                continue
            except (RuntimeError, MemoryError) as error:
                if rows == 1 or not is_out_of_memory(error):
                    raise
            rows = (rows + 1) // 2
    network.train()
    values_per_window: NDArray[np.float64] = torch.cat(losses).cpu().numpy()
    return values_per_window


def _window_losses(network: PreTrainedModel, tokens: torch.Tensor) -> torch.Tensor:
    logits = network(input_ids=tokens[:, :-1], use_cache=False).logits
    values = F.cross_entropy(logits.float().flatten(0, 1), tokens[:, 1:].flatten(), reduction="none")
    return values.view(len(tokens), -1).double().mean(dim=1)


def logits_rows(processor: Processor, context: int, vocabulary: int) -> int:
    """Windows whose logits are held at a time."""
    return max(1, _LOGITS[processor.device.type] // (context * vocabulary))


def evaluate(
    network: PreTrainedModel,
    processor: Processor,
    sets: list[HeldOut],
    dense: int | None = None,
    whole: bool = True,
    measure: Measure | None = None,
) -> list[Measurement]:
    """Loss and bits per byte on every side and, where a side has several corpora, on each of them.

    The standard error of a set is that of the mean over its windows; a pooled one combines its
    corpora as independent. A pooled value in bits per byte is the pooled loss over the pooled bytes
    per token.

    Parameters
    ----------
    network : PreTrainedModel
        On the processor's device.
    processor : Processor
        Device and precision.
    sets : list of HeldOut
        Held-out windows, by corpus.
    dense : int, optional
        Also measure this many of the windows of each corpus, evenly spaced among them, as sets of their
        own: ``general/dense``, ``general/novels/dense``.
    whole : bool
        Whether to measure all windows; without it only the dense ones are.
    measure : callable, optional
        What measures the windows of a corpus; by default `measure_losses`.

    Returns
    -------
    list of Measurement
    """
    chosen = {item.name: _spread(len(item.windows), dense) for item in sets}
    windows = {item.name: item.windows if whole else item.windows[chosen[item.name]] for item in sets}
    losses = {
        name: (measure or measure_losses)(network, processor, values) for name, values in windows.items()
    }
    results = _pool(sets, losses, "") if whole else []
    if dense is not None:
        some = {name: values[chosen[name]] if whole else values for name, values in losses.items()}
        results += _pool(sets, some, f"/{DENSE}")
    return results


def corpus_losses(
    sets: Sequence[HeldOut], measurements: Sequence[Measurement], dense: bool
) -> dict[str, float]:
    """Loss of each corpus in nats per token, from what `evaluate` returned.

    Parameters
    ----------
    sets : sequence of HeldOut
        What was evaluated on.
    measurements : sequence of Measurement
        Of all windows, of the dense ones, or of both.
    dense : bool
        Take the losses on the dense windows.
    """
    values = {item.eval_set: item.value for item in measurements if item.metric == "loss"}
    sides = [item.role for item in sets]
    ending = f"/{DENSE}" if dense else ""
    return {item.name: values[f"{_set_of(item, sides.count(item.role))}{ending}"] for item in sets}


def _set_of(item: HeldOut, corpora: int) -> str:
    """Evaluation set of one corpus of a side of so many."""
    return f"{item.role}/{item.name}" if corpora > 1 else item.role


def _spread(windows: int, count: int | None) -> NDArray[np.int64]:
    """Places of `count` windows, evenly spaced; all of them when there are fewer."""
    taken = windows if count is None else min(count, windows)
    return np.arange(taken, dtype=np.int64) * windows // taken


def _pool(sets: list[HeldOut], losses: Mapping[str, NDArray[np.float64]], ending: str) -> list[Measurement]:
    """Corpora and sides from the losses of their windows."""
    results: list[Measurement] = []
    for role in ROLES:
        side = [item for item in sets if item.role == role]
        loss = variance = width = 0.0
        tokens = 0
        for item in side:
            values = losses[item.name]
            mean, sem = float(values.mean()), float(values.std(ddof=1) / math.sqrt(len(values)))
            count = values.size * (item.windows.shape[1] - 1)
            if len(side) > 1:
                results += _both_metrics(
                    f"{_set_of(item, len(side))}{ending}", mean, sem, item.bytes_per_token, count
                )
            loss += item.weight * mean
            variance += (item.weight * sem) ** 2
            width += item.weight * item.bytes_per_token
            tokens += count if item.weight > 0 else 0
        if side:
            results += _both_metrics(f"{role}{ending}", loss, math.sqrt(variance), width, tokens)
    return results


def _both_metrics(
    name: str, loss: float, sem: float, bytes_per_token: float, tokens: int
) -> list[Measurement]:
    scale = {"loss": 1.0, "bpb": 1.0 / (math.log(2) * bytes_per_token)}
    return [
        Measurement(name, metric, UNITS[metric], loss * factor, sem * factor, tokens)
        for metric, factor in scale.items()
    ]
