"""What a run costs."""

from __future__ import annotations

import pytest

from dcpt.core.errors import ConfigError
from dcpt.cost.hardware import get_hardware
from dcpt.cost.price import device_hours, family_flops_per_token
from dcpt.plan.cost import run_cost
from dcpt.plan.supply.repetition import Supply

LLAMA = {
    "hidden_size": 256,
    "intermediate_size": 688,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "vocab_size": 8192,
}


def test_replay_multiplies_the_cost_of_a_domain_token():
    # arXiv:2508.01908: x 1.33 at 25 % and x 2 at 50 %.
    none, quarter, half = (run_cost(1e9, 4e9, r) for r in (1.0, 0.75, 0.5))
    assert quarter["replay_factor"] == pytest.approx(4 / 3)
    assert half["flops_per_domain_token"] == 2 * none["flops_per_domain_token"] == 12e9
    assert half["flops"] == none["flops"] == 24e18
    assert half["domain_tokens"] + half["general_tokens"] == half["tokens"] == 4e9
    assert "flops_per_domain_token" not in run_cost(1e9, 4e9, 0.0)


def test_hours_and_money_follow_from_the_hardware():
    cost = run_cost(7e9, 20e9, 0.5, hardware="h100", price=2.5, supply=Supply(5e9, None, 4.0))
    shortest, likely, longest = get_hardware("h100").hours(cost["flops"])
    assert (cost["hours_low"], cost["hours"], cost["hours_high"]) == (shortest, likely, longest)
    assert cost["money_high"] == pytest.approx(2.5 * longest)
    assert cost["domain_epochs"] == pytest.approx(2.0)
    assert "general_epochs" not in cost
    one = device_hours(cost["flops"], "h100", 0.35)
    assert one == pytest.approx((likely, likely, likely))
    with pytest.raises(ConfigError, match="utilisation"):
        device_hours(1e18, "h100", 35.0)


def test_a_family_costs_its_head_and_attention_too():
    wide = {**LLAMA, "hidden_size": 512, "intermediate_size": 1376, "num_hidden_layers": 8}
    per_token = family_flops_per_token("llama", [LLAMA, wide], context=512)
    # 4 layers of 4 h^2 + 3 h m and norms; head 8192 h; attention 6 * layers * context * h.
    attention, mlp, norms = 4 * 4 * 256**2, 4 * 3 * 256 * 688, 9 * 256
    N = attention + mlp + norms
    assert per_token(N) == pytest.approx(6 * (attention + mlp + 8192 * 256) + 6 * 4 * 512 * 256)
    assert per_token(N) / (6 * N) > per_token(100 * N) / (600 * N) > 1
    assert run_cost(N, 1e6, 0.5, flops_per_token=per_token(N))["flops"] == pytest.approx(per_token(N) * 1e6)
    with pytest.raises(ConfigError, match="no configuration"):
        family_flops_per_token("llama", [], context=512)
