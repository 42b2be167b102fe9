"""Interpolated weights, tilted losses, restored moments, phases, pools: what their equations say, resumed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from tiny_sweep import BATCH, LLAMA, TinySweep, read_rows

from dcpt.core.errors import DataError
from dcpt.core.mixture import MixturePhase
from dcpt.core.run_spec import ModelSpec, RunSpec, StartSpec
from dcpt.core.schedule import Schedule
from dcpt.core.training_options import Interpolation
from dcpt.train import checkpoint
from dcpt.train.failure import Stopped
from dcpt.train.model import draw_model, read_config
from dcpt.train.objective import Objective
from dcpt.train.processor import Processor
from dcpt.train.unit import run


def weights(folder: Path, step: int) -> dict[str, torch.Tensor]:
    return load_file(checkpoint.checkpoint_folder(folder, step) / "model.safetensors")


def trained(sweep: TinySweep, processor: Processor, spec: RunSpec) -> Path:
    folder = sweep.place(spec)
    assert run(folder, processor).status == "finished"
    return folder


def with_rule(spec: RunSpec, **changes: object) -> RunSpec:
    return replace(spec, optimizer=replace(spec.optimizer, **changes))


def after(sweep: TinySweep, base: RunSpec, steps: int, **changes: object) -> RunSpec:
    """So many steps of the trunk's constant rate."""
    trunk = sweep.trunk(base)
    schedule = Schedule("constant", 3e-3, steps, warmup=1)
    return with_rule(
        replace(trunk, kind="run", schedule=schedule, keep=tuple(range(1, steps + 1))), **changes
    )


def test_interpolation_by_hand(sweep: TinySweep, processor: Processor) -> None:
    """Two steps and back three quarters of the way; two more start there, their moments untouched."""
    base = sweep.base(4)
    start = weights(trained(sweep, processor, base), 4)
    plain = trained(sweep, processor, after(sweep, base, 2))
    mer = trained(sweep, processor, after(sweep, base, 4, interpolation=Interpolation(2, 0.25)))
    for name, value in weights(plain, 2).items():
        assert torch.equal(weights(mer, 2)[name], (value - start[name]) * 0.25 + start[name])
        assert not torch.equal(weights(mer, 2)[name], value)
    plain_state, state = (
        load_file(checkpoint.checkpoint_folder(folder, 2) / "optimizer.safetensors")
        for folder in (plain, mer)
    )
    assert all(torch.equal(value, state[name]) for name, value in plain_state.items())
    anchors = {name.removeprefix("anchor."): v for name, v in state.items() if name.startswith("anchor.")}
    assert all(torch.equal(value, weights(mer, 2)[name]) for name, value in anchors.items())
    assert len(anchors) == len(start)
    same = trained(sweep, processor, after(sweep, base, 2, interpolation=Interpolation(1, 1.0)))
    for name, value in weights(same, 2).items():  # rate 1 is no interpolation, but for rounding
        torch.testing.assert_close(value, weights(plain, 2)[name], rtol=0, atol=1e-7)


def test_interpolated_and_tilted_runs_resume_and_branch_bitwise(
    sweep: TinySweep, processor: Processor
) -> None:
    """A kill, a stop, and a trunk that ends between two interpolations change nothing."""
    base = sweep.base()
    trained(sweep, processor, base)
    trunk = with_rule(sweep.trunk(base, steps=21), interpolation=Interpolation(8, 0.3), tilt=1.5)
    whole, branch = sweep.whole(trunk, decay=11), sweep.branch(trunk, decay=11)
    expected = trained(sweep, processor, whole)
    folder = sweep.place(trunk)
    for steps, wish in ((11, "save"), (4, "leave")):
        count = iter(range(10**6))
        with pytest.raises(Stopped):
            run(folder, processor, stop=lambda c=count, s=steps, w=wish: w if next(c) >= s else None)
    run(folder, processor)
    rows = read_rows(expected)
    assert [row for row in read_rows(folder) if row["step"] < 21] == [row for row in rows if row["step"] < 21]
    assert read_rows(trained(sweep, processor, branch)) == [row for row in rows if row["step"] > 21]


@pytest.mark.parametrize("tilt", [2.0, -1.0])
def test_a_tilted_batch_has_the_gradient_of_the_tilted_loss(processor: Processor, tilt: float) -> None:
    """Whole or in parts; the value is the mean all the same (Li et al. 2020, arXiv:2007.01162, eq. 2)."""
    network = draw_model(read_config(ModelSpec("llama", LLAMA)), 0)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.mul_(4)  # so that losses differ
    tokens = torch.randint(0, 32, (6, 17), generator=torch.Generator().manual_seed(1))
    objective = Objective(network, processor, tilt)
    plain = Objective(network, processor)
    losses = torch.stack([plain(row[None]) for row in tokens])
    wanted = torch.autograd.grad(
        torch.log(torch.exp(tilt * losses).mean()) / tilt, list(network.parameters())
    )
    assert losses.std() > 0.1
    for rows in (6, 4, 1):
        objective.begin(tokens)
        parts = [objective(part) * (len(part) / 6) for part in tokens.split(rows)]
        found = torch.autograd.grad(sum(parts), list(network.parameters()))
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-5)
        assert sum(parts).item() == pytest.approx(losses.mean().item(), rel=1e-5)


def test_moments_are_restored_or_fresh(sweep: TinySweep, processor: Processor) -> None:
    """After one step the counts are the base's and one more, or one."""
    base = sweep.base(4)
    trained(sweep, processor, base)
    counts = {}
    for mode in ("fresh", "restored"):
        spec = after(sweep, base, 1)
        spec = replace(spec, start=StartSpec(base.run_id, 4, "weights", mode))
        folder = trained(sweep, processor, spec)
        state = load_file(checkpoint.checkpoint_folder(folder, 1) / "optimizer.safetensors")
        counts[mode] = {value.item() for name, value in state.items() if name.startswith("step.")}
    assert counts == {"fresh": {1.0}, "restored": {5.0}}
    (checkpoint.checkpoint_folder(sweep.root / "runs" / base.run_id, 4) / "optimizer.safetensors").unlink()
    again = replace(after(sweep, base, 2), start=StartSpec(base.run_id, 4, "weights", "restored"))
    with pytest.raises(DataError, match=r"optimizer\.safetensors"):
        run(sweep.place(again), processor)


def test_a_phase_after_the_branch_point_leaves_the_trunk_as_it_is(
    sweep: TinySweep, processor: Processor
) -> None:
    """A branch whose last steps have other shares equals the whole run; its ratio is that of all steps."""
    base = sweep.base()
    trained(sweep, processor, base)
    trunk = sweep.trunk(base)
    late = MixturePhase(28 * BATCH, {"books": 0.15, "notes": 0.05, "law": 0.8})
    mixture = replace(
        trunk.mixture, phases=(*trunk.mixture.phases, late), limit={"law": 16}, seed=trunk.mixture.seed
    )
    trunk = replace(trunk, mixture=replace(trunk.mixture, limit={"law": 16}))
    whole, branch = (replace(spec, mixture=mixture) for spec in (sweep.whole(trunk), sweep.branch(trunk)))
    assert whole.r == pytest.approx((28 * 0.25 + 4 * 0.8) / 32)
    folders = [trained(sweep, processor, spec) for spec in (trunk, whole, branch)]
    rows = read_rows(folders[1])
    assert read_rows(folders[0]) == [row for row in rows if row["step"] <= 24]
    assert read_rows(folders[2]) == [row for row in rows if row["step"] > 24]
    assert rows[-1]["r_seen"] == pytest.approx(whole.r, abs=1 / (32 * BATCH))
