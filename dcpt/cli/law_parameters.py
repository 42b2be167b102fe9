"""Parameters of a law as --fix, --bound and --tie want them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dcpt.fit.constraints import Constraints
    from dcpt.laws.law import Law


def law_parameters(
    law: Law, fixed: dict[str, str], bounds: dict[str, str], ties: dict[str, str]
) -> Constraints:
    """What the flags say, as raw values: the numbers that a result prints as `params`.

    Raises
    ------
    ConfigError
        When a parameter is unknown or stands twice, or a value, bounds or a formula is not one.
    """
    from dcpt.core.errors import ConfigError
    from dcpt.core.quantity import parse_quantity
    from dcpt.fit.constraints import Constraints

    ranges: dict[str, tuple[float, float]] = {}
    for name, text in bounds.items():
        low, colon, high = text.partition(":")
        if not colon:
            raise ConfigError(f"--bound {name}: got {text!r}; wanted LOW:HIGH.")
        ranges[name] = (parse_quantity(low, f"--bound {name}"), parse_quantity(high, f"--bound {name}"))
    held = {name: parse_quantity(text, f"--fix {name}") for name, text in fixed.items()}
    made = Constraints(held, ranges, ties)
    made.check(law)
    return made


def units_note(law: Law) -> str | None:
    """What to know of the units of the flags' values for a law that has no raw ones; None for others."""
    from dcpt.fit.raw_values import raw_powers

    if raw_powers(law) is not None:
        return None
    return (
        f"law {law.name} has no values free of the fit's units, which count parameters and tokens in powers "
        "of 1000 near those of the table: --fix, --bound and --tie are taken in them, as results are printed."
    )
