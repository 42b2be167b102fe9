"""Parameters of a law as --fix, --bound and --tie want them."""

from __future__ import annotations

from typing import Any


def law_parameters(law: str, fixed: dict[str, str], bounds: dict[str, str], ties: dict[str, str]) -> Any:
    """`lmfit.Parameters` of the law as the flags want them; lmfit itself would clip and swap in silence."""
    from dcpt.core.errors import ConfigError
    from dcpt.core.quantity import parse_quantity
    from dcpt.laws.formula import read_formula
    from dcpt.laws.registry import get_law

    declared = {item.name: item for item in get_law(law).parameters}
    params = get_law(law).lmfit_parameters()
    names = [*fixed, *bounds, *ties]
    for name in names:
        if name not in declared:
            raise ConfigError(f"law {law!r} has no parameter {name!r}; it has {', '.join(declared)}.")
        if names.count(name) > 1:
            raise ConfigError(f"parameter {name!r}: wanted only one of --fix, --bound and --tie.")
    for name, text in fixed.items():
        value = parse_quantity(text, f"--fix {name}")
        if not declared[name].lo <= value <= declared[name].hi:
            raise ConfigError(
                f"--fix {name}: got {text}; wanted a value inside the law's bounds, "
                f"{declared[name].lo:g} to {declared[name].hi:g}."
            )
        params[name].set(value=value, vary=False)
    for name, text in bounds.items():
        low, colon, high = text.partition(":")
        if not colon:
            raise ConfigError(f"--bound {name}: got {text!r}; wanted LOW:HIGH.")
        least, most = parse_quantity(low, f"--bound {name}"), parse_quantity(high, f"--bound {name}")
        if least >= most:
            raise ConfigError(f"--bound {name}: got {text!r}; wanted LOW below HIGH.")
        params[name].set(min=least, max=most)
    for name, text in ties.items():
        read_formula(text, f"--tie {name}")
        params[name].set(expr=text)
    return params
