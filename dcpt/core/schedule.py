"""Learning-rate schedules: one definition for the trainer, the laws and the plots."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from dcpt.core.errors import ConfigError
from dcpt.core.schedule_shapes import COOLDOWNS, NEEDS_FLOOR, SHAPES, Cooldown, Shape, level

Kind = Literal["constant", "cosine", "linear", "wsd", "multi-step", "infinite", "table"]
KINDS: tuple[str, ...] = get_args(Kind)

USES: dict[str, tuple[str, ...]] = {
    "constant": ("warmup", "warmup_from"),
    "cosine": ("warmup", "warmup_from", "floor"),
    "linear": ("warmup", "warmup_from", "floor"),
    "wsd": ("warmup", "warmup_from", "decay", "shape", "floor"),
    "multi-step": ("warmup", "warmup_from", "milestones", "factors"),
    "infinite": (
        "warmup", "warmup_from", "cooldown", "cooldown_shape", "plateau", "decay", "anneal", "floor",
    ),
    "table": ("warmup", "knots"),
}  # fmt: skip
"""Kind to the fields that its rates depend on, beside the peak and the number of steps."""


@dataclass(frozen=True)
class Schedule:
    """Learning rate as a function of the optimizer step.

    Parameters
    ----------
    kind : {"constant", "cosine", "linear", "wsd", "multi-step", "infinite", "table"}
        Shape after the warm-up. ``cosine`` and ``linear`` fall to the floor over all of it; ``wsd`` is
        warm-up, stable, decay; ``multi-step`` steps down at milestones; ``infinite`` cools down to a
        plateau, stays there, and decays exponentially at the end; ``table`` joins given points.
    peak : float
        Highest learning rate. Every other rate is written as a share of it, but for a table's.
    steps : int
        Optimizer steps of the whole schedule.
    warmup : int
        Steps over which the rate rises linearly to ``peak``, which the last of them has. In a table:
        the steps that count as warm-up.
    decay : int
        Steps of the final decay (``wsd``, ``infinite``; ``cosine`` and ``linear`` decay from the end of
        the warm-up).
    shape : {"linear", "1-sqrt", "sqrt", "geometric", "harmonic"}
        Form of the ``wsd`` decay (see `dcpt.core.schedule_shapes.level`).
    floor : float
        Rate the decay heads for, as a share of ``peak``; positive for ``geometric``, ``harmonic`` and the
        decay of ``infinite``.
    warmup_from : float
        Rate the warm-up begins above, as a share of ``peak``: 0 for a model never trained, more where
        continual pre-training takes over at a rate that is not 0.
    milestones : tuple of int
        ``multi-step``: the last step before each step down.
    factors : tuple of float
        ``multi-step``: the rate after each milestone, as a share of ``peak`` (not of the rate before).
    cooldown : int
        ``infinite``: steps from ``peak`` to the plateau.
    cooldown_shape : {"cosine", "inverse-sqrt", "linear"}
        ``infinite``: form of the cool-down.
    plateau : float
        ``infinite``: rate of the plateau, as a share of ``peak``.
    anneal : int
        ``infinite``: steps in which the final exponential gets from the plateau to the floor, where it
        stays; 0 stands for ``decay``. A longer one does not get there.
    knots : tuple of (int, float)
        ``table``: steps and their rates (rates, not shares), the last at ``steps``; linear in between.

    Notes
    -----
    Steps count from 1, and a part of n steps uses progress 0, 1/n, ..., (n-1)/n of its fall: its first
    step still has the rate before, no step is spent at its end, and the next part begins there. So the
    last step of a schedule is one nth above the floor it heads for. A warm-up of n steps uses 1/n, ..., 1.

    ``infinite`` after Ibrahim et al. 2024 (arXiv:2403.08763) and Singh et al. 2025 (arXiv:2503.02844,
    Eq. 1). The 8-1-1 schedule is ``multi-step`` with milestones at 80 and 90 % of the steps; a two-stage
    schedule has one milestone.

    Raises
    ------
    ConfigError
        When a number is out of range, the parts do not fit into ``steps``, or a field is set that the
        kind has no use for.
    """

    kind: Kind
    peak: float
    steps: int
    warmup: int = 0
    decay: int = 0
    shape: Shape = "1-sqrt"
    floor: float = 0.0
    warmup_from: float = 0.0
    milestones: tuple[int, ...] = ()
    factors: tuple[float, ...] = ()
    cooldown: int = 0
    cooldown_shape: Cooldown = "cosine"
    plateau: float = 1.0
    anneal: int = 0
    knots: tuple[tuple[int, float], ...] = ()

    def __post_init__(self) -> None:
        # A whole number would be spelled, and hashed, differently.
        for name in ("peak", "floor", "warmup_from", "plateau"):
            object.__setattr__(self, name, float(getattr(self, name)))
        object.__setattr__(self, "milestones", tuple(self.milestones))
        object.__setattr__(self, "factors", tuple(float(factor) for factor in self.factors))
        object.__setattr__(self, "knots", tuple((int(step), float(rate)) for step, rate in self.knots))
        for name, known in (("kind", KINDS), ("shape", SHAPES), ("cooldown_shape", COOLDOWNS)):
            if getattr(self, name) not in known:
                raise ConfigError(
                    f"schedule: {name} is {getattr(self, name)!r}; "
                    f"wanted {', '.join(known[:-1])} or {known[-1]}."
                )
        self._check_numbers()
        self._check_parts()

    def _check_numbers(self) -> None:
        if not (self.peak > 0 and np.isfinite(self.peak)):
            raise ConfigError(f"schedule: peak is {self.peak}; wanted a positive learning rate.")
        for name in ("floor", "warmup_from", "plateau"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(
                    f"schedule: {name} is {getattr(self, name)}; wanted a share of the peak in [0, 1]."
                )
        if min(self.steps, self.warmup, self.decay, self.cooldown, self.anneal) < 0:
            raise ConfigError("schedule: steps, warmup, decay, cooldown and anneal must not be negative.")
        for name in _LATER:
            if name not in USES[self.kind] and getattr(self, name) != _DEFAULTS[name]:
                raise ConfigError(f"schedule: {self.kind} has no {name}.")

    def _check_parts(self) -> None:
        parts = self.warmup + self.cooldown + self.decay
        if parts > self.steps:
            cooldown = f", cool-down ({self.cooldown})" if self.cooldown else ""
            raise ConfigError(
                f"schedule: warm-up ({self.warmup}){cooldown} and decay ({self.decay}) need {parts} steps; "
                f"the run has {self.steps}.",
                hint="train on more tokens, or shorten the warm-up or the decay",
            )
        divides = self.kind == "wsd" and self.shape in NEEDS_FLOOR
        if self.decay and self.floor == 0 and (divides or self.kind == "infinite"):
            form = self.shape if divides else "exponential"
            raise ConfigError(
                f"schedule: a {form} decay never gets to a rate of 0; wanted a positive floor.",
                hint="floor=0.1 heads for a tenth of the peak",
            )
        if self.kind == "infinite" and self.decay and self.floor > self.plateau:
            raise ConfigError(f"schedule: floor {self.floor} lies above the plateau {self.plateau}.")
        if self.kind == "multi-step":
            self._check_milestones()
        if self.kind == "table":
            self._check_knots()
        self._check_trains()

    def _check_trains(self) -> None:
        """Kinds that may leave the peak before their first step must not leave it for a rate of 0."""
        still = {
            "infinite": self.cooldown == 0 and self.plateau == 0,
            "multi-step": self.milestones[:1] == (0,) and not any(self.factors),
        }
        if self.warmup == 0 and still.get(self.kind, False):
            raise ConfigError(
                f"schedule: every rate of this {self.kind} schedule is 0; wanted one that trains.",
                hint="give a plateau above 0" if self.kind == "infinite" else "give a factor above 0",
            )

    def _check_milestones(self) -> None:
        ends = [self.warmup, *self.milestones, self.steps]
        if not self.milestones or len(self.milestones) != len(self.factors):
            raise ConfigError(
                f"schedule: multi-step has {len(self.milestones)} milestones and {len(self.factors)} "
                "factors; wanted as many of one as of the other, and at least one."
            )
        # The first may stand at the end of the warm-up; at the end of the run there is nothing to step to.
        if any(later <= earlier for earlier, later in pairwise(ends[1:])) or ends[1] < ends[0]:
            raise ConfigError(
                f"schedule: milestones are {list(self.milestones)}; wanted growing steps from the warm-up's "
                f"end, {self.warmup}, to before {self.steps}."
            )
        if any(not 0 <= factor <= 1 for factor in self.factors):
            raise ConfigError(
                f"schedule: factors are {list(self.factors)}; wanted shares of the peak in [0, 1]."
            )

    def _check_knots(self) -> None:
        steps, rates = [step for step, _ in self.knots], [rate for _, rate in self.knots]
        if not steps or any(later <= earlier for earlier, later in pairwise(steps)):
            raise ConfigError("schedule: the knots of a table are rising steps with their rates.")
        if steps[0] not in (0, 1) or steps[-1] != self.steps:
            raise ConfigError(
                f"schedule: a table's knots go from step {steps[0]} to {steps[-1]}; "
                f"wanted from 1 to the last step, {self.steps}."
            )
        if not all(np.isfinite(rates)) or min(rates) < 0:
            raise ConfigError("schedule: a table's rates are finite and not negative.")
        if self.peak != max(rates):
            raise ConfigError(f"schedule: peak is {self.peak}; the table's highest rate is {max(rates)}.")

    @property
    def decay_start(self) -> int:
        """Last step before the rate begins to fall for good (``steps`` for a constant rate).

        The cool-down of ``infinite`` is no such fall. In a table it is the last step at the peak.
        """
        if self.kind == "constant":
            return self.steps
        if self.kind == "multi-step":
            return self.milestones[0]
        if self.kind == "table":
            return int(max(step for step, rate in self.knots if rate == self.peak))
        return self.steps - self.decay if self.kind in ("wsd", "infinite") else self.warmup

    @property
    def text(self) -> str:
        """One line that `dcpt.core.schedule_text.parse_schedule` reads back."""
        from dcpt.core.schedule_text import schedule_text  # which builds schedules

        return schedule_text(self)

    @property
    def rising(self) -> NDArray[np.bool_]:
        """Whether each step is one of the warm-up, shape (steps,)."""
        return np.arange(1, self.steps + 1) <= self.warmup

    def rates(self) -> NDArray[np.float64]:
        """Learning rate of every step, shape (steps,)."""
        step = np.arange(1, self.steps + 1, dtype=np.float64)
        if self.kind == "table":
            return np.interp(step, [step for step, _ in self.knots], [rate for _, rate in self.knots])
        rate = self.peak * self._shares(step)
        rising = self.rising
        if self.warmup_from:
            done = step[rising] / self.warmup
            rate[rising] = self.peak * (self.warmup_from * (1 - done) + done)
        else:
            rate[rising] = self.peak * step[rising] / self.warmup
        return rate

    def _shares(self, step: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rate behind the warm-up as a share of the peak."""
        share = np.ones(self.steps)
        span = self.steps - self.decay_start
        if self.kind == "multi-step":
            for milestone, factor in zip(self.milestones, self.factors, strict=True):
                share[milestone:] = factor
        elif self.kind == "infinite":
            over = step - 1 - self.warmup
            if self.cooldown:
                progress = np.clip(over / self.cooldown, 0.0, 1.0)
                share = level(self.cooldown_shape, progress, self.plateau)
            share[over >= self.cooldown] = self.plateau
            if span:
                progress = np.clip((step - 1 - self.decay_start) / (self.anneal or span), 0.0, 1.0)
                falling = step > self.decay_start
                share[falling] = self.plateau * level(
                    "geometric", progress[falling], self.floor / self.plateau
                )
        elif span:
            progress = np.clip((step - 1 - self.decay_start) / span, 0.0, 1.0)
            share = level(self.shape if self.kind == "wsd" else self.kind, progress, self.floor)
        return share


_DEFAULTS = {name: item.default for name, item in Schedule.__dataclass_fields__.items()}
_LATER = tuple(list(_DEFAULTS)[list(_DEFAULTS).index("warmup_from") :])
"""Fields that came later: the four first kinds ignore the earlier ones where they have no use for them."""
