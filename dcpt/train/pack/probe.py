"""How many runs to train together: a short measurement of throughput, within free memory."""

from __future__ import annotations

import copy
import math
import time

import numpy as np
import torch

from dcpt.train.optimizer import make_optimizer
from dcpt.train.pack.engine import LONGEST, WARM_UP, Engine
from dcpt.train.pack.feed import drawn_corpora, resident_tokens
from dcpt.train.pack.stack import Stack
from dcpt.train.pack.step import PackedStep
from dcpt.train.processor import Processor
from dcpt.train.unit import Unit

LEAST_GAIN = 1.05
"""A larger pack must be this much faster per token: below it the device is full."""

MEMORY_SHARE = 0.8
"""Part of the free memory a pack may be expected to take; the rest is for evaluations and fragmentation."""

_known: dict[tuple[object, ...], dict[int, float]] = {}
"""Tokens per second by size of pack, for each shape measured in this process."""


def sizes_to_try(most: int) -> list[int]:
    """Sizes of pack that are measured for so many runs: powers of two, and all of them."""
    powers = [1 << exponent for exponent in range(most.bit_length()) if 1 << exponent < most]
    return [*powers, most]


def choose_size(unit: Unit, processor: Processor, most: int) -> tuple[int, float]:
    """The fastest size of pack that fits.

    Parameters
    ----------
    unit : Unit
        One of the runs, at its start; it is left as it is.
    processor : Processor
        Where to compute.
    most : int
        Runs there are.

    Returns
    -------
    size : int
        Runs to train together, at least 1.
    rate : float
        Tokens per second of all of them.
    """
    spec = unit.spec
    key = (unit.network.config.to_json_string(), spec.context, spec.batch, str(processor))
    rates = _known.setdefault(key, {})
    used: dict[int, int] = {}
    best = 1
    for size in sizes_to_try(most):
        if not fits(size, used, processor.device):
            break
        if size not in rates:
            try:
                rates[size], used[size] = measure_rate(unit, processor, size)
            except torch.OutOfMemoryError:
                break
            finally:
                if processor.device.type == "cuda":
                    torch.cuda.empty_cache()
        if size > best and rates[size] < LEAST_GAIN * rates[best]:
            break
        best = size
    return best, rates.get(best, math.nan)


def fits(size: int, used: dict[int, int], device: torch.device) -> bool:
    """Whether a pack of this size can be expected to fit, given the bytes that smaller ones took."""
    if device.type != "cuda" or len(used) < 1:
        return True
    largest = max(used)
    free, _ = torch.cuda.mem_get_info(device)
    return bool(used[largest] * size / largest < MEMORY_SHARE * free)


def measure_rate(unit: Unit, processor: Processor, size: int, compiled: bool = False) -> tuple[float, int]:
    """Tokens per second of a pack of copies of one run, and the bytes of device memory it took.

    The learning rate is 0 and the networks are copies: nothing of the run changes.
    """
    assert unit.mixture is not None
    spec, device = unit.spec, processor.device
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
    networks = [copy.deepcopy(unit.network) for _ in range(size)]
    stack = Stack(networks, [make_optimizer(network, spec.optimizer) for network in networks], spec.optimizer)
    step = PackedStep(stack, processor, spec.context, spec.optimizer.clip, compiled)
    resident = resident_tokens(drawn_corpora(unit.corpora, [unit.mixture]), device)
    engine = Engine(step, spec.context, spec.batch, resident, record=True)
    mixtures, rates = [unit.mixture] * size, np.zeros(spec.schedule.steps + LONGEST)
    for _ in range(WARM_UP + 1):
        engine.advance(mixtures, rates, 1, 1)
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        engine.advance(mixtures, rates, 1, engine.longest)
        seconds.append((time.perf_counter() - began) / engine.longest)
    taken = 0
    if device.type == "cuda":
        taken = torch.cuda.max_memory_allocated(device) - before
    engine.release()
    return size * spec.tokens_per_step / min(seconds), taken


def even_parts(count: int, most: int) -> list[int]:
    """Sizes of the fewest packs of at most `most` runs, as even as they can be."""
    packs = math.ceil(count / most)
    return [count // packs + (index < count % packs) for index in range(packs)]
