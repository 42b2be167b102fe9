"""Parameters of a law as --fix, --bound and --tie want them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dcpt.laws.law import Law

_COUNTED = ("parameters", "tokens")
_PROBES = 80
_STEP = 1e-5
_MOVED = 1e-5


def law_parameters(law: str, fixed: dict[str, str], bounds: dict[str, str], ties: dict[str, str]) -> Any:
    """`lmfit.Parameters` of the law as the flags want them; lmfit itself would clip and swap in silence."""
    from dcpt.core.errors import ConfigError
    from dcpt.core.quantity import parse_quantity
    from dcpt.laws.formula import read_formula
    from dcpt.laws.registry import get_law

    form = get_law(law)
    declared = {item.name: item for item in form.parameters}
    params = form.lmfit_parameters()
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
        _refuse_units(form, name, value, f"--fix {name}={text}")
        params[name].set(value=value, vary=False)
    for name, text in bounds.items():
        low, colon, high = text.partition(":")
        if not colon:
            raise ConfigError(f"--bound {name}: got {text!r}; wanted LOW:HIGH.")
        least, most = parse_quantity(low, f"--bound {name}"), parse_quantity(high, f"--bound {name}")
        if least >= most:
            raise ConfigError(f"--bound {name}: got {text!r}; wanted LOW below HIGH.")
        for end in (least, most):
            if declared[name].lo < end < declared[name].hi:
                _refuse_units(form, name, end, f"--bound {name}={text}")
        params[name].set(min=least, max=most)
    for name, text in ties.items():
        read_formula(text, f"--tie {name}")
        params[name].set(expr=text)
    return params


def _refuse_units(law: Law, name: str, value: float, flag: str) -> None:
    """Refuse a value that means one thing in the units of the fit and another in the raw ones.

    The fit counts N and D in powers of 1000 that it chooses by the rows, and how a coefficient changes
    with them depends on exponents that are still to be fitted: the value cannot be converted beforehand.
    """
    from dcpt.core.errors import ConfigError

    if name not in unit_bound(law, {name: value}):
        return
    bound = unit_bound(law)
    free = [other for other in law.names if other not in bound]
    raise ConfigError(
        f"{flag}: {name} of law {law.name} has a unit. The fit counts parameters and tokens in powers of "
        "1000 near those of the table; the `params` of a result are for single ones, and no value means "
        "the same in both.",
        hint=f"0 and the law's own bounds may be set where they are allowed; free of units are "
        f"{', '.join(free) or 'none'}",
    )


def unit_bound(law: Law, values: Mapping[str, float] | None = None) -> frozenset[str]:
    """Parameters whose value changes with the units that parameters and tokens are counted in.

    A change of unit moves the loss as an infinitesimal factor on the inputs does; it is undone by the
    moves of the parameters that solve the linear equations of the Jacobian. Those that stay are free
    of units. Where nothing undoes it, every parameter that shapes the change counts as bound.

    Parameters
    ----------
    law : Law
        The law.
    values : mapping, optional
        Parameters at which to ask, by name; the others are drawn inside their bounds.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    theta = np.clip(rng.uniform(0.2, 0.9, len(law.names)), law.lower, law.upper)
    for name, value in (values or {}).items():
        theta[law.names.index(name)] = value
    ranges = {"s": (0.2, 0.8), "r": (0.2, 0.8), "L0": (2.0, 3.0), "G0": (2.0, 3.0), "Dmin": (0.1, 0.3)}
    inputs = {name: rng.uniform(*ranges.get(name, (0.5, 2.0)), _PROBES) for name in law.inputs}
    jacobian = law.jacobian(theta, inputs)
    size = np.sqrt((jacobian**2).sum(axis=0))
    size[size == 0] = 1.0
    bound: set[str] = set()
    for unit in _COUNTED:
        scaled = [name for name in law.inputs if law.symbols[name].unit == unit]
        if not scaled:
            continue
        up, down = ({**inputs, **{n: inputs[n] * np.exp(h) for n in scaled}} for h in (_STEP, -_STEP))
        change = (law.evaluate(theta, up) - law.evaluate(theta, down)) / (2 * _STEP)
        scale = float(np.abs(change).max())
        if scale == 0:
            continue
        moves = np.linalg.lstsq(jacobian / size, -change, rcond=1e-9)[0]
        left = float(np.abs(jacobian / size @ moves + change).max())
        if left > _MOVED * scale:
            bound |= {other for name in scaled for other in law.compiled.moves[name]}
        else:
            # As what each does to the loss: a parameter that no probe sees moves by rounding alone.
            bound |= {name for name, move in zip(law.names, moves, strict=True) if abs(move) > _MOVED * scale}
    return frozenset(bound)
