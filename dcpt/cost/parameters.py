"""Parameter counts by component, from a configuration alone, where a closed form is known."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dcpt.core.errors import ConfigError

COMPONENTS = ("embedding", "attention", "mlp", "norm", "head", "other")


def non_embedding(parameters: Mapping[str, int]) -> int:
    """N: every parameter but the token embedding and the output head."""
    return sum(count for part, count in parameters.items() if part not in ("embedding", "head"))


def has_closed_form(family: str) -> bool:
    """Whether `count_parameters` knows the family; the others are counted by the trainer."""
    return family == "llama"


def count_parameters(family: str, config: Mapping[str, Any]) -> dict[str, int]:
    """Parameters of a Llama-type decoder by component.

    Parameters
    ----------
    family : str
        ``model_type`` of the configuration; ``"llama"``.
    config : mapping
        ``hidden_size``, ``intermediate_size``, ``num_hidden_layers``, ``num_attention_heads``,
        ``vocab_size``; optional ``num_key_value_heads``, ``head_dim``, ``tie_word_embeddings``,
        ``attention_bias``, ``mlp_bias``.

    Returns
    -------
    dict of str to int
        Counts for `COMPONENTS`; a tied head counts 0.

    Raises
    ------
    ConfigError
        When the family has no closed form or a field is missing.
    """
    if not has_closed_form(family):
        raise ConfigError(f"model: the parameters of family {family!r} have no closed form here.")
    try:
        hidden, layers = int(config["hidden_size"]), int(config["num_hidden_layers"])
        inner, vocab = int(config["intermediate_size"]), int(config["vocab_size"])
        heads = int(config["num_attention_heads"])
    except KeyError as error:
        raise ConfigError(f"model: field {error.args[0]!r} is missing from the configuration.") from None
    head_dim = int(config.get("head_dim") or hidden // heads)
    kv_heads = int(config.get("num_key_value_heads") or heads)
    wide, narrow = heads * head_dim, kv_heads * head_dim
    attention, mlp = 2 * hidden * wide + 2 * hidden * narrow, 3 * hidden * inner
    if config.get("attention_bias"):
        attention += wide + 2 * narrow + hidden
    if config.get("mlp_bias"):
        mlp += 2 * inner + hidden
    return {
        "embedding": vocab * hidden,
        "attention": layers * attention,
        "mlp": layers * mlp,
        "norm": (2 * layers + 1) * hidden,
        "head": 0 if config.get("tie_word_embeddings") else vocab * hidden,
        "other": 0,
    }
