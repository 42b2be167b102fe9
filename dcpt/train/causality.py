"""Whether a network is causal: its logits at a position must not depend on later tokens."""

from __future__ import annotations

import copy

import torch
from transformers import AutoModelForCausalLM, PreTrainedConfig, PreTrainedModel

from dcpt.core.errors import ConfigError

_POSITIONS = 8

# Largest change of an earlier logit that counts as none, relative to the largest logit: fp32 rounding is
# about 1e-7, and a mixture of experts multiplies matrices of other sizes when one token goes elsewhere. A
# freshly drawn bidirectional network, where attention does least, moves by 1e-4 to 1e-3 (a BERT 16 wide by
# 6e-4).
_TOLERANCE = 1e-5

# Parameters a stand-in may have: 0.4 GB in fp32. A wider network is looked at when it is built to be trained.
_STAND_IN_PARAMETERS = 100_000_000

_LAYERS = ("num_hidden_layers", "n_layer", "n_layers", "num_layers", "decoder_layers")
_INNER = ("intermediate_size", "n_inner", "ffn_dim", "d_ff")
_STAND_IN_VOCABULARY, _STAND_IN_INNER = 64, 32


def check_causal(network: PreTrainedModel) -> None:
    """Refuse a network whose logits change when a later token does.

    Parameters
    ----------
    network : PreTrainedModel
        On the CPU; its mode (training or evaluation) is put back.

    Raises
    ------
    ConfigError
        When it is not causal, or cannot be run on token ids.
    """
    family = network.config.model_type
    try:
        change = _change_from_last_token(network)
    except Exception as error:  # any layer's own; the cause stays attached, since it may be a lack of memory
        reason = " ".join(str(error).split())[:200]
        raise ConfigError(
            f"model family {family!r}: cannot be run on token ids ({type(error).__name__}: {reason})."
        ) from error
    _refuse(family, change)


def _refuse(family: str, change: float) -> None:
    if change > _TOLERANCE:
        raise ConfigError(
            f"model family {family!r}: is not causal, its prediction of a token depends on that token and "
            "later ones.",
            hint="choose a causal family such as llama; in one like bert, set is_decoder: true in its config",
        )


def check_causal_by_stand_in(config: PreTrainedConfig) -> None:
    """`check_causal` for a network that is not built: on one of its layers, with a small vocabulary.

    What makes a network causal or not is the family and its switches, which the stand-in shares; depth,
    vocabulary and the width of the MLP are not among them. Where no stand-in can be made or run, nothing is
    said: the network itself is checked before it is trained.

    Raises
    ------
    ConfigError
        When the stand-in is not causal.
    """
    try:
        small = _stand_in(config)
        with torch.device("meta"):
            size = sum(parameter.numel() for parameter in _build(small).parameters())
        if size > _STAND_IN_PARAMETERS:
            return
        with torch.random.fork_rng(devices=()):
            torch.manual_seed(0)
            change = _change_from_last_token(_build(small))
    except Exception:  # configurations and layers check themselves, each with exceptions of its own
        return
    _refuse(config.model_type, change)


def _change_from_last_token(network: PreTrainedModel) -> float:
    """Largest change of a logit before the last position when the last token changes, relative."""
    vocabulary = int(network.get_input_embeddings().weight.shape[0])
    if vocabulary < 2:
        return 0.0
    device = network.get_input_embeddings().weight.device
    tokens = (torch.arange(_POSITIONS, device=device) * 7 + 1).remainder(vocabulary)[None]
    other = tokens.clone()
    other[0, -1] = (tokens[0, -1] + max(1, vocabulary // 2)) % vocabulary
    training = network.training
    network.eval()
    try:
        with torch.no_grad():  # not inference mode: what a network keeps from here is used in training
            one, two = (network(input_ids=ids, use_cache=False).logits.float() for ids in (tokens, other))
    finally:
        network.train(training)
    scale = float(one.abs().max())
    return float((one - two)[:, :-1].abs().max()) / scale if scale > 0 else 0.0


def _stand_in(config: PreTrainedConfig) -> PreTrainedConfig:
    small = copy.deepcopy(config)
    for name in _LAYERS:
        if isinstance(getattr(small, name, None), int):
            setattr(small, name, 1)
    if isinstance(getattr(small, "layer_types", None), list):
        small.layer_types = small.layer_types[:1]
    for name in _INNER:
        if isinstance(getattr(small, name, None), int):
            setattr(small, name, _STAND_IN_INNER)
    small.vocab_size = min(int(small.vocab_size), _STAND_IN_VOCABULARY)
    for name, value in list(vars(small).items()):
        if name.endswith("_token_id") and isinstance(value, int) and value >= small.vocab_size:
            setattr(small, name, 0)
    return small


def _build(config: PreTrainedConfig) -> PreTrainedModel:
    return AutoModelForCausalLM.from_config(config, trust_remote_code=False).float()
