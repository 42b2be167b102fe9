"""Training FLOPs per token, by one stated convention."""

from __future__ import annotations

from collections.abc import Mapping

from dcpt.core.errors import ConfigError

_MULTIPLIED = ("attention", "mlp", "other")
"""Components whose parameters take part in one multiply-add per token and pass."""


def training_flops_per_token(
    parameters: Mapping[str, int],
    layers: int,
    hidden: int,
    context: int,
    head: int | None = None,
) -> float:
    """FLOPs of forward and backward pass per training token.

    Six FLOPs per parameter that multiplies an activation (two forward, four backward; Kaplan et al.
    2020, arXiv:2001.08361, section 2.1), the output head included, the embedding look-up and the
    norms left out, and ``6 * layers * context * hidden`` for the attention scores and their product
    with the values: half of ``12 * layers * context * hidden`` (Chowdhery et al. 2022,
    arXiv:2204.02311, appendix B), because a causal mask needs half of the scores. Recomputation,
    softmax, norms and the optimizer are not counted.

    Parameters
    ----------
    parameters : mapping
        Parameters by component: attention, mlp, other, head, embedding (see `RunRecord`).
    layers, hidden : int
        Decoder layers and width of the residual stream.
    context : int
        Tokens predicted per sequence.
    head : int, optional
        Parameters of the output head's matrix. By default ``parameters["head"]``, or, when that is 0
        because the head is tied, ``parameters["embedding"]``.

    Returns
    -------
    float
        FLOPs per token.

    Raises
    ------
    ConfigError
        When a number is negative.
    """
    if min(layers, hidden, context, *parameters.values(), head or 0) < 0:
        raise ConfigError("flops: layers, hidden, context and parameter counts must not be negative.")
    if head is None:
        head = parameters.get("head", 0) or parameters.get("embedding", 0)
    matrices = sum(parameters.get(part, 0) for part in _MULTIPLIED) + head
    return 6.0 * matrices + 6.0 * layers * context * hidden
