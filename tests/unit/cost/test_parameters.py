"""Closed forms against the networks themselves, and hours on named hardware."""

from __future__ import annotations

from typing import Any

import pytest

from dcpt.core.errors import ConfigError
from dcpt.cost.hardware import HARDWARE, get_hardware
from dcpt.cost.parameters import COMPONENTS, count_parameters, non_embedding

PLAIN: dict[str, Any] = {
    "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3, "num_attention_heads": 4,
    "vocab_size": 50,
}  # fmt: skip


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"num_key_value_heads": 2},
        {"head_dim": 10, "num_key_value_heads": 1},
        {"tie_word_embeddings": True},
        {"attention_bias": True, "num_key_value_heads": 2},
        {"mlp_bias": True},
        {"num_hidden_layers": 1, "attention_bias": True, "mlp_bias": True, "head_dim": 6},
    ],
)
def test_the_closed_form_counts_the_network(changes: dict[str, Any]) -> None:
    """`transformers` builds the same number of parameters, component by component."""
    from transformers import LlamaConfig, LlamaForCausalLM

    config = {**PLAIN, "tie_word_embeddings": False, **changes}
    network = LlamaForCausalLM(LlamaConfig(**config))
    counts = dict.fromkeys(COMPONENTS, 0)
    for name, parameter in network.named_parameters():
        part = next(
            (part for key, part in (
                ("embed_tokens", "embedding"), ("lm_head", "head"), ("norm", "norm"),
                ("self_attn", "attention"), ("mlp", "mlp"),
            ) if key in name),
            "other",
        )  # fmt: skip
        counts[part] += parameter.numel()
    assert count_parameters("llama", config) == counts
    assert non_embedding(counts) == sum(counts.values()) - counts["embedding"] - counts["head"]


def test_llama_2_7b() -> None:
    """6,738,415,616 parameters (Touvron et al. 2023, arXiv:2307.09288: the 7B model's checkpoint)."""
    config = {
        "hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32,
        "num_attention_heads": 32, "vocab_size": 32000, "tie_word_embeddings": False,
    }  # fmt: skip
    counts = count_parameters("llama", config)
    assert sum(counts.values()) == 6_738_415_616
    assert non_embedding(counts) == 6_738_415_616 - 2 * 32000 * 4096


def test_what_has_no_closed_form() -> None:
    with pytest.raises(ConfigError, match="family 'gpt2' have no closed form"):
        count_parameters("gpt2", PLAIN)
    with pytest.raises(ConfigError, match="field 'vocab_size' is missing"):
        count_parameters("llama", {name: value for name, value in PLAIN.items() if name != "vocab_size"})


def test_hours() -> None:
    """An A100 at its likely 35 % of 312 TFLOP/s does 3.93e17 FLOPs in an hour."""
    shortest, likely, longest = get_hardware("a100").hours(3.9312e17)
    assert likely == pytest.approx(1.0)
    assert shortest < likely < longest
    for item in HARDWARE.values():
        assert 0 < item.utilisation[0] < item.utilisation[1] < item.utilisation[2] < 1
        assert item.source
    with pytest.raises(ConfigError, match="hardware: 'tpu' is unknown; known are cpu-core, a100"):
        get_hardware("tpu")
