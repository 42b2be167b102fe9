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


def next_runs(results: Mapping[str, Any]) -> list[str]:
    """What advice on the runs to buy is worth, over final losses and over loss curves."""
    names = ("next runs", "next runs, promises", "next runs, curves")
    found = [_grid(results[names[0]])] if names[0] in results else []
    found += [_promises(results[names[1]])] if names[1] in results else []
    found += [_schedules(results[names[2]])] if names[2] in results else []
    return ["## Which runs to buy next\n", *found] if found else []


def _grid(item: Mapping[str, Any]) -> str:
    rows = [
        f"FLOPs of {item['data']} until the interval of r* is as narrow as all its runs make it; means of\n"
        f"{item['starts']} starting designs. As far as refits can tell: their resampling moves the width by "
        f"{100 * item['grid_noise']:.1f} %.\n",
        "| order | as narrow as refits can tell | to the last digit | 10 % wider |",
        "|---|---|---|---|",
    ]
    for policy in ("advised", "random", "cheapest"):
        one = item[policy]
        spread = "" if one["share_sd"] is None else f" (SD {100 * one['share_sd']:.0f})"
        rows.append(
            f"| {policy} | {100 * one['share_of_flops']:.1f} %{spread} | {100 * one['share_exact']:.0f} % | "
            f"{100 * one['share_10_percent_wider']:.0f} % |"
        )
    return "\n".join(rows) + "\n"


def _promises(item: Mapping[str, Any]) -> str:
    rows = [
        "Promised widths against those found after the purchase.\n",
        "| runs so far | promises | promised / found | off by, root mean square | within 30 % |",
        "|---|---|---|---|---|",
    ]
    for words, name in (("fewer than", "from_few"), ("at least", "from_many")):
        one = item[name]
        if one is not None:
            rows.append(
                f"| {words} {item['many']} | {one['promises']} | {one['ratio']:.2f} | "
                f"{100 * one['rms_log']:.0f} % | {100 * one['close']:.0f} % |"
            )
    return "\n".join(rows) + "\n"


def _schedules(item: Mapping[str, Any]) -> str:
    rows = [
        f"Loss curves of {item['data']}: {100 * item['share']:.0f} % of the FLOPs on offer, runs of any\n"
        f"schedule; {item['starts']} starting designs. Width of the answer's interval, its distance to the\n"
        "answer of all curves, and the error on runs never sold.\n",
        "| question | order | width | off | error |",
        "|---|---|---|---|---|",
    ]
    for question, row in item["questions"].items():
        for policy in ("start", "advised", "random", "cheapest"):
            one = row[policy]
            rows.append(
                f"| {question} | {policy} | {one['width']:.4f} | {one['off']:.4f} | {one['error']:.2f} % |"
            )
    return "\n".join(rows) + "\n"
