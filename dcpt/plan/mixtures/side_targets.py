"""What stands for a side, ``general`` or ``domain``, among the losses of a table of mixtures."""

from __future__ import annotations

from collections.abc import Sequence

from dcpt.core.symbols import ROLES

SideTargets = dict[str, tuple[str, ...]]


def side_targets(targets: Sequence[str], corpora: Sequence[str], sides: Sequence[str] | None) -> SideTargets:
    """Targets of each side: its pooled loss where there is one, else the losses of its corpora.

    Parameters
    ----------
    targets : sequence of str
        Names of the losses.
    corpora, sides : sequence of str
        Names of the corpora, and the side of each; None where the sides are not known.

    Examples
    --------
    >>> side_targets(["wiki", "law", "all"], ["wiki", "law", "code"], ["general", "domain", "domain"])
    {'general': ('wiki',), 'domain': ('law',)}
    """
    if sides is None:
        return {}
    own = {
        role: tuple(
            name for name, side in zip(corpora, sides, strict=True) if side == role and name in targets
        )
        for role in ROLES
    }
    found = {role: (role,) if role in targets else names for role, names in own.items()}
    return {role: names for role, names in found.items() if names}


def single_targets(targets: Sequence[str], corpora: Sequence[str], sides: Sequence[str] | None) -> list[str]:
    """Targets without the pooled losses of sides, whose corpora would count twice in a mean."""
    if sides is None:
        return list(targets)
    return [name for name in targets if name not in ROLES or name in corpora]
