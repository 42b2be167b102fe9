"""The packed forward and backward pass against `transformers`, and against itself with other company."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from tiny_sweep import BATCH, CONTEXT, LLAMA, VOCAB, TinySweep

from dcpt.core.run_spec import ModelSpec, OptimizerSpec
from dcpt.corpus.shards import numpy_dtype
from dcpt.train.inputs import open_corpora, open_mixture
from dcpt.train.model import draw_model, read_config
from dcpt.train.optimizer import clip_gradients, make_optimizer, set_rate
from dcpt.train.pack.decoder import refuse_unpackable
from dcpt.train.pack.engine import Engine
from dcpt.train.pack.feed import ResidentTokens, places_of_steps
from dcpt.train.pack.stack import Stack
from dcpt.train.pack.step import PackedStep
from dcpt.train.processor import Processor

RATES = np.full(40, 3e-3)


def draw(seed: int, **changes: Any) -> Any:
    network = draw_model(read_config(ModelSpec("llama", {**LLAMA, **changes})), seed)
    for name, parameter in network.named_parameters():  # drawn biases are 0, which would prove little
        if name.endswith("bias"):
            torch.nn.init.normal_(parameter, std=0.1)
    return network


def stacked(seeds: list[int], spec: OptimizerSpec, **changes: Any) -> Stack:
    networks = [draw(seed, **changes) for seed in seeds]
    return Stack(networks, [make_optimizer(network, spec) for network in networks], spec)


def batches(step: int, replicas: int) -> torch.Tensor:
    random = np.random.default_rng(step)
    tokens = random.integers(0, VOCAB, (16, BATCH, CONTEXT + 1))
    return torch.from_numpy(tokens)[:replicas]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"tie_word_embeddings": True},
        {"num_attention_heads": 4, "num_key_value_heads": 2, "attention_bias": True, "mlp_bias": True},
    ],
)
def test_a_pack_of_one_takes_the_steps_of_the_plain_network(
    processor: Processor, changes: dict[str, Any]
) -> None:
    spec = OptimizerSpec(clip=0.5)
    assert refuse_unpackable(draw(1, **changes)) is None
    stack = stacked([1], spec, **changes)
    packed = PackedStep(stack, processor, CONTEXT, spec.clip)
    plain = draw(1, **changes)
    optimizer = make_optimizer(plain, spec)
    for step in range(1, 9):
        tokens = batches(step, 1)
        logits = plain(input_ids=tokens[0, :, :-1], use_cache=False).logits
        loss = F.cross_entropy(logits.flatten(0, 1), tokens[0, :, 1:].flatten())
        loss.backward()
        norm = clip_gradients(plain, spec.clip)
        set_rate(optimizer, 3e-3)
        optimizer.step()
        optimizer.zero_grad()
        stack.set_rate(3e-3)
        assert packed.take(tokens)[0].tolist() == pytest.approx([loss.item(), norm.item()], abs=1e-6)
    for name, parameter in stack.networks[0].named_parameters():
        assert torch.allclose(parameter, dict(plain.named_parameters())[name], atol=1e-6)


def test_a_replica_does_not_depend_on_its_company(processor: Processor) -> None:
    spec = OptimizerSpec()
    seen = {}
    for replicas in (1, 4, 9):
        stack = stacked(list(range(1, replicas + 1)), spec)
        packed = PackedStep(stack, processor, CONTEXT, spec.clip)
        stack.set_rate(3e-3)
        rows = [packed.take(batches(step, replicas))[0].tolist() for step in range(12)]
        weights = torch.cat([parameter.detach().flatten() for parameter in stack.networks[0].parameters()])
        seen[replicas] = rows, weights
    assert seen[1][0] == seen[4][0] == seen[9][0]
    assert torch.equal(seen[1][1], seen[4][1])
    assert torch.equal(seen[1][1], seen[9][1])


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_tokens_on_a_device_are_those_of_the_batches(sweep: TinySweep, dtype: str) -> None:
    spec = sweep.base(mixture=sweep.mixture(0.4))
    corpora = open_corpora(sweep.root, spec)
    large = {"uint16": 40_000, "uint32": 100_000}[dtype]  # beyond what a signed number of 16 bits holds
    for corpus in corpora.values():
        object.__setattr__(
            corpus, "train", (np.array(corpus.train, dtype=np.int64) + large).astype(numpy_dtype(dtype))
        )
    mixtures = [open_mixture(corpora, replace(spec, mixture=sweep.mixture(r, seed=3))) for r in (0.2, 0.7)]
    resident = ResidentTokens(corpora, torch.device("cpu"))
    places = places_of_steps(resident, mixtures, CONTEXT, BATCH, 3, 7)
    tokens = resident.gather(torch.from_numpy(places), CONTEXT)
    for step in range(3, 8):
        for replica, mixture in enumerate(mixtures):
            assert torch.equal(tokens[step - 3, replica], torch.from_numpy(mixture.batch(step)))


def test_steps_in_stretches_are_the_same_steps(sweep: TinySweep, processor: Processor) -> None:
    spec = sweep.base()
    corpora = open_corpora(sweep.root, spec)
    mixtures = [open_mixture(corpora, replace(spec, mixture=sweep.mixture(r))) for r in (0.2, 0.5, 0.8)]
    resident = ResidentTokens(corpora, torch.device("cpu"))
    rows = []
    for longest, store in ((1, None), (10, resident)):
        step = PackedStep(stacked([1, 2, 3], spec.optimizer), processor, CONTEXT, spec.optimizer.clip)
        engine = Engine(step, CONTEXT, BATCH, store, longest=longest)
        parts = [
            engine.advance(mixtures, RATES, first, min(first + longest - 1, 24))
            for first in range(1, 25, longest)
        ]
        rows.append(np.concatenate(parts))
    assert rows[0].shape == (24, 3, 2)
    assert np.abs(rows[0] - rows[1]).max() < 1e-6


def test_networks_the_packed_pass_does_not_know_are_refused() -> None:
    assert "gelu" in str(refuse_unpackable(draw(1, hidden_act="gelu")))
    assert "padding" in str(refuse_unpackable(draw(1, pad_token_id=3)))
    neox = {"vocab_size": VOCAB, "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
    network = draw_model(read_config(ModelSpec("gpt_neox", neox)), 1)
    assert "gpt_neox" in str(refuse_unpackable(network))
