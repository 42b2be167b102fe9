"""What the planned run costs: training FLOPs and tokens of each side."""

from __future__ import annotations

FLOPS_PER_TOKEN_AND_PARAMETER = 6.0
"""Forward and backward pass: two and four FLOPs per parameter and token (Kaplan et al. 2020,
arXiv:2001.08361, Sec. 2.1). N is non-embedding, so the output head is not counted."""


def run_cost(N: float, D: float, r: float) -> dict[str, float]:
    """Cost of training N parameters on D tokens with domain share r.

    Parameters
    ----------
    N : float
        Non-embedding parameters.
    D : float
        Training tokens.
    r : float
        Domain share of the tokens.

    Returns
    -------
    dict of str to float
        ``flops`` (6 N D), ``tokens``, ``domain_tokens`` and ``general_tokens``.
    """
    return {
        "flops": FLOPS_PER_TOKEN_AND_PARAMETER * N * D,
        "tokens": D,
        "domain_tokens": r * D,
        "general_tokens": (1 - r) * D,
    }
