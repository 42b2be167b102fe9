"""A sweep of mixtures in rounds: train, fit, choose the next by what the fit says, until it pays no more.

The scheme is CLIMB's (arXiv:2504.13161, section 3: 64, 32 and 16 mixtures). Question, predictor and the way
the next mixtures are chosen are those of plans (`dcpt.plan.mixtures`); the stopping rule is our own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

from dcpt.core.errors import ConfigError
from dcpt.core.mixture_table import LEAST_MIXTURES
from dcpt.plan.mixtures.propose import Way, check_top, choose_next, draws_for
from dcpt.sweep.aim import DEFAULT_AIM, make_aim
from dcpt.sweep.finding import Finding, Fit, design_of, find
from dcpt.sweep.mixtures import Mixture, placed
from dcpt.sweep.prepare import Sweep, with_mixtures
from dcpt.sweep.rounds_file import Round, Rounds, read_rounds
from dcpt.sweep.run_sweep import SweepResult

if TYPE_CHECKING:
    from dcpt.core.mixture_table import MixtureTable
    from dcpt.fit.mixtures.mixture_fit import MixtureFit
    from dcpt.plan.mixtures.question import MixtureQuestion

STOP = 0.001
"""Expected gain, relative to the score, below which no further round is trained: a tenth of a per cent, a
fraction of the scatter of small runs."""

Train = Callable[[Sweep], SweepResult]
Say = Callable[[str], None]


@dataclass(frozen=True)
class RoundSettings:
    """How a sweep goes on in rounds.

    Attributes
    ----------
    counts : tuple of int
        Mixtures of each round; the first round is the design's.
    minimise : str
        What to look for: ``domain``, a corpus, or ``0.7*law + 0.3*wiki``.
    keep : tuple of str
        Limits: ``general <= +2%``.
    way : {"thompson", "top"}
        How the next mixtures are chosen; see `dcpt.plan.mixtures.propose.propose`.
    top : int, optional
        Of ``top``.
    stop : float
        Expected gain, relative to the score, below which no further round follows; 0 trains them all.
    variant : str, optional
        Of the sweep's variants, all of which are trained, the one whose losses choose the next mixtures.
    """

    counts: tuple[int, ...]
    minimise: str = DEFAULT_AIM
    keep: tuple[str, ...] = ()
    way: Way = "thompson"
    top: int | None = None
    stop: float = STOP
    variant: str | None = None

    def __post_init__(self) -> None:
        if not self.counts or any(count < 1 for count in self.counts):
            raise ConfigError("rounds: wanted the mixtures of each round, as in 64,32,16.")
        check_top(self.top, self.way, max(self.counts[1:], default=1))
        if self.stop < 0:
            raise ConfigError(f"stop is {self.stop:g}; wanted a relative gain of 0 or more.")


def run_rounds(
    sweep: Sweep, settings: RoundSettings, train: Train, fit: Fit | None = None, say: Say | None = None
) -> Rounds:
    """Train rounds of mixtures until they are done or another one would not pay.

    ``rounds.json`` is written before a round is trained and after the last one. Called again after a kill,
    rounds that are there are taken as they are, their unfinished runs trained on; so are more `counts`.

    Parameters
    ----------
    sweep : Sweep
        A prepared sweep whose ``cpt.mixtures`` is a design.
    settings : RoundSettings
        How.
    train : callable
        Brings the runs of a sweep to their ends (see `dcpt.sweep.run_sweep.run_sweep`).
    fit : callable, optional
        Table and seed to a fit; by default `dcpt.fit.mixtures.choose`.
    say : callable, optional
        Told in a line what was found.

    Returns
    -------
    Rounds
        With the answer of the last fit.

    Raises
    ------
    ConfigError
        When the sweep has no design, the settings name what it has not, the first round is too short to
        choose a predictor by, or `counts` contradict the rounds that are done.
    FitError
        When the finished runs are too few for any predictor.
    """
    design, region = design_of(sweep)
    aim = aim_of(sweep, settings)
    say = say or (lambda line: None)
    check_variant(sweep, settings.variant)
    asked = {**asdict(settings), "counts": list(settings.counts), "keep": list(settings.keep)}
    rounds = next_rounds(sweep, settings)
    rounds = replace(rounds, asked=asked, ended="", answer={})
    draws = draws_for(max(settings.counts[1:], default=1))
    while True:
        rounds.write(sweep.root)
        now = with_mixtures(sweep, rounds.mixtures)
        result = train(now)
        done = len(rounds.rounds)
        finding = find(now, result.table, aim, fit or _choose, design.seed + done, draws, settings.variant)
        if finding.answer["raised"]:
            say(f"limits raised to the nearest that can be kept: {finding.answer['raised']}")
        say(_line(done, len(settings.counts), finding))
        ended = _why_end(done, settings, finding)
        if not ended:
            count = settings.counts[done]
            # `top` counts the mixtures of the longest round.
            found = choose_next(finding.outlook, count, settings.way, settings.top)
            new = [Mixture.of(shares) for shares in region.exact(found.shares)]
            known = {mixture.label for mixture in rounds.mixtures}
            mixtures = tuple({m.label: m for m in new if m.label not in known}.values())
            if mixtures:
                rounds = rounds.then(Round(mixtures, settings.way, finding.answer))
                continue
            ended = "no mixture between the bounds differs from those trained"
        rounds = replace(rounds, ended=ended, answer=finding.answer)
        rounds.write(sweep.root)
        return rounds


def check_variant(sweep: Sweep, variant: str | None) -> None:
    """Refuse a variant the sweep has not, or none where it has several.

    Raises
    ------
    ConfigError
        Naming those there are.
    """
    names = [item.name for item in sweep.spec.cpt.variants]
    if variant is None and len(names) > 1:
        raise ConfigError(
            f"rounds: the sweep has the variants {', '.join(names)}; one of them chooses the next mixtures.",
            f"--variant {names[0]}",
        )
    if variant is not None and variant not in names:
        raise ConfigError(
            f"rounds: there is no variant {variant!r}; the sweep has {', '.join(names) or 'none'}."
        )


def aim_of(sweep: Sweep, settings: RoundSettings) -> MixtureQuestion:
    """What the rounds look for, its names checked against the sweep.

    Raises
    ------
    ConfigError
        When a name is no corpus and no side, or a text cannot be read.
    """
    roles = {name: corpus.role for name, corpus in sweep.design.corpora.items()}
    return make_aim(settings.minimise, settings.keep, roles, design_of(sweep)[1])


def next_rounds(sweep: Sweep, settings: RoundSettings) -> Rounds:
    """The rounds that are there, or the first one.

    Raises
    ------
    ConfigError
        When rounds that are there have other sizes than those asked for, or the first one has too few
        mixtures to choose a predictor by.
    """
    design, region = design_of(sweep)
    there = read_rounds(sweep.root, list(region.corpora))
    if there is None:
        first = placed(design, region, settings.counts[0])
        if len(first) < LEAST_MIXTURES:
            raise ConfigError(
                f"rounds: the first one has {len(first)} mixtures; wanted at least {LEAST_MIXTURES}, from "
                "which a predictor can be chosen.",
                "make the first round the longest, as in 64,32,16",
            )
        return Rounds({}, (Round(first, "design"),))
    before = [int(count) for count in there.asked.get("counts", [])][: len(there.rounds)]
    if before != list(settings.counts[: len(there.rounds)]):
        raise ConfigError(
            f"rounds: {settings.counts} are asked for and rounds of {before} are there already.",
            "give the same sizes first, then more; or delete rounds.json to begin anew",
        )
    return there


def _choose(table: MixtureTable, seed: int) -> MixtureFit:
    from dcpt.fit.mixtures import choose

    return choose(table, seed=seed)


def _why_end(done: int, settings: RoundSettings, finding: Finding) -> str:
    if done >= len(settings.counts):
        return "all rounds are done"
    if done > 1 and finding.gain < settings.stop:
        return (
            f"another round is expected to gain {100 * finding.gain:.3g} % at most, "
            f"less than {100 * settings.stop:.3g} %"
        )
    return ""


def _line(done: int, total: int, finding: Finding) -> str:
    answer = finding.answer
    return (
        f"round {done} of {total}: {answer['predictor']} on {answer['runs']} runs; "
        f"best predicted {answer['best']['score']:.4f}, best trained {answer['best_trained']['score']:.4f}, "
        f"proportional {answer['proportional']['score']:.4f}; knowing all would gain "
        f"{100 * finding.gain:.2g} %"
    )
