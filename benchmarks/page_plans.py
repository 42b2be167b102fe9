"""The sections of the results page on mixtures, plans and the runs to buy next."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def mixtures(items: list[Mapping[str, Any]]) -> list[str]:
    """Predictors of losses over mixtures, on runs that were not fitted."""
    rows = [
        "## Mixtures of many corpora\n",
        "RegMix's proxies of 1M parameters (Liu et al. 2024, arXiv:2407.01492; their repository): 17\n"
        "corpora, 13 losses, 256 mixtures predicted from others. The predictor is chosen by held-out error\n"
        "inside the fitted runs, or the one predictor named; seconds are of choice, fit and prediction.\n",
        "| fitted runs | predictor | MAE | R2 | Spearman | in the 90 % interval | clock | CPU |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for item in items:
        many = f", mean of {item['subsets']} subsets" if item["subsets"] > 1 else ""
        rows.append(
            f"| {item['train_runs']}{many} | {item['predictor']} | {item['mae']:.4f} | {item['r2']:.4f} | "
            f"{item['spearman']:.4f} | {100 * item['coverage90']:.1f} % | {item['seconds']:.1f} s | "
            f"{item['cpu_seconds']:.1f} s |"
        )
    return [*rows, ""]


def plans(item: Mapping[str, Any]) -> list[str]:
    """Seconds of each question to the planner."""
    words = {
        "trade_off": "a plan under a limit, with its trade-off curve",
        "balance": "a weighted balance",
        "limited_data": "a limited pool of domain text",
        "what_if_r": "what if the ratio were another",
        "what_if_D": "what if the tokens were others",
        "what_if_N": "what if the size were another",
        "what_if_keep": "what if the limit were another",
    }
    rows = [
        "## Plans\n",
        f"On the fits of law_cpu, warm, {item['draws']:,} draws; the what-if tables with the fits' own.\n",
        "| question | clock | CPU |",
        "|---|---|---|",
    ]
    rows += [
        f"| {text} | {1e3 * item['seconds'][name]:.0f} ms | {1e3 * item['cpu'][name]:.0f} ms |"
        for name, text in words.items()
    ]
    return [*rows, ""]
