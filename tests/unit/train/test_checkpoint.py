"""Checkpoints: whole or absent, equal after reading back, `transformers` folders as they are."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from tiny_sweep import LLAMA, VOCAB
from transformers import AutoModelForCausalLM

from dcpt.core.errors import DataError
from dcpt.core.run_spec import ModelSpec, OptimizerSpec
from dcpt.train import checkpoint
from dcpt.train.checkpoint import Progress
from dcpt.train.model import draw_model, read_config
from dcpt.train.optimizer import clip_gradients, dump_state, make_optimizer, set_rate


def trained(tied: bool = False, seed: int = 1):
    """A network and its optimizer after two steps."""
    network = draw_model(read_config(ModelSpec("llama", {**LLAMA, "tie_word_embeddings": tied})), seed)
    optimizer = make_optimizer(network, OptimizerSpec())
    tokens = torch.arange(64).view(4, 16) % VOCAB
    for _ in range(2):
        network(input_ids=tokens).logits.square().mean().backward()
        clip_gradients(network, 1.0)
        set_rate(optimizer, 1e-3)
        optimizer.step()
        optimizer.zero_grad()
    return network, optimizer


@pytest.mark.parametrize("tied", [False, True])
def test_weights_and_moments_come_back_bitwise(tmp_path: Path, tied: bool) -> None:
    network, optimizer = trained(tied)
    folder = checkpoint.save_checkpoint(tmp_path, Progress(2, 1.5, 3e6), network, optimizer)
    assert checkpoint.newest_whole(tmp_path, final=9) == Progress(2, 1.5, 3e6)
    fresh = draw_model(network.config, seed=7)
    checkpoint.load_weights(folder, fresh)
    state = make_optimizer(fresh, OptimizerSpec())
    checkpoint.load_optimizer(folder, fresh, state)
    assert all(torch.equal(a, b) for a, b in zip(fresh.parameters(), network.parameters(), strict=True))
    before, after = dump_state(network, optimizer), dump_state(fresh, state)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (fresh.lm_head.weight is fresh.model.embed_tokens.weight) == tied


@pytest.mark.parametrize("tied", [False, True])
def test_transformers_reads_the_folder_and_gives_equal_logits(tmp_path: Path, tied: bool) -> None:
    network, _ = trained(tied)
    folder = checkpoint.save_checkpoint(tmp_path, Progress(2), network, None)
    loaded = AutoModelForCausalLM.from_pretrained(folder, local_files_only=True)
    tokens = torch.arange(32).view(2, 16)
    with torch.inference_mode():
        assert torch.equal(loaded(input_ids=tokens).logits, network.eval()(input_ids=tokens).logits)


@pytest.mark.parametrize("damage", ["cut", "flip", "absent", "state"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(tmp_path: Path, damage: str) -> None:
    network, optimizer = trained()
    for step in (2, 4):
        folder = checkpoint.save_checkpoint(tmp_path, Progress(step), network, optimizer)
    path = folder / ("state.json" if damage == "state" else "model.safetensors")
    data = bytearray(path.read_bytes())
    if damage == "absent":
        path.unlink()
    elif damage == "flip":
        data[-5] ^= 1
        path.write_bytes(data)
    else:
        path.write_bytes(data[: len(data) // 2])
    assert checkpoint.newest_whole(tmp_path, final=9) == Progress(2)
    assert checkpoint.list_steps(tmp_path) == [2]


def test_left_overs_of_a_killed_writer_are_no_checkpoints(tmp_path: Path) -> None:
    left = tmp_path / "checkpoints" / ".step-00000004.abc"
    left.mkdir(parents=True)
    assert checkpoint.newest_whole(tmp_path, final=9) is None
    assert not left.exists()


def test_thinning_keeps_the_newest_and_the_wanted(tmp_path: Path) -> None:
    for step in (1, 2, 3, 4, 5):
        checkpoint.checkpoint_folder(tmp_path, step).mkdir(parents=True)
    checkpoint.thin_out(tmp_path, keep={2}, newest=2)
    assert checkpoint.list_steps(tmp_path) == [2, 4, 5]
    checkpoint.thin_out(tmp_path, keep={2}, newest=0)
    assert checkpoint.list_steps(tmp_path) == [2]


def test_without_its_optimizer_a_checkpoint_is_still_whole(tmp_path: Path) -> None:
    network, optimizer = trained()
    folder = checkpoint.save_checkpoint(tmp_path, Progress(2), network, optimizer)
    checkpoint.drop_optimizer(folder, Progress(2))
    assert checkpoint.read_progress(folder) == Progress(2)
    with pytest.raises(DataError, match="optimizer"):
        checkpoint.load_optimizer(folder, network, optimizer)
    assert checkpoint.newest_whole(tmp_path, final=2) == Progress(2)
    assert checkpoint.newest_whole(tmp_path, final=9) is None


def test_weights_of_another_network_are_refused(tmp_path: Path) -> None:
    network, optimizer = trained()
    folder = checkpoint.save_checkpoint(tmp_path, Progress(2), network, optimizer)
    wider = draw_model(read_config(ModelSpec("llama", {**LLAMA, "intermediate_size": 48})), 1)
    with pytest.raises(DataError, match="do not fit"):
        checkpoint.load_weights(folder, wider)
