"""The legend: what every column and symbol means, in which unit, once."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Symbol:
    """A quantity of the field: its column name, meaning and unit."""

    name: str
    meaning: str
    unit: str
    latex: str


LEGEND: dict[str, Symbol] = {
    symbol.name: symbol
    for symbol in (
        Symbol("run_id", "run: readable slug and hash of its spec", "", "id"),
        Symbol("step", "optimizer step within this phase", "steps", "t"),
        Symbol("tokens", "training tokens seen in the model's whole life", "tokens", "D_0 + D"),
        Symbol("N", "non-embedding parameters", "parameters", "N"),
        Symbol("D", "training tokens of continual pre-training", "tokens", "D"),
        Symbol("r", "domain share of training tokens asked for", "1", "r"),
        Symbol("r_seen", "domain share of training tokens realised", "1", "r_\\mathrm{seen}"),
        Symbol("s", "share of training tokens from the side the loss is measured on", "1", "s"),
        Symbol("eta", "learning rate in force at the step", "1", "\\eta"),
        Symbol("S1", "forward area: sum of the learning rates up to the step", "rate x steps", "S_1"),
        Symbol("S2", "annealing area up to the step, memory 0.999 per step", "rate x steps", "S_2"),
        Symbol("seed", "seed of the run", "", "\\mathrm{seed}"),
        Symbol("phase", "pretraining, base, trunk, decay or end (see PHASES)", "", "\\mathrm{phase}"),
        Symbol("eval_set", "held-out set: general or domain, or one corpus of a side", "", "\\mathrm{set}"),
        Symbol("role", "side of the evaluation set: general or domain", "", "\\mathrm{role}"),
        Symbol("metric", "loss, or bpb for the same loss in bits per byte", "", "\\mathrm{metric}"),
        Symbol("unit", "unit of the value: nats_per_token or bits_per_byte", "", "\\mathrm{unit}"),
        Symbol("value", "measured loss", "as in unit", "L"),
        Symbol("sem", "standard error of the value over evaluation windows", "as in unit", "\\mathrm{sem}"),
        Symbol("n_eval_tokens", "tokens the value is a mean over", "tokens", "n"),
        Symbol("tokenizer", "hash of the tokenizer the tokens are counted with", "", "\\mathrm{tok}"),
        Symbol("source", "where the row came from", "", "\\mathrm{source}"),
    )
}

LAW_INPUTS: dict[str, Symbol] = {
    symbol.name: symbol
    for symbol in (
        Symbol("L0", "loss of the same evaluation set before continual pre-training", "nats/token", "L_0"),
        Symbol("G0", "general loss of the base before continual pre-training", "nats/token", "G_0"),
        Symbol("U", "unique training tokens, the rest being repeats", "tokens", "U"),
        Symbol("Dmin", "least training tokens of the fitted rows", "tokens", "D_\\mathrm{min}"),
    )
}
"""Inputs a law may have beside the legend's: derived from a table, not columns of every one."""


def symbol_of(name: str) -> Symbol | None:
    """Look a symbol up in the legend and among the law inputs; None when neither has it."""
    return LEGEND.get(name) or LAW_INPUTS.get(name)


PHASES: dict[str, str] = {
    "pretraining": "on the way to the base model; loss curves begin there, points of D tokens do not",
    "base": "the base model before continual pre-training (D = 0)",
    "trunk": "constant-rate part of a run, not annealed",
    "decay": "in the middle of a decaying learning rate",
    "end": "end of a run's schedule: the points a law without schedule is fitted on",
}

GENERAL = "general"
DOMAIN = "domain"
ROLES = (GENERAL, DOMAIN)
"""The two sides of continual pre-training: what the model should keep, and what it should learn."""

STAND_IN = "stand-in for pre-training text:"
"""In the source of a loss table's rows, before the names of general corpora that stand for text unknown."""

DENSE = "dense"
"""Last part of the name of an evaluation set that is some windows of another (``general/dense``): what a
sweep measures all along a run, where all windows are measured at its ends only."""

UNITS: dict[str, str] = {"loss": "nats_per_token", "bpb": "bits_per_byte"}
"""Metric name to the unit its values carry."""
