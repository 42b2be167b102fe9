"""The forward pass of K Llama networks at once, on weights with a leading axis of replicas.

The replicas are an explicit axis, not a `torch.func.vmap`: matrix products are batched ones, attention sees
K times the batch, and the backward pass of each is a single kernel too. The arithmetic is that of
`transformers` (``models/llama/modeling_llama.py``), operation by operation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from transformers import PreTrainedModel

Weights = Mapping[str, torch.Tensor]
Rotary = tuple[torch.Tensor, torch.Tensor]


@dataclass(frozen=True)
class Shape:
    """What the forward pass needs to know of the configuration."""

    layers: int
    heads: int
    key_value_heads: int
    head_width: int
    eps: float
    tied: bool


def refuse_unpackable(network: PreTrainedModel) -> str | None:
    """Why a network cannot be packed, in a few words; None when it can."""
    config = network.config
    if config.model_type != "llama":
        return f"the family is {config.model_type}, not llama"
    if config.hidden_act != "silu":
        return f"hidden_act is {config.hidden_act!r}, not 'silu'"
    if getattr(config, "pad_token_id", None) is not None:
        return "one token is padding, whose embedding is not trained"
    kind = (getattr(config, "rope_parameters", None) or {}).get("rope_type", "default")
    if kind not in ("default", "linear", "llama3", "yarn"):
        return f"its rotary embedding ({kind}) changes with the length"
    if any(not parameter.requires_grad for parameter in network.parameters()):
        return "some of its weights are frozen"
    known = {"embed_tokens", "lm_head", "norm", "input_layernorm", "post_attention_layernorm"} | {
        f"{letter}_proj" for letter in ("q", "k", "v", "o", "gate", "up", "down")
    }
    odd = [name for name, _ in network.named_parameters() if name.split(".")[-2] not in known]
    return f"it has a weight {odd[0]}" if odd else None


def shape_of(network: PreTrainedModel) -> Shape:
    """The shape of a packable network."""
    config = network.config
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return Shape(
        layers=int(config.num_hidden_layers),
        heads=int(config.num_attention_heads),
        key_value_heads=int(config.num_key_value_heads),
        head_width=int(width),
        eps=float(config.rms_norm_eps),
        tied=bool(config.tie_word_embeddings),
    )


def rotary_of(network: PreTrainedModel, context: int) -> Rotary:
    """Cosines and sines by position, of shape (1, 1, context, head width), from the network's own code."""
    device = next(network.parameters()).device
    with torch.no_grad():
        positions = torch.arange(context, device=device)[None]
        like = torch.zeros(1, dtype=torch.float32, device=device)
        cosines, sines = network.model.rotary_emb(like, position_ids=positions)
    return cosines[:, None].clone(), sines[:, None].clone()


def token_losses(weights: Weights, shape: Shape, rotary: Rotary, tokens: torch.Tensor) -> torch.Tensor:
    """Loss of every predicted token.

    Parameters
    ----------
    weights : mapping of str to Tensor, shape (K, ...)
        By the parameter names of `transformers`.
    shape : Shape
        Of the networks.
    rotary : pair of Tensor
        As `rotary_of` gives them, for this context.
    tokens : Tensor of int64, shape (K, batch, context + 1)
        Token ids of each replica.

    Returns
    -------
    Tensor, shape (K, batch * context)
        Nats.
    """
    replicas, batch, length = tokens.shape[0], tokens.shape[1], tokens.shape[2] - 1
    embedding = weights["model.embed_tokens.weight"]
    vocabulary = embedding.shape[1]
    offsets = torch.arange(replicas, device=tokens.device)[:, None, None] * vocabulary
    state = F.embedding(tokens[:, :, :-1] + offsets, embedding.flatten(0, 1)).flatten(1, 2)
    for layer in range(shape.layers):
        place = f"model.layers.{layer}"
        normed = _norm(state, weights[f"{place}.input_layernorm.weight"], shape.eps)
        seen = _attend(weights, f"{place}.self_attn", shape, rotary, normed, batch, length)
        state = state + seen
        normed = _norm(state, weights[f"{place}.post_attention_layernorm.weight"], shape.eps)
        gate = F.silu(_linear(weights, f"{place}.mlp.gate_proj", normed))
        inner = gate * _linear(weights, f"{place}.mlp.up_proj", normed)
        state = state + _linear(weights, f"{place}.mlp.down_proj", inner)
    state = _norm(state, weights["model.norm.weight"], shape.eps)
    head = embedding if shape.tied else weights["lm_head.weight"]
    logits = torch.bmm(state, head.transpose(1, 2))
    losses = F.cross_entropy(logits.float().flatten(0, 1), tokens[:, :, 1:].flatten(), reduction="none")
    return losses.view(replicas, batch * length)


def _attend(
    weights: Weights,
    place: str,
    shape: Shape,
    rotary: Rotary,
    state: torch.Tensor,
    batch: int,
    length: int,
) -> torch.Tensor:
    """Causal attention inside each sequence; state and result have shape (K, batch * length, d)."""
    replicas = state.shape[0]

    def heads(letter: str, count: int) -> torch.Tensor:
        projected = _linear(weights, f"{place}.{letter}_proj", state)
        return projected.view(replicas * batch, length, count, shape.head_width).transpose(1, 2)

    query, key, value = (
        heads("q", shape.heads),
        heads("k", shape.key_value_heads),
        heads("v", shape.key_value_heads),
    )
    seen = F.scaled_dot_product_attention(
        _rotate(query, rotary),
        _rotate(key, rotary),
        value,
        is_causal=True,
        enable_gqa=shape.heads != shape.key_value_heads,
    )
    seen = seen.transpose(1, 2).reshape(replicas, batch * length, shape.heads * shape.head_width)
    return _linear(weights, f"{place}.o_proj", seen)


def _linear(weights: Weights, place: str, state: torch.Tensor) -> torch.Tensor:
    matrix = weights[f"{place}.weight"].transpose(1, 2)
    bias = weights.get(f"{place}.bias")
    return torch.bmm(state, matrix) if bias is None else torch.baddbmm(bias[:, None], state, matrix)


def _norm(state: torch.Tensor, scale: torch.Tensor, eps: float) -> torch.Tensor:
    wide = state.to(torch.float32)
    normed = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + eps)
    return scale[:, None] * normed.to(state.dtype)


def _rotate(state: torch.Tensor, rotary: Rotary) -> torch.Tensor:
    cosines, sines = rotary
    first, second = state.chunk(2, dim=-1)
    return state * cosines + torch.cat((-second, first), dim=-1) * sines
