"""Parameters of networks without a closed form: counted by the trainer, all in one process, and kept."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from importlib import metadata
from pathlib import Path

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_spec import ModelSpec, to_dict

SCHEMA_VERSION = 1
FILE = Path("corpus") / "parameters.json"

Counts = dict[str, int]


def count_by_trainer(models: Mapping[str, ModelSpec], root: Path) -> dict[str, Counts]:
    """Parameters by component of some networks.

    What was counted before is read from ``ROOT/corpus/parameters.json``; the rest is counted by one
    process of the trainer, since loading torch takes seconds.

    Parameters
    ----------
    models : mapping of str to ModelSpec
        Name of the size to its network.
    root : path
        Folder of the sweep, which relative checkpoint paths start from.

    Returns
    -------
    dict of str to dict of str to int
        Name of the size to parameters by component.

    Raises
    ------
    ConfigError
        When a network cannot be built; the message names its size.
    """
    known = _read(root)
    keys = {name: _key(model) for name, model in models.items()}
    missing = {name: model for name, model in models.items() if keys[name] not in known}
    if missing:
        found = _count(missing, root)
        known |= {keys[name]: counts for name, counts in found.items()}
        with suppress(DataError):  # a folder one may only read: counted again next time
            files.write_json(root / FILE, {"schema_version": SCHEMA_VERSION, "counts": known})
    return {name: known[key] for name, key in keys.items()}


def _key(model: ModelSpec) -> str:
    """What the counts depend on: the network, wherever its weights lie, and the code that counts."""
    if model.checkpoint_hash is not None:
        model = replace(model, checkpoint=None)
    versions = []
    for package in ("dcpt", "transformers"):
        try:
            versions.append(metadata.version(package))
        except metadata.PackageNotFoundError:
            versions.append("")
    return files.content_hash([versions, to_dict(model)])


def _read(root: Path) -> dict[str, Counts]:
    try:
        counts = files.read_json(root / FILE, "parameter counts", SCHEMA_VERSION)["counts"]
        return {
            str(key): {str(part): int(count) for part, count in parts.items()}
            for key, parts in counts.items()
        }
    except (DataError, KeyError, TypeError, ValueError, AttributeError):
        return {}  # absent or damaged: counted again


def _count(models: Mapping[str, ModelSpec], root: Path) -> dict[str, Counts]:
    names = list(models)
    with tempfile.TemporaryDirectory() as folder:
        paths = []
        for number, model in enumerate(models.values()):
            if model.checkpoint is not None:
                model = replace(model, checkpoint=str((root / model.checkpoint).resolve()))
            paths.append(Path(folder) / f"{number}.json")
            paths[-1].write_text(json.dumps(to_dict(model)), encoding="utf-8")
        result = subprocess.run(
            [sys.executable, "-m", "dcpt.train", "count", *map(str, paths)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    lines = result.stdout.strip().splitlines()
    if result.returncode != 0 or len(lines) != len(names):
        # One line per network that was counted: the first without one is the one that failed.
        failed = names[min(len(lines), len(names) - 1)]
        said = result.stderr.strip().splitlines()
        reason = said[-1] if said else "the trainer could not count its parameters and did not say why."
        raise ConfigError(f"size {failed!r}: {reason}")
    return {
        name: {str(part): int(count) for part, count in json.loads(line).items()}
        for name, line in zip(names, lines, strict=True)
    }
