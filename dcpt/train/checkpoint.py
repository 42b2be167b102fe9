"""Checkpoints: a folder per step that is whole or absent, and readable by `transformers` as it is."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from transformers import PreTrainedModel

from dcpt.core import files
from dcpt.core.errors import ConfigError, DataError
from dcpt.core.mixture_history import MixtureHistory
from dcpt.core.run_spec import from_dict, to_dict
from dcpt.train.optimizer import dump_state, load_state

SCHEMA_VERSION = 1
MODEL, OPTIMIZER, STATE = "model.safetensors", "optimizer.safetensors", "state.json"

_NAME = re.compile(r"step-(\d{8})")


@dataclass(frozen=True)
class Progress:
    """How far a run is: steps done in its phase, its own wall time and FLOPs, what became of its mixture."""

    step: int
    seconds: float = 0.0
    flops: float = 0.0
    mixture: MixtureHistory | None = None


def checkpoint_folder(run_dir: Path, step: int) -> Path:
    """Folder of a run's checkpoint after `step` steps."""
    return run_dir / "checkpoints" / f"step-{step:08d}"


def list_steps(run_dir: Path) -> list[int]:
    """Steps a run has checkpoint folders for, oldest first."""
    return list_steps_in(run_dir / "checkpoints")


def list_steps_in(folder: Path) -> list[int]:
    """Steps that a folder has checkpoints of, oldest first."""
    if not folder.is_dir():
        return []
    matches = (_NAME.fullmatch(path.name) for path in folder.iterdir())
    return sorted(int(match.group(1)) for match in matches if match)


def save_checkpoint(
    run_dir: Path, progress: Progress, network: PreTrainedModel, optimizer: torch.optim.Optimizer | None
) -> Path:
    """Write weights, configuration, optimizer and progress into a new folder, then give it its name.

    Parameters
    ----------
    run_dir : Path
        Folder of the run.
    progress : Progress
        Goes into ``state.json`` with size and hash of the other files.
    network : PreTrainedModel
        Tied weights are stored once.
    optimizer : Optimizer, optional
        None stores weights only.

    Raises
    ------
    DataError
        When the disk refuses a write.
    """
    weights, state = _weights(network), None if optimizer is None else dump_state(network, optimizer)
    return write_checkpoint(run_dir, progress, weights, network.config.to_json_string(), state)


def write_checkpoint(
    run_dir: Path,
    progress: Progress,
    weights: Mapping[str, torch.Tensor],
    config: str,
    optimizer: Mapping[str, torch.Tensor] | None,
) -> Path:
    """Write a checkpoint from named tensors on the CPU (see `save_checkpoint`).

    Parameters
    ----------
    run_dir : Path
        Folder of the run.
    progress : Progress
        Goes into ``state.json``.
    weights : mapping
        Tensors of the network's state by name, each shared one once.
    config : str
        The network's configuration as JSON.
    optimizer : mapping, optional
        As `dcpt.train.optimizer.dump_state` gives it.

    Raises
    ------
    DataError
        When the disk refuses a write.
    """
    target = checkpoint_folder(run_dir, progress.step)
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}."))
    try:
        save_file(dict(weights), temporary / MODEL, metadata={"format": "pt"})
        files.write_text(temporary / "config.json", config)
        if optimizer is not None:
            save_file(dict(optimizer), temporary / OPTIMIZER)
        write_state(temporary, progress)
        temporary.chmod(0o755)
        if target.exists():
            shutil.rmtree(target)
        os.replace(temporary, target)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{target}: could not be written: {error}.", hint="free some disk space") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def read_progress(folder: Path) -> Progress:
    """Check that every file of a checkpoint is as it was written.

    Raises
    ------
    DataError
        When the folder is absent, or a file is missing, cut short or changed.
    """
    progress = read_state(folder)
    state = files.read_json(folder / STATE, "the state of a checkpoint", SCHEMA_VERSION)
    try:
        for name, (size, digest) in state["files"].items():
            path = folder / name
            if not path.is_file() or path.stat().st_size != size or files.file_hash(path) != digest:
                raise DataError(
                    f"{path}: is missing or not as it was written.", hint="delete this checkpoint"
                )
    except (KeyError, TypeError, ValueError, AttributeError, OSError) as error:
        if isinstance(error, DataError):
            raise
        raise _damaged(folder, error) from None
    return progress


def read_state(folder: Path) -> Progress:
    """What a checkpoint says about itself, its other files unread.

    Raises
    ------
    DataError
        When ``state.json`` is absent or damaged.
    """
    state = files.read_json(folder / STATE, "the state of a checkpoint", SCHEMA_VERSION)
    try:
        history = state.get("mixture")
        return Progress(
            int(state["step"]),
            float(state["seconds"]),
            float(state["flops"]),
            None if history is None else from_dict(MixtureHistory, history, "mixture"),
        )
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise _damaged(folder, error) from None


def _damaged(folder: Path, error: Exception) -> DataError:
    return DataError(f"{folder / STATE}: is damaged ({type(error).__name__}: {error}).")


def load_weights(folder: Path, network: PreTrainedModel) -> None:
    """Put a checkpoint's weights into a network built for it.

    Raises
    ------
    DataError
        When they are unreadable or those of another network.
    """
    path = folder / MODEL
    tensors = _read_tensors(path)
    own = _weights(network)
    if {name: tensor.shape for name, tensor in tensors.items()} != {n: t.shape for n, t in own.items()}:
        odd = sorted(set(own).symmetric_difference(tensors)) or ["shapes differ"]
        raise DataError(f"{path}: the weights do not fit the run's network ({odd[0]}).")
    network.load_state_dict(tensors, strict=False)  # what is absent is tied to what is there


def load_optimizer(folder: Path, network: PreTrainedModel, optimizer: torch.optim.Optimizer) -> None:
    """Put a checkpoint's optimizer state back.

    Raises
    ------
    DataError
        When the checkpoint has none, or that of another network.
    """
    path = folder / OPTIMIZER
    if not path.exists():
        raise DataError(f"{path}: no such file; the run goes on from it with its optimizer's state.")
    load_state(network, optimizer, _read_tensors(path), str(path))


def newest_whole(run_dir: Path, final: int) -> Progress | None:
    """The latest checkpoint a run can go on from; damaged ones, and left-overs of writing, are removed.

    Parameters
    ----------
    run_dir : Path
        Folder of the run.
    final : int
        Last step of the run: there the weights suffice.
    """
    folder = run_dir / "checkpoints"
    for path in folder.glob(".step-*") if folder.is_dir() else ():
        shutil.rmtree(path, ignore_errors=True)
    for step in reversed(list_steps(run_dir)):
        place = checkpoint_folder(run_dir, step)
        try:
            progress = read_progress(place)
        except DataError:
            progress = None
        if progress is not None and (step == final or (place / OPTIMIZER).exists()):
            return progress
        shutil.rmtree(place, ignore_errors=True)
    return None


def thin_out(run_dir: Path, keep: Collection[int], newest: int) -> None:
    """Remove checkpoints but the `newest` latest ones and the steps in `keep`."""
    steps = list_steps(run_dir)
    for step in steps[: max(0, len(steps) - newest)]:
        if step not in keep:
            shutil.rmtree(checkpoint_folder(run_dir, step), ignore_errors=True)


def drop_optimizer(folder: Path, progress: Progress) -> None:
    """Make a whole checkpoint one of weights only."""
    path = folder / OPTIMIZER
    if path.exists():
        # The state is rewritten first: at every moment the files it names are there.
        write_state(folder, progress, without=(OPTIMIZER,))
        path.unlink()


def write_state(folder: Path, progress: Progress, without: Collection[str] = ()) -> None:
    """Write ``state.json``: the progress, and size and hash of the folder's other files."""
    content = {
        path.name: [path.stat().st_size, files.file_hash(path)]
        for path in sorted(folder.iterdir())
        if path.name != STATE and path.name not in without
    }
    files.write_json(
        folder / STATE,
        {
            "schema_version": SCHEMA_VERSION,
            "step": progress.step,
            "seconds": progress.seconds,
            "flops": progress.flops,
            "files": content,
            **({} if progress.mixture is None else {"mixture": to_dict(progress.mixture)}),
        },
    )


def _weights(network: PreTrainedModel) -> dict[str, torch.Tensor]:
    """Tensors of the state by name, each shared one once, under the name that parameters go by."""
    tensors: dict[str, torch.Tensor] = {}
    parameters = {parameter.data_ptr(): name for name, parameter in network.named_parameters()}
    for name, tensor in network.state_dict().items():
        if parameters.get(tensor.data_ptr(), name) == name:
            tensors[name] = tensor.detach().cpu().contiguous()
    return tensors


def _read_tensors(path: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise DataError(f"{path}: cannot be read ({error}).") from None
