"""Which runs go together: same shape and schedule, whatever their mixture."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from dcpt.core.errors import ConfigError
from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.core.pack_key import pack_key
from dcpt.core.run_spec import CorpusRef, EvaluationSpec, ModelSpec, OptimizerSpec, RunSpec, StartSpec
from dcpt.core.schedule import Schedule
from dcpt.run.packs import choose_packs, together


def trunk(r: float, seed: int = 1, **changes: Any) -> RunSpec:
    corpora = (CorpusRef("books", "general", "a"), CorpusRef("law", "domain", "b"))
    shares = {"books": 1 - r, "law": r}
    mixture = MixtureSpec({ref.name: ref.role for ref in corpora}, (MixturePhase(0, shares),), seed, block=8)
    spec = RunSpec(
        slug=f"r{r}-s{seed}", kind="trunk", size="1m", model=ModelSpec("llama", {"hidden_size": 16}),
        corpora=corpora, tokenizer_hash="t", mixture=mixture, context=16, batch=8,
        schedule=Schedule("constant", 1e-3, 20), optimizer=OptimizerSpec(),
        evaluation=EvaluationSpec(every=10, sequences=16), seed=seed,
        start=StartSpec(f"base-{seed}", 20, "weights"),
    )  # fmt: skip
    return replace(spec, **changes)


def test_runs_that_differ_in_mixture_seed_and_parent_share_a_key() -> None:
    keys = {pack_key(trunk(r, seed)) for r in (0.1, 0.5) for seed in (1, 2)}
    assert len(keys) == 1
    assert None not in keys


@pytest.mark.parametrize(
    "changes",
    [
        {"model": ModelSpec("llama", {"hidden_size": 32})},
        {"schedule": Schedule("constant", 2e-3, 20)},
        {"schedule": Schedule("constant", 1e-3, 21)},
        {"batch": 16},
        {"context": 32},
        {"optimizer": OptimizerSpec(clip=0.5)},
        {"evaluation": EvaluationSpec(every=5, sequences=16)},
        {"kind": "run"},
        {"start": StartSpec("base-1", 10, "continue")},
        {"start": None},
    ],
)
def test_runs_that_step_differently_do_not(changes: dict[str, Any]) -> None:
    assert pack_key(trunk(0.1, **changes)) not in (None, pack_key(trunk(0.1)))


@pytest.mark.parametrize(
    "changes",
    [
        {"model": ModelSpec("gpt_neox", {"hidden_size": 16})},
        {"optimizer": OptimizerSpec(tilt=0.5)},
        {"schedule": Schedule("constant", 1e-3, 0), "start": None},
    ],
)
def test_what_the_packed_step_does_not_know_is_trained_alone(changes: dict[str, Any]) -> None:
    assert pack_key(trunk(0.1, **changes)) is None


def test_groups_hold_every_run_once_in_order_and_use_every_process() -> None:
    ready = [trunk(r / 10, seed) for seed in (1, 2) for r in range(1, 8)]
    ready.insert(3, trunk(0.9, slug="odd", batch=4))
    for processes, most in ((1, None), (4, None), (1, 4), (3, 2), (40, None)):
        groups = together(ready, processes, most)
        assert sorted(spec.run_id for group in groups for spec in group) == sorted(s.run_id for s in ready)
        assert all(len({pack_key(spec) for spec in group}) == 1 for group in groups)
        sizes = [len(group) for group in groups if group[0].batch == 8]
        assert max(sizes) - min(sizes) <= 1
        assert len(sizes) >= min(processes, 14)
        assert most is None or max(sizes) <= most
        assert groups[0][0] == ready[0]


def test_a_cpu_packs_only_when_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    ready = [trunk(0.1), trunk(0.2)]
    for wish, groups in (("auto", 2), ("off", 2), (1, 2), (4, 1)):
        pack, options = choose_packs(wish)  # type: ignore[arg-type]
        assert len(list(pack(ready))) == groups
        assert bool(options) == (groups == 1)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0")
    pack, options = choose_packs("auto")
    assert len(list(pack(ready))) == 1
    assert options == ("--pack", "auto", "--compile", "auto")
    assert len(list(choose_packs("auto", device="cpu")[0](ready))) == 2
    with pytest.raises(ConfigError, match="--pack"):
        choose_packs(0)
