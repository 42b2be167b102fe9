"""Learning-rate schedules as a sweep file has them: in shares of a phase, so that they fit every budget."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from dcpt.core.errors import ConfigError
from dcpt.core.schedule import Kind, Schedule
from dcpt.core.schedule_shapes import Cooldown, Shape
from dcpt.core.settings import Quantity, Settings

Positive = Annotated[Quantity, Field(gt=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class ScheduleShape(Settings):
    """Form of a schedule (see `dcpt.core.schedule.Schedule`).

    The shares `decay_share`, `cooldown_share`, `anneal_share`, `milestones` and the first number of each
    of the `knots` are shares of the phase's tokens; `floor`, `warmup_from`, `plateau`, `factors` and the
    second number of each of the `knots` are shares of the peak rate.
    """

    kind: Kind = "wsd"
    warmup_tokens: Annotated[Quantity, Field(ge=0)] = 0.0
    warmup_from: Share = 0.0
    decay_share: Share = 0.2
    shape: Shape = "1-sqrt"
    floor: Share = 0.0
    milestones: tuple[Share, ...] = ()
    factors: tuple[Share, ...] = ()
    cooldown_share: Share = 0.0
    cooldown_shape: Cooldown = "cosine"
    plateau: Share = 1.0
    anneal_share: Share | None = None
    knots: tuple[tuple[Share, Share], ...] = ()

    @property
    def decays(self) -> bool:
        """Whether it ends in a decay of its own length."""
        return self.kind in ("wsd", "infinite") and self.decay_share > 0

    @property
    def has_plateau(self) -> bool:
        """Whether it is a warm-up and a constant rate up to its first fall, which others may share."""
        return self.kind == "multi-step" or (self.kind == "wsd" and self.decays)


class ScheduleSettings(ScheduleShape):
    """Learning-rate schedule of a phase."""

    peak: Positive


class GridSchedule(ScheduleShape):
    """One of the schedules that a sweep varies.

    Without `peak` it is run at each of the `peaks`, without `budgets` at those of the sweep. Its name
    stands in the names of its runs.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9._]+$")]
    peak: Positive | None = None
    budgets: tuple[Positive, ...] = ()


def make_schedule(settings: ScheduleShape, peak: float, steps: int, warmup: int, where: str) -> Schedule:
    """A schedule of so many steps.

    Parameters
    ----------
    settings : ScheduleShape
        Its form.
    peak : float
        Its highest rate.
    steps, warmup : int
        Steps of the whole, and of the warm-up.
    where : str
        Key of the sweep file, for the message.

    Returns
    -------
    Schedule

    Raises
    ------
    ConfigError
        When the parts do not fit into the steps.
    """

    def share(part: float) -> int:
        return max(1, round(part * steps)) if part else 0

    fields: dict[str, object] = {}
    if settings.kind == "table":
        parts, rates = ([knot[place] for knot in settings.knots] for place in (0, 1))
        if not parts or (parts[0], parts[-1], max(rates)) != (0, 1, 1):
            raise ConfigError(
                f"{where}: the knots of a table go from share 0 of the tokens to share 1, "
                "and the highest of their rates is 1, the peak.",
                "knots: [[0, 0.1], [0.05, 1], [1, 0]]",
            )
        fields["knots"] = tuple((round(part * steps), peak * rate) for part, rate in settings.knots)
    elif settings.warmup_from:
        fields["warmup_from"] = settings.warmup_from
    if settings.kind == "multi-step":
        fields["milestones"] = tuple(share(part) for part in settings.milestones)
        fields["factors"] = settings.factors
    if settings.kind == "infinite":
        fields["cooldown"] = share(settings.cooldown_share)
        fields["cooldown_shape"] = settings.cooldown_shape
        fields["plateau"] = settings.plateau
        fields["anneal"] = share(settings.anneal_share or 0.0)
    try:
        return Schedule(
            settings.kind,
            peak,
            steps,
            warmup,
            share(settings.decay_share) if settings.decays else 0,
            settings.shape,
            settings.floor,
            **fields,  # type: ignore[arg-type]
        )
    except ConfigError as error:
        raise ConfigError(f"{where}: {error.message}", error.hint) from None
