"""The folder of a run is its record: spec, journal of metrics, checkpoints, outcome."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Literal

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import SCHEMA_VERSION, RunSpec, from_dict, to_dict

Status = Literal["finished", "failed", "abandoned", "started", "waiting"]

LEAST_FREE_BYTES = 1 << 16


def run_folder(root: Path | str, run_id: str) -> Path:
    """Folder of a run below the sweep's root."""
    return Path(root) / "runs" / run_id


def write_spec(root: Path | str, spec: RunSpec) -> Path:
    """Lay out a run's folder; a spec that is already there is left as it is.

    Of two specs with one id, which differ in the place of a checkpoint, the newer one is written.

    Raises
    ------
    DataError
        When the spec that is there is damaged or another one, or the disk refuses the write.
    """
    folder = run_folder(root, spec.run_id)
    path = folder / "spec.json"
    if path.exists():
        found = read_spec(folder)
        if to_dict(found) == to_dict(spec):
            return folder
        if found.run_id != spec.run_id:
            raise DataError(
                f"{path}: is not the spec of run {spec.run_id}; it was changed by hand.",
                hint=f"delete the folder {folder}; the run is then trained again",
            )
    files.write_json(path, {"schema_version": SCHEMA_VERSION, **to_dict(spec)})
    return folder


def read_spec(folder: Path | str) -> RunSpec:
    """The spec of a run's folder.

    Raises
    ------
    DataError
        When the file is absent, damaged or of another schema version.
    """
    path = Path(folder) / "spec.json"
    document = files.read_json(path, "a run spec", SCHEMA_VERSION)
    document.pop("schema_version")
    try:
        return from_dict(RunSpec, document, str(path))
    except ConfigError as error:
        raise DataError(error.message, hint=f"delete the folder {folder}; it is laid out anew") from None


def status(folder: Path | str) -> Status:
    """What became of a run so far; ``started`` means that a checkpoint or a metric is there."""
    folder = Path(folder)
    record = RunRecord.load(folder)
    if record is not None:
        return record.status
    return "started" if (folder / "metrics.jsonl").exists() else "waiting"


def read_metrics(folder: Path | str, kind: str = "eval") -> list[dict[str, Any]]:
    """Rows of one kind from a run's journal, the last one per step and key.

    A resumed run may have logged a step twice; the later row counts.

    Raises
    ------
    DataError
        When a row lacks its step, or the journal is damaged before its last line.
    """
    path = Path(folder) / "metrics.jsonl"
    rows: dict[tuple[Any, ...], dict[str, Any]] = {}
    for number, row in enumerate(files.read_lines(path), start=1):
        if row.get("kind") != kind:
            continue
        if "step" not in row:
            raise DataError(f"{path} line {number}: an {kind} row has no step.")
        rows[(row["step"], row.get("eval_set"), row.get("metric"))] = row
    return list(rows.values())


def count_starts(folder: Path | str) -> int:
    """How often a run was started, by its journal; 0 when the journal is absent or damaged."""
    try:
        return sum(row.get("kind") == "start" for row in files.read_lines(Path(folder) / "metrics.jsonl"))
    except DataError:
        return 0


def has_checkpoint(folder: Path | str, step: int) -> bool:
    """Whether a run's folder holds a checkpoint of that step."""
    return (Path(folder) / "checkpoints" / f"step-{step:08d}").is_dir()


def is_full(root: Path | str) -> bool:
    """Whether the disk under a folder has no room for a record or a journal line."""
    try:
        return shutil.disk_usage(root).free < LEAST_FREE_BYTES
    except OSError:
        return False


def discard_record(folder: Path | str) -> None:
    """Forget how a run ended, so that it is tried again from its last checkpoint."""
    (Path(folder) / "record.json").unlink(missing_ok=True)


def remove_checkpoints(folder: Path | str) -> None:
    """Delete a run's checkpoints; its losses stay."""
    shutil.rmtree(Path(folder) / "checkpoints", ignore_errors=True)
