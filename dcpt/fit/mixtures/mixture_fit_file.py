"""A chosen predictor of mixtures as a JSON file and back."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from dcpt.core.errors import DataError
from dcpt.core.files import read_json
from dcpt.core.symbols import ROLES
from dcpt.fit.mixtures.choice import Choice, Tried
from dcpt.fit.mixtures.mixture_fit import MixtureFit
from dcpt.fit.mixtures.predictor_file import predictor_from_dict
from dcpt.fit.mixtures.scores import MixtureScore

SCHEMA_VERSION = 1


def mixture_fit_to_dict(fit: MixtureFit) -> dict[str, Any]:
    """Plain JSON values of a fit."""
    return {
        "schema_version": SCHEMA_VERSION,
        "kind": "mixture fit",
        "predictor": fit.name,
        "corpora": list(fit.corpora),
        "targets": list(fit.targets),
        "weights": fit.weights.tolist(),
        "stretch": fit.stretch.tolist(),
        "choice": dataclasses.asdict(fit.choice),
        "warnings": list(fit.warnings),
        "fingerprint": fit.fingerprint,
        "seed": fit.seed,
        "shares": fit.shares.tolist(),
        "losses": fit.losses.tolist(),
        "sides": None if fit.sides is None else list(fit.sides),
        "base": None if fit.base is None else fit.base.tolist(),
        "N": fit.N,
        "D": fit.D,
        "keep": list(fit.keep),
        "parts": [part.to_dict() for part in fit.parts],
    }


def load_mixtures(path: Path | str) -> MixtureFit:
    """Read a fit that `MixtureFit.write` wrote.

    Raises
    ------
    DataError
        When the file is absent, of another version, or does not hold such a fit.
    """
    return mixture_fit_from_dict(read_json(path, "a fit of mixtures", SCHEMA_VERSION), str(path))


def mixture_fit_from_dict(document: Mapping[str, Any], where: str) -> MixtureFit:
    """Rebuild a fit from its JSON values.

    Raises
    ------
    DataError
        When a field is missing or does not fit.
    """
    try:
        choice = document["choice"]
        fit = MixtureFit(
            corpora=tuple(map(str, document["corpora"])),
            targets=tuple(map(str, document["targets"])),
            parts=tuple(predictor_from_dict(part, where) for part in document["parts"]),
            weights=np.array(document["weights"], dtype=np.float64),
            stretch=np.array(document["stretch"], dtype=np.float64),
            choice=Choice(
                tried=tuple(_tried(item) for item in choice["tried"]),
                chosen=MixtureScore(**choice["chosen"]),
                way=str(choice["way"]),
                folds=int(choice["folds"]),
                by_target=tuple(MixtureScore(**item) for item in choice["by_target"]),
                seconds=float(choice["seconds"]),
            ),
            shares=np.array(document["shares"], dtype=np.float64),
            losses=np.array(document["losses"], dtype=np.float64),
            warnings=tuple(map(str, document["warnings"])),
            fingerprint=str(document["fingerprint"]),
            seed=int(document["seed"]),
            **_of_a_sweep(document),
        )
    except KeyError as error:
        raise DataError(f"{where}: field {error.args[0]!r} of a fit of mixtures is missing.") from None
    except (TypeError, ValueError, AttributeError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: does not fit a fit of mixtures ({error}).") from None
    width, targets = len(fit.corpora), len(fit.targets)
    if fit.weights.shape != (len(fit.parts), targets) or fit.stretch.shape != (targets,):
        raise DataError(f"{where}: weights do not fit {len(fit.parts)} predictors and {targets} targets.")
    if fit.shares.ndim != 2 or fit.shares.shape[1] != width or fit.losses.shape != (len(fit.shares), targets):
        raise DataError(f"{where}: shares and losses do not fit {width} corpora and {targets} targets.")
    if fit.sides is not None and (len(fit.sides) != width or not set(fit.sides) <= set(ROLES)):
        raise DataError(f"{where}: sides do not fit {width} corpora.")
    if fit.base is not None and fit.base.shape != (targets,):
        raise DataError(f"{where}: base losses do not fit {targets} targets.")
    if any((part.corpora, part.targets) != (fit.corpora, fit.targets) for part in fit.parts):
        raise DataError(f"{where}: a predictor was fitted to other corpora or targets than the fit names.")
    return fit


def _of_a_sweep(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a fit to a sweep's runs knows besides; files of older versions lack it."""
    sides, base = document.get("sides"), document.get("base")
    return {
        "sides": None if sides is None else tuple(map(str, sides)),
        "base": None if base is None else np.array(base, dtype=np.float64),
        **{name: None if (has := document.get(name)) is None else float(has) for name in ("N", "D")},
        "keep": tuple(map(str, document.get("keep", ()))),
    }


def _tried(item: Mapping[str, Any]) -> Tried:
    scored = item["score"]
    return Tried(
        name=str(item["name"]),
        score=None if scored is None else MixtureScore(**scored),
        weight=float(item["weight"]),
        tie=bool(item["tie"]),
        dropped=None if item["dropped"] is None else str(item["dropped"]),
    )
