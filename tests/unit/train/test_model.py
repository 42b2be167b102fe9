"""Networks: counts by component, weights by seed, refusals."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from tiny_sweep import LLAMA, VOCAB
from transformers import AutoModelForCausalLM

from dcpt.core.checkpoint_files import weights_hash
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import ModelSpec, to_dict
from dcpt.cost.parameters import count_parameters as count_by_formula
from dcpt.train.__main__ import main
from dcpt.train.causality import check_causal
from dcpt.train.model import (
    check_described,
    count_on_meta,
    count_parameters,
    draw_model,
    head_size,
    load_model,
    read_config,
)

GPT2 = {
    "vocab_size": VOCAB,
    "n_embd": 16,
    "n_layer": 2,
    "n_head": 2,
    "n_positions": 16,
    "bos_token_id": 0,
    "eos_token_id": 0,
}
NEOX = {
    "vocab_size": VOCAB, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 64, "max_position_embeddings": 16, "bos_token_id": 0, "eos_token_id": 0,
}  # fmt: skip

BERT = {
    "vocab_size": VOCAB, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 16,
}  # fmt: skip


@pytest.mark.parametrize("tied", [False, True])
def test_llama_counts_equal_the_closed_form(tied: bool) -> None:
    config = {**LLAMA, "tie_word_embeddings": tied}
    assert count_on_meta(ModelSpec("llama", config)) == count_by_formula("llama", config)


@pytest.mark.parametrize(("family", "config"), [("gpt2", GPT2), ("gpt_neox", NEOX)])
def test_components_of_other_families_sum_to_the_whole(family: str, config: dict[str, int]) -> None:
    network = draw_model(read_config(ModelSpec(family, config)), seed=1)
    counts = count_parameters(network)
    assert sum(counts.values()) == sum(parameter.numel() for parameter in network.parameters())
    # d = 16, two layers, by hand: attention 4 d^2 + 4 d, MLP 8 d^2 + 5 d, two norms each and one more
    assert (counts["attention"], counts["mlp"], counts["norm"]) == (2 * 1088, 2 * 2128, 160)
    assert counts["head"] == (0 if family == "gpt2" else VOCAB * 16)  # GPT-2 ties its head
    assert head_size(network) == VOCAB * 16
    assert counts["other"] == 0


def test_the_seed_alone_decides_the_weights() -> None:
    config = read_config(ModelSpec("llama", LLAMA))
    first, again, other = (draw_model(config, seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not all(torch.equal(first[name], other[name]) for name in first)


def test_dropout_is_off() -> None:
    config = read_config(ModelSpec("gpt2", GPT2))
    assert (config.resid_pdrop, config.embd_pdrop, config.attn_pdrop) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    "model",
    [
        ModelSpec("no_such_family", {}),
        ModelSpec("llama", {**LLAMA, "num_attention_heads": 3, "head_dim": None, "hidden_size": -4}),
    ],
)
def test_an_impossible_network_is_a_config_error(model: ModelSpec) -> None:
    with pytest.raises(ConfigError, match="model"):
        draw_model(read_config(model), 1)


@pytest.mark.parametrize(
    ("family", "near"), [("lama", "llama"), ("nosuch", "llama, gpt_neox"), ("gptneox", "gpt_neox")]
)
def test_an_unknown_family_is_one_sentence_and_similar_names(family: str, near: str) -> None:
    with pytest.raises(ConfigError, match=f"has no model family '{family}'") as caught:
        read_config(ModelSpec(family, {}))
    assert len(caught.value.message) < 80
    assert near in str(caught.value.hint)


def test_a_family_that_is_no_language_model_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match="no causal language model") as caught:
        draw_model(read_config(ModelSpec("t5", {})), 1)
    assert len(caught.value.message) < 120


@pytest.mark.parametrize("family", ["own_family", "llama"])
def test_code_that_a_checkpoint_brings_is_never_run(
    tmp_path: Path, family: str, capfd: pytest.CaptureFixture[str]
) -> None:
    mark = tmp_path / "the code ran"
    folder = tmp_path / "checkpoint"
    draw_model(read_config(ModelSpec("llama", LLAMA)), 1).save_pretrained(folder)
    (folder / "own.py").write_text(f"open({str(mark)!r}, 'w').close()\n")
    config = json.loads((folder / "config.json").read_text())
    auto_map = {"AutoConfig": "own.OwnConfig", "AutoModelForCausalLM": "own.OwnModel"}
    config = {**config, "model_type": family, "auto_map": auto_map}
    (folder / "config.json").write_text(json.dumps(config))
    spec = ModelSpec(family, config, str(folder))
    if family == "llama":  # transformers has the family: its own code is used
        assert load_model(spec, folder).config.model_type == "llama"
        assert count_on_meta(spec)["attention"] > 0
        assert draw_model(read_config(ModelSpec(family, config)), 1) is not None
    else:
        for refused in (lambda: load_model(spec, folder), lambda: count_on_meta(spec)):
            with pytest.raises(ConfigError, match="Python code of the checkpoint's own") as caught:
                refused()
            assert caught.value.hint
    (tmp_path / "model.json").write_text(json.dumps(to_dict(spec)))
    assert main(["count", str(tmp_path / "model.json")]) == (0 if family == "llama" else 2)
    assert not mark.exists()


@pytest.mark.parametrize("family", ["llama", "gpt2", "gpt_neox"])
def test_causal_families_pass_and_stay_in_their_mode(family: str) -> None:
    config = {"llama": LLAMA, "gpt2": GPT2, "gpt_neox": NEOX}[family]
    network = draw_model(read_config(ModelSpec(family, config)), 1)
    network.train()
    check_causal(network)
    assert network.training
    check_described(ModelSpec(family, config))


def test_a_network_that_sees_later_tokens_is_refused(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = ModelSpec("bert", BERT)
    for refused in (lambda: draw_model(read_config(model), 1), lambda: check_described(model)):
        with pytest.raises(ConfigError, match="'bert': is not causal"):
            refused()
    (tmp_path / "model.json").write_text(json.dumps(to_dict(model)))
    assert main(["count", str(tmp_path / "model.json")]) == 2
    assert "is not causal" in capfd.readouterr().err.splitlines()[-1]
    AutoModelForCausalLM.from_config(read_config(model)).save_pretrained(tmp_path / "bert")
    with pytest.raises(ConfigError, match="'bert': is not causal"):
        load_model(ModelSpec("bert", BERT, str(tmp_path / "bert")), tmp_path / "bert")
    decoder = ModelSpec("bert", {**BERT, "is_decoder": True})
    check_described(decoder)
    draw_model(read_config(decoder), 1)


def test_a_checkpoint_that_was_changed_or_lacks_weights_is_refused(tmp_path: Path) -> None:
    network = draw_model(read_config(ModelSpec("llama", LLAMA)), 1)
    network.save_pretrained(tmp_path)
    spec = ModelSpec("llama", LLAMA, str(tmp_path), weights_hash(tmp_path))
    loaded = load_model(spec, tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(loaded.parameters(), network.parameters(), strict=True))
    fields = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**fields, "rms_norm_eps": 0.5}))
    with pytest.raises(DataError, match=r"config.json: rms_norm_eps is 0.5; the run wants"):
        load_model(ModelSpec("llama", fields, str(tmp_path), weights_hash(tmp_path)), tmp_path)
    state = network.state_dict()
    del state["model.norm.weight"]
    network.save_pretrained(tmp_path, state_dict=state)
    with pytest.raises(DataError, match="hash of the weights"):
        load_model(spec, tmp_path)
    with pytest.raises(DataError, match=r"lack model\.norm\.weight"):
        load_model(ModelSpec("llama", LLAMA, str(tmp_path)), tmp_path)
    with pytest.raises(ConfigError, match="holds a 'llama' model"):
        load_model(ModelSpec("gpt2", GPT2, str(tmp_path)), tmp_path)
