"""``dcpt plan`` on a fit of mixtures: which shares of many corpora, how sure, at which price."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from dcpt.cli import show
from dcpt.cli.mixture_fit import FILE
from dcpt.core.errors import ConfigError
from dcpt.core.quantity import parse_assignments, parse_quantity, parse_share

_OF_THE_FILE = ("schema_version", "kind")


def mixture_fit_of(fits: Path) -> Path | None:
    """The fit of mixtures that a folder or a file is; None where it is another one."""
    if fits.is_dir():
        return fits / FILE if (fits / FILE).exists() and not (fits / "fit.json").exists() else None
    return fits if fits.name == FILE else None


def plan_mixture(
    fit: Path,
    question: Mapping[str, Any],
    output: Path | None = None,
    propose: int | None = None,
    force: bool = False,
    strict: bool = False,
    json: bool = False,
    figure: Path | None = None,
) -> None:
    """Answer a question about a mixture, write ``mixture-plan.json`` and print it.

    Parameters
    ----------
    fit : path
        ``mixture.json``.
    question : mapping
        Fields of `dcpt.plan.mixtures.question.MixtureQuestion`.
    output : path, optional
        File; by default beside the fit.
    propose : int, optional
        Name so many mixtures to train next instead.
    force : bool
        Replace a plan that is there.
    strict : bool
        Exit with the code of a doubtful answer unless the runs support it.
    json : bool
        Print one JSON document.
    figure : path, optional
        Draw the plan into this file, too.
    """
    from dcpt.cli.curve_figure import check_figure
    from dcpt.cli.options import fresh
    from dcpt.core.errors import EXIT_DOUBTFUL
    from dcpt.fit.mixtures import load_mixtures
    from dcpt.plan.mixtures.mixture_plan import FILE as PLAN
    from dcpt.plan.mixtures.plan_mixture import plan_mixture as answer
    from dcpt.plan.mixtures.question import MixtureQuestion

    asked = MixtureQuestion.of(question, "plan")
    if propose is not None:
        for name, given in (("-o", output), ("--figure", figure)):
            if given is not None:
                raise ConfigError(f"{name}: --propose prints mixtures and writes no plan; drop it.")
        _propose(fit, asked, propose, json)
        return
    path = output or fit.parent / PLAN
    if path.suffix != ".json":
        raise ConfigError(f"-o: got {str(path)!r}; wanted a file that ends in .json.")
    fresh(path, force)
    check_figure(figure, force)
    fitted = load_mixtures(fit)
    if asked.keep is None and fitted.keep:
        show.say(
            f"note: keeps {', '.join(fitted.keep)}, as the sweep's target asks; --keep none keeps nothing"
        )
    plan = answer(fitted, asked)
    plan.write(path)
    if figure is not None:
        from dcpt.cli.mixture_figure import draw_mixture

        draw_mixture(plan, figure)
    if json:
        content = {name: value for name, value in plan.to_dict().items() if name not in _OF_THE_FILE}
        show.document("mixture-plan", {"path": str(path), **content})
    else:
        show.result(str(plan))
        show.say(f"written: {path}" + (f", {figure}" if figure is not None else ""))
    if strict and plan.verdict != "supported":
        raise typer.Exit(EXIT_DOUBTFUL)


def _propose(fit: Path, question: Any, count: int, json: bool) -> None:
    from dcpt.fit.mixtures import load_mixtures
    from dcpt.plan.mixtures.names import short_names
    from dcpt.plan.mixtures.propose import propose
    from dcpt.plan.mixtures.scatter_words import noise_words

    found = propose(load_mixtures(fit), count, question=question)
    names = found.corpora if json else short_names(found.corpora)
    mixtures = [dict(zip(names, map(float, shares), strict=True)) for shares in found.shares]
    rows = [{"why": why, "shares": shares} for why, shares in zip(found.why, mixtures, strict=True)]
    if json:
        content = {"regret": found.regret, "noise": found.noise, "pays": found.pays, "mixtures": rows}
        show.document("mixture-proposal", content)
        return
    used = [name for at, name in enumerate(names) if (found.shares[:, at] >= 0.0005).any()]
    show.result(
        show.table(
            [
                {**{name: f"{shares[name]:.3f}" for name in used}, "why": why}
                for why, shares in zip(found.why, mixtures, strict=True)
            ]
        )
    )
    word = "" if found.pays else "; less than half of a run's scatter: more runs hardly change the answer"
    scatter = noise_words(found.noise)
    show.say(f"expected regret of stopping now {found.regret:.4f}, {scatter}{word}")


def read_mixture_question(
    objective: Path | None,
    at: str | None,
    keep: Sequence[str] | None,
    texts: Mapping[str, str | None],
    fields: Mapping[str, Any],
) -> dict[str, Any]:
    """Fields of the question that a file and flags state; a flag wins over the file.

    Parameters
    ----------
    objective : path, optional
        YAML file with fields of the question.
    at : str, optional
        ``D=20B``, the run's tokens.
    keep : sequence of str, optional
        Limits; ``none`` keeps nothing, not even what the sweep's target asks for.
    texts : mapping of str to str
        Flags as they were typed: minimise, now, pool, epochs.
    fields : mapping
        Fields that need no reading; those that are None, False or empty are left out.

    Raises
    ------
    ConfigError
        When a text cannot be read.
    """
    from dcpt.plan.mixtures.question import MixtureQuestion

    question: dict[str, Any] = {}
    if objective is not None:
        question = MixtureQuestion.read(objective).model_dump(mode="json", exclude_none=True)
    if at is not None:
        found = parse_assignments(at, "--at")
        odd = sorted(set(found) - {"D"})
        if odd:
            raise ConfigError(
                f"--at: {odd[0]!r} means nothing for a mixture of many corpora; wanted its tokens, D=20B.",
                hint="the fit answers for the size it was made or carried over for"
                if odd[0] == "N"
                else None,
            )
        question["tokens"] = found["D"]
    if keep:
        question["keep"] = [] if [text.strip() for text in keep] == ["none"] else list(keep)
    if texts.get("minimise"):
        question["minimise"] = texts["minimise"]
    for flag, name, read in (("now", "now", parse_share), ("pool", "pools", parse_quantity)):
        text = texts.get(flag)
        if text is not None:
            pairs = parse_assignments(text, f"--{flag}")
            question[name] = {key: read(value, f"--{flag}") for key, value in pairs.items()}
    epochs = texts.get("epochs")
    if epochs is not None:
        pairs = parse_assignments(epochs, "--epochs") if "=" in epochs else {}
        question["epochs"] = (
            {key: parse_quantity(value, "--epochs") for key, value in pairs.items()}
            if pairs
            else parse_quantity(epochs, "--epochs")
        )
    given = {name: value for name, value in fields.items() if value not in (None, False, [], ())}
    return question | given
