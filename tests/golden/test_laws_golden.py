"""Published numbers, recomputed with the laws."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from dcpt.laws import get_law


def best_size(law, values, compute, fixed, low, high):
    """Model size that minimises the law at 6 N D = compute."""
    theta = np.array([values[name] for name in law.names])

    def loss(log_size):
        size = np.exp(log_size)
        return float(law.evaluate(theta, {"N": size, "D": compute / (6 * size), **fixed})[0])

    answer = minimize_scalar(
        loss, bounds=(np.log(low), np.log(high)), method="bounded", options={"xatol": 1e-10}
    )
    return float(np.exp(answer.x))


def test_dcpt_allocation_at_fixed_ratio():
    # Que et al. 2024 (arXiv:2406.01375), usage 3, law domain at 1:1: a = .6252, b = .3748, G = 4.1282
    # in billions give N_opt = 15.54B and D_opt = 0.536B at C = 5e19. The exponents' sum is free.
    law = get_law("d-cpt")
    total = 0.6
    alpha, beta = 0.3748 * total, 0.6252 * total
    nu, half, B = 1.2, 0.5, 1.0
    A = 4.1282**total * beta * B * half**nu / alpha
    values = dict(E=1.0, A=A, B=B, C=0.3, alpha=alpha, nu=nu, beta=beta, eps=0.1, gamma=0.4)
    compute = 5e19 / 1e18
    size = best_size(law, values, compute, {"s": half}, 0.1, 1000)
    assert size == pytest.approx(15.54, abs=0.005)
    assert compute / (6 * size) == pytest.approx(0.536, abs=0.0005)


def test_chinchilla_allocation_from_scratch():
    # Breaking Language Barriers (arXiv:2407.02118), Table 2a, from scratch: E 1.55, A 420, B 719.5,
    # alpha .40, beta .30 give N_opt = 0.324 C^0.429 in parameters and tokens.
    law = get_law("chinchilla")
    values = dict(E=1.55, A=420.0, B=719.5, alpha=0.40, beta=0.30)
    for compute in (1e19, 1e21):
        size = best_size(law, values, compute, {}, 1e6, 1e12)
        assert size == pytest.approx(0.324 * compute ** (3 / 7), rel=2e-3)


def test_dcpt_follows_table_5(shared):
    # Que et al. 2024, Table 5 (chemistry, 1.8B, 10B tokens): with N and D fixed, the mixture term alone
    # (E + C (s + eps)^-gamma) describes the general loss of s = 0.06 to 0.10 within 0.005 nats.
    import pandas as pd
    from scipy.optimize import least_squares

    path = shared / "losses" / "published_cpt_tables" / "dcpt2024_table5_chemistry_qwen1.8B_10B.csv"
    frame = pd.read_csv(path, comment="#")
    share = next(name for name in frame if "r" in name and "loss" not in name)
    frame = frame[(frame[share] >= 0.9) & (frame[share] < 1)]
    law = get_law("d-cpt")
    s, loss = 1 - frame[share].to_numpy(), frame["general_loss"].to_numpy()

    def residual(free):
        E, C, eps, gamma = free
        theta = dict(E=E, A=0.0, B=0.0, C=C, alpha=1.0, nu=1.0, beta=1.0, eps=eps, gamma=gamma)
        values = np.array([theta[name] for name in law.names])
        return law.evaluate(values, {"N": 1.8, "D": 10.0, "s": s}) - loss

    answer = least_squares(residual, [2.5, 0.1, 0.02, 0.5], bounds=([0, 0, 1e-3, 0], [3, 5, 1, 3]))
    assert np.abs(answer.fun).max() < 0.005
