"""``dcpt predict`` on a fit of mixtures: the losses of a mixture of many corpora, with intervals."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from dcpt.cli import show
from dcpt.core.errors import ConfigError

if TYPE_CHECKING:
    from dcpt.fit.mixtures.mixture_fit import MixtureFit


def predict_mixtures(
    file: Path, at: Sequence[str], eval_sets: Sequence[str], level: float, strict: bool, json: bool
) -> None:
    """Predict the losses of mixtures and print them.

    Parameters
    ----------
    file : path
        ``mixture.json``.
    at : sequence of str
        Mixtures: ``code=0.5,math=20%,wiki=0.3``; a corpus that is not named has no share.
    eval_sets : sequence of str
        Losses to predict; all by default.
    level : float
        Probability inside the intervals.
    strict : bool
        Exit with the code of a doubtful answer when a mixture lies outside the fitted ones.
    json : bool
        Print one JSON document.

    Raises
    ------
    ConfigError
        When a corpus or loss is unknown, or shares are not from 0 to 1 or do not sum to 1.
    """
    from dcpt.core.errors import EXIT_DOUBTFUL
    from dcpt.fit.mixtures import load_mixtures
    from dcpt.plan.mixtures.names import resolve, short_names

    if not 0 < level < 1:
        raise ConfigError(f"--level {level:g}: wanted a share between 0 and 1.")
    fit = load_mixtures(file)
    if not at:
        raise ConfigError("predict: no mixture is given.", hint=_example(fit))
    targets = [resolve(name, fit.targets, "loss", "--eval-set") for name in eval_sets] or list(fit.targets)
    mixtures = [_mixture(text, fit) for text in at]
    rows = [row for mixture in mixtures for row in _predicted(fit, mixture, targets, level)]
    how = (
        f"{fit.name}, from {len(fit.shares)} runs{_size(fit)}. Intervals are those of the predictor, widened "
        "so that runs left out of the fit lie in the 90 % interval as often as said; that of a measurement "
        "adds the scatter of single runs."
    )
    far = any(row["extrapolates"] for row in rows)
    if json:
        content = {"level": level, "predictions": rows, "how": how, "warnings": list(fit.warnings)}
        show.document("mixture-predict", content)
    else:
        short = dict(zip(fit.targets, short_names(fit.targets), strict=True))
        several = len(mixtures) > 1
        lines = [{**row, "target": short[row["target"]], "mixture": _words(row["mixture"])} for row in rows]
        names = [name for name in rows[0] if name != "mixture" or several]
        show.result(show.table(lines, names))
        show.result(f"\n{how}")
        if far:
            show.say("note: a mixture has shares beyond those of the fitted runs where extrapolates is True")
        for warning in fit.warnings:
            show.say(f"note: {warning}")
    if strict and far:
        raise typer.Exit(EXIT_DOUBTFUL)


def _mixture(text: str, fit: MixtureFit) -> dict[str, float]:
    """Every corpus's share, summing to 1; those of a mixture written with few digits are scaled to it."""
    from dcpt.core.mixture_table import SUM_TOLERANCE
    from dcpt.core.quantity import parse_assignments, parse_share
    from dcpt.plan.mixtures.names import resolve

    shares = dict.fromkeys(fit.corpora, 0.0)
    named: dict[str, str] = {}
    for name, value in parse_assignments(text, "--at").items():
        if name in ("N", "D", "r") and name not in fit.corpora:
            where = _size(fit) or " at the size of its runs"
            raise ConfigError(
                f"--at {text}: this fit of mixtures predicts{where}; it reads shares and no {name}.",
                hint=_example(fit),
            )
        corpus = resolve(name, fit.corpora, "corpus", "--at")
        if corpus in named:
            raise ConfigError(f"--at {text}: {named[corpus]} and {name} are one corpus.")
        share, named[corpus] = parse_share(value, f"--at {name}"), name
        if not 0 <= share <= 1:
            hint = "write 0.4 or 40%" if share > 1 else None
            raise ConfigError(f"--at {name}: got {value!r}; wanted a share from 0 to 1.", hint=hint)
        shares[corpus] = share
    total = sum(shares.values())
    if abs(total - 1) > SUM_TOLERANCE:
        raise ConfigError(f"--at {text}: the shares sum to {total:.4g}; wanted 1.", hint=_example(fit))
    return {name: share / total for name, share in shares.items()}


def _predicted(
    fit: MixtureFit, mixture: Mapping[str, float], targets: Sequence[str], level: float
) -> list[dict[str, Any]]:
    mean = fit.mean(mixture)[0]
    (mean_lo, mean_hi), (obs_lo, obs_hi) = (
        (ends[0][0], ends[1][0]) for ends in (fit.interval(mixture, level, noise) for noise in (False, True))
    )
    outside = bool(fit.outside(mixture)[0])
    numbers = {"mean": mean, "mean_lo": mean_lo, "mean_hi": mean_hi, "obs_lo": obs_lo, "obs_hi": obs_hi}
    return [
        {"mixture": dict(mixture), "target": target}
        | {name: float(array[fit.targets.index(target)]) for name, array in numbers.items()}
        | {"extrapolates": outside}
        for target in targets
    ]


def _words(mixture: Mapping[str, float]) -> str:
    from dcpt.plan.mixtures.names import short_names

    names = short_names(list(mixture))
    return ", ".join(
        f"{name} {share:.3g}" for name, share in zip(names, mixture.values(), strict=True) if share
    )


def _size(fit: MixtureFit) -> str:
    """At which size and tokens a fit predicts, where its table says it."""
    from dcpt.core.quantity import format_quantity

    parts = ((fit.N, "parameters"), (fit.D, "tokens"))
    known = [f"{format_quantity(value)} {what}" for value, what in parts if value is not None]
    return f" at {' and '.join(known)}" if known else ""


def _example(fit: MixtureFit) -> str:
    from dcpt.plan.mixtures.names import short_names

    names = short_names(fit.corpora)
    some = ",".join(f"{name}={share}" for name, share in zip(names, ("50%", "50%"), strict=False))
    every = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
    return f"say the shares, which sum to 1: --at {some}; the corpora are {every}"
