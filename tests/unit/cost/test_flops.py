"""FLOPs per token against counts done by hand."""

from __future__ import annotations

import pytest

from dcpt.core.errors import ConfigError
from dcpt.cost.flops import training_flops_per_token

PARTS = {"embedding": 65536, "attention": 32768, "mlp": 61440, "norm": 320, "head": 65536, "other": 0}


def test_every_matrix_counts_six_times_and_norms_and_embedding_do_not() -> None:
    # 6 * (32768 + 61440 + 65536) by hand
    assert training_flops_per_token(PARTS, layers=2, hidden=64, context=0) == 958_464


def test_causal_attention_adds_half_of_twelve_l_t_d() -> None:
    without = training_flops_per_token(PARTS, 2, 64, 0)
    assert training_flops_per_token(PARTS, 2, 64, 128) - without == 12 * 2 * 128 * 64 / 2


def test_a_tied_head_costs_what_an_untied_one_does() -> None:
    tied = {**PARTS, "head": 0}
    assert training_flops_per_token(tied, 2, 64, 128) == training_flops_per_token(PARTS, 2, 64, 128)
    assert training_flops_per_token(tied, 2, 64, 128, head=65536) == training_flops_per_token(
        PARTS, 2, 64, 128
    )


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(ConfigError):
        training_flops_per_token(PARTS, -1, 64, 128)
