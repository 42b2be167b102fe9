"""Held-out losses against sums done directly."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny_sweep import BATCH, CONTEXT, LLAMA, TinySweep

from dcpt.core.run_spec import ModelSpec, OptimizerSpec
from dcpt.train.evaluate import evaluate, measure_losses, read_heldout
from dcpt.train.inputs import open_corpora
from dcpt.train.model import draw_model, read_config
from dcpt.train.optimizer import make_optimizer
from dcpt.train.processor import Processor

WEIGHTS = {"books": 0.75, "notes": 0.25}


def test_pooled_sides_are_weighted_means_and_bpb_follows_from_the_loss(
    sweep: TinySweep, processor: Processor
) -> None:
    spec = sweep.base()
    corpora = open_corpora(sweep.root, spec)
    network = draw_model(read_config(spec.model), 1)
    sets = read_heldout(corpora, replace(sweep.mixture(0.4), weights=WEIGHTS), CONTEXT, 20)
    found = {(item.eval_set, item.metric): item for item in evaluate(network, processor, sets)}
    assert {name for name, _ in found} == {"general", "general/books", "general/notes", "domain"}
    books, notes, pooled = (found[name, "loss"] for name in ("general/books", "general/notes", "general"))
    assert pooled.value == pytest.approx(0.75 * books.value + 0.25 * notes.value, rel=1e-12)
    assert pooled.sem == pytest.approx(math.hypot(0.75 * books.sem, 0.25 * notes.sem), rel=1e-12)
    assert pooled.n_eval_tokens == 2 * 20 * CONTEXT
    # the tiny corpora hold 2.5 bytes per token
    assert found["domain", "bpb"].value == pytest.approx(found["domain", "loss"].value / math.log(2) / 2.5)


def test_dense_sets_are_some_of_the_windows_wherever_they_are_measured(
    sweep: TinySweep, processor: Processor
) -> None:
    """At an end beside all windows, elsewhere alone: the same windows, so the same losses."""
    spec = sweep.base()
    network = draw_model(read_config(spec.model), 1)
    sets = read_heldout(open_corpora(sweep.root, spec), sweep.mixture(0.4), CONTEXT, 20)
    end = {(item.eval_set, item.metric): item for item in evaluate(network, processor, sets, 8)}
    midway = evaluate(network, processor, sets, 8, whole=False)
    names = {"general", "general/books", "general/notes", "domain"}
    assert {item.eval_set for item in midway} == {f"{name}/dense" for name in names}
    assert {name for name, _ in end} == names | {f"{name}/dense" for name in names}
    for item in midway:
        assert item.value == pytest.approx(end[item.eval_set, item.metric].value, rel=1e-6)
    law = next(item for item in sets if item.name == "law")
    eighth = measure_losses(network, processor, law.windows[[0, 2, 5, 7, 10, 12, 15, 17]]).mean()
    assert end["domain/dense", "loss"].value == pytest.approx(eighth, rel=1e-6)
    assert end["domain/dense", "loss"].n_eval_tokens == 8 * CONTEXT
    assert end["domain", "loss"].value != end["domain/dense", "loss"].value


@pytest.mark.parametrize("given", [{"books": 0.9, "notes": 0.1}, {}])
def test_every_ratio_pools_a_side_with_the_same_weights(sweep: TinySweep, given: dict[str, float]) -> None:
    corpora = open_corpora(sweep.root, sweep.base())
    # books has twice the training tokens of notes; a side without weights goes by them
    expected = {**(given or {"books": 2 / 3, "notes": 1 / 3}), "law": 1.0}
    for r in (0.0, 0.25, 0.4, 1.0):
        mixture = replace(sweep.mixture(r), weights=given)
        found = {item.name: item.weight for item in read_heldout(corpora, mixture, CONTEXT, 20)}
        assert found == pytest.approx(expected, rel=1e-12)


def test_window_losses_equal_log_probabilities_taken_one_by_one(processor: Processor) -> None:
    network = draw_model(read_config(ModelSpec("llama", LLAMA)), 1).eval()
    windows = np.random.default_rng(0).integers(0, 32, (3, CONTEXT + 1))
    with torch.inference_mode():
        logs = network(input_ids=torch.from_numpy(windows[:, :-1])).logits.double().log_softmax(-1).numpy()
    direct = [-np.mean([logs[i, t, windows[i, t + 1]] for t in range(CONTEXT)]) for i in range(3)]
    assert measure_losses(network, processor, windows) == pytest.approx(direct, rel=1e-6)


def test_matrices_are_decayed_and_vectors_are_not() -> None:
    network = draw_model(read_config(ModelSpec("llama", LLAMA)), 1)
    optimizer = make_optimizer(network, OptimizerSpec(weight_decay=0.5))
    decay = {id(p): group["weight_decay"] for group in optimizer.param_groups for p in group["params"]}
    assert {(p.ndim, decay[id(p)]) for p in network.parameters()} == {(2, 0.5), (1, 0.0)}
    assert BATCH > 0
