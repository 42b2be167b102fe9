"""From the flags of ``dcpt plan`` to the objective they state."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dcpt.cli import show
from dcpt.core.errors import ConfigError
from dcpt.core.quantity import parse_assignments, parse_quantity, parse_share

AXES = ("r", "D", "N", "keep", "budget", "price", "pool")
"""What ``--sweep`` varies; anything else it is given is the path of a sweep file."""


def read_question(
    at: str | None,
    sweep: Path | None,
    keep: Sequence[str] | None,
    objective: Path | None,
    data_root: Path | None,
    means: dict[str, str | None],
) -> dict[str, Any]:
    """Fields of the objective that flags and files state; a flag wins over a file.

    Parameters
    ----------
    at : str, optional
        N and D.
    sweep, objective, data_root : Path, optional
        Files that state a target, and the corpus root of the first.
    keep : sequence of str, optional
        Limits.
    means : dict of str to (str or None)
        The other flags as they were typed: pool, epochs, budget, sizes, max_tokens, now, general_now,
        minimise, weight, metric.

    Raises
    ------
    ConfigError
        When something is missing, unreadable or stated twice.
    """
    if objective is not None and sweep is not None:
        raise ConfigError("--objective and --sweep both state a target; wanted one of them.")
    question: dict[str, Any] = {}
    if objective is not None:
        from dcpt.plan.objective import Objective

        question = Objective.read(objective).model_dump(mode="json", exclude_none=True)
    if sweep is not None:
        question = _of_sweep(sweep, data_root)
    if at is not None:
        found = parse_assignments(at, "--at")
        odd = sorted(set(found) - {"N", "D"})
        if odd:
            raise ConfigError(f"--at: {odd[0]!r} is unknown; wanted N and D, as in N=7B,D=20B.")
        question.update(found)
    if keep:
        question["keep"] = list(keep)
    question.update(_means(means))
    return question


def require(question: dict[str, Any]) -> None:
    """Say which flag states what is missing.

    Raises
    ------
    ConfigError
        Naming the first thing that is missing.
    """
    budget, pools = question.get("budget"), question.get("pools") or {}
    chosen = {"N": budget is not None, "D": budget is not None or "domain" in pools}
    if question.get("epochs") and not pools:
        raise ConfigError(
            "plan: --epochs caps passes over pools, and no pool is given.",
            hint="pass the unique tokens there are: --pool domain=5B,general=100B",
        )
    balance = question.get("minimise", "domain") != "domain"
    chosen["keep"] = balance or bool(budget) or bool(pools)
    flags = {"N": "--at N=7B,D=20B", "D": "--at N=7B,D=20B", "keep": "--keep 'general <= +2%'"}
    for name, flag in flags.items():
        if name not in question and not chosen[name]:
            raise ConfigError(f"plan: {name} is not given.", hint=f"pass {flag}, or --sweep, or --objective")


def fill_swept(question: dict[str, Any], axis: str | None, values: str | None) -> bool:
    """Give a question its first swept value where it states none of what is swept.

    Returns
    -------
    bool
        Whether it was given one.

    Raises
    ------
    ConfigError
        When there are no values either, or the first is no number.
    """
    if axis not in ("N", "D", "keep") or axis in question:
        return False
    first = next((part.strip() for part in (values or "").split(",") if part.strip()), None)
    if first is None:
        example = "'+1%,+2%'" if axis == "keep" else "1B,3B,7B"
        raise ConfigError(
            f"plan: {axis} is swept, and neither its target nor values of it are given.",
            hint=f"pass --values {example}",
        )
    if axis == "keep":
        question["keep"] = [first if "<=" in first or "≤" in first else f"general <= {first}"]
    else:
        question[axis] = parse_quantity(first, "--values")
    return True


def _of_sweep(sweep: Path, data_root: Path | None) -> dict[str, Any]:
    from dcpt.sweep.prepare import prepare

    made = prepare(sweep, data_root, show.say)
    if made.spec.target is None:
        raise ConfigError(f"{sweep}: the sweep file has no target.", hint="say it with --at N=7B,D=20B")
    target = made.spec.target
    return {"N": made.design.rungs[target.size.name].N, "D": target.tokens, "keep": target.keep}


def _means(flags: dict[str, str | None]) -> dict[str, Any]:
    given = {name: text for name, text in flags.items() if text is not None}
    found: dict[str, Any] = {}
    if "minimise" in given and "weight" in given:
        raise ConfigError("--minimise and --weight both state what to minimise; wanted one of them.")
    for name in ("minimise", "weight"):
        if name in given:
            found["minimise"] = given[name]
    for name, field, example in (
        ("pool", "pools", "domain=5B,general=100B"),
        ("epochs", "epochs", "domain=4"),
        ("budget", "budget", "flops=1e21 or gpu_hours=500,hardware=h100"),
    ):
        if name in given:
            if "=" not in given[name]:
                raise ConfigError(
                    f"--{name}: got {given[name]!r}; wanted name=value pairs such as {example}."
                )
            found[field] = parse_assignments(given[name], f"--{name}")
    if "sizes" in given:
        found |= _sizes(given["sizes"])
    if "max_tokens" in given:
        found["D_max"] = given["max_tokens"]
    if "now" in given:
        found["r_now"] = parse_share(given["now"].strip().removeprefix("r").lstrip(" ="), "--now")
    if "general_now" in given:
        found["general_now"] = _losses_now(given["general_now"])
    if "metric" in given:
        found["metric"] = given["metric"]
    return found


def _sizes(text: str) -> dict[str, Any]:
    """``1B,3B,7B`` for the sizes there are, ``1B..7B`` for any size between two."""
    low, dots, high = text.partition("..")
    if dots:
        return {"N_min": low.strip(), "N_max": high.strip()}
    return {"sizes": [part.strip() for part in text.split(",") if part.strip()]}


def _losses_now(text: str) -> float | dict[str, float]:
    if "=" not in text:
        return parse_quantity(text, "--general-now")
    pairs = parse_assignments(text, "--general-now")
    return {name: parse_quantity(value, "--general-now") for name, value in pairs.items()}
