"""What holds for every quantity, spec, schedule, journal and loss table."""

from __future__ import annotations

import json
import math
import tempfile
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dcpt.core import files
from dcpt.core.annealing import ANNEALING_MEMORY, annealing_area, forward_area
from dcpt.core.errors import ConfigError
from dcpt.core.loss_table import COLUMNS, LossTable
from dcpt.core.mixture import MixturePhase, MixtureSpec
from dcpt.core.quantity import format_quantity, parse_quantity
from dcpt.core.run_record import RunRecord
from dcpt.core.run_spec import (
    CorpusRef,
    EvaluationSpec,
    ModelSpec,
    OptimizerSpec,
    RunSpec,
    StartSpec,
    from_dict,
    to_dict,
)  # fmt: skip
from dcpt.core.schedule import Schedule

finite = st.floats(allow_nan=False, allow_infinity=False)


@given(st.floats(1e-9, 1e24), st.integers(1, 17), st.sampled_from((1, -1)))
def test_a_formatted_quantity_is_read_back(value: float, digits: int, sign: int) -> None:
    """To the digits that were written: half a unit of the last one, of a leading digit of at least 1."""
    read = parse_quantity(format_quantity(sign * value, digits))
    assert read == pytest.approx(sign * value, rel=0.5001 * 10.0 ** (1 - digits) + 1e-15)


@given(finite)
def test_a_plain_number_is_itself(value: float) -> None:
    assert parse_quantity(value) == value
    assert parse_quantity(repr(value)) == value


@given(st.sampled_from(["", "B", "1.2.3", "40%", "1e", "7 Q", "nan", "inf", "1e999", "0x10", "1,000", "--1"]))
def test_no_number_is_made_up(text: str) -> None:
    with pytest.raises(ConfigError, match=r"amount: got .*; wanted a "):
        parse_quantity(text, "amount")


names = st.text("abcdefgh_-", min_size=1, max_size=8)
small = st.integers(0, 1000)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    steps = draw(st.integers(0, 120))
    warmup = draw(st.integers(0, steps))
    return Schedule(
        kind=draw(st.sampled_from(("constant", "cosine", "linear", "wsd"))),
        peak=draw(st.floats(1e-6, 1.0)),
        steps=steps,
        warmup=warmup,
        decay=draw(st.integers(0, steps - warmup)),
        shape=draw(st.sampled_from(("linear", "1-sqrt"))),
        floor=draw(st.floats(0, 1)),
    )


@st.composite
def run_specs(draw: st.DrawFn) -> RunSpec:
    r = draw(st.floats(0, 1))
    return RunSpec(
        slug=draw(names),
        kind=draw(st.sampled_from(("base", "trunk", "branch", "run"))),
        size=draw(names),
        model=ModelSpec(
            draw(names),
            draw(
                st.dictionaries(names, st.one_of(st.none(), st.booleans(), small, finite, names), max_size=4)
            ),
            draw(st.none() | names),
            draw(st.none() | names),
        ),
        corpora=(CorpusRef("g", "general", draw(names)), CorpusRef("d", "domain", draw(names))),
        tokenizer_hash=draw(names),
        mixture=MixtureSpec(
            {"g": "general", "d": "domain"},
            (MixturePhase(0, {"g": 1 - r, "d": r}),),
            seed=draw(small),
            block=draw(st.integers(1, 64)),
            skip=draw(st.dictionaries(st.sampled_from("gd"), small)),
            skip_seed=draw(small),
            limit=draw(st.dictionaries(st.sampled_from("gd"), st.integers(1, 9))),
        ),
        context=draw(st.integers(8, 512)),
        batch=draw(st.integers(1, 64)),
        schedule=draw(schedules()),
        optimizer=OptimizerSpec(weight_decay=draw(st.floats(0, 1))),
        evaluation=EvaluationSpec(draw(small), draw(small), (1, 2), draw(st.tuples(small, small))),
        seed=draw(small),
        tokens_before=draw(small),
        start=draw(st.none() | st.builds(StartSpec, names, small, st.sampled_from(("weights", "continue")))),
        keep=tuple(draw(st.lists(small, max_size=3))),
    )


@given(run_specs())
def test_a_spec_survives_json(spec: RunSpec) -> None:
    again = from_dict(RunSpec, json.loads(json.dumps(to_dict(spec))), "spec")
    assert again == spec
    assert again.run_id == spec.run_id
    assert to_dict(again) == to_dict(spec)


@given(run_specs(), names)
def test_a_run_id_does_not_depend_on_its_slug(spec: RunSpec, slug: str) -> None:
    again = replace(spec, slug=slug)
    assert again.run_id == slug + spec.run_id[-9:]
    assert spec.run_id.startswith(spec.slug + "-")


def leaves(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths of the values inside a document."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    found: list[tuple[Any, ...]] = []
    for key, value in items:
        nested = isinstance(value, (dict, list)) and value
        found += leaves(value, (*path, key)) if nested else [(*path, key)]
    return found


@given(run_specs(), st.data())
def test_a_run_id_changes_with_every_other_value(spec: RunSpec, data: st.DataObject) -> None:
    """Whatever stands in spec.json but the slug enters the identity of the run."""
    document = to_dict(spec)
    path = data.draw(st.sampled_from([path for path in leaves(document) if path != ("slug",)]))
    changed = json.loads(json.dumps(document))
    inner = changed
    for key in path[:-1]:
        inner = inner[key]
    old = inner[path[-1]]
    inner[path[-1]] = f"other-{old}"
    changed.pop("slug")
    assert not spec.run_id.endswith(files.content_hash(changed, 8))


@given(run_specs(), st.sampled_from([item.name for item in fields(RunSpec)]))
def test_a_field_that_is_unknown_or_of_another_type_is_refused(spec: RunSpec, name: str) -> None:
    document = to_dict(spec)
    with pytest.raises(ConfigError, match="spec: unknown field 'extra'; known are"):
        from_dict(RunSpec, {**document, "extra": 1}, "spec")
    with pytest.raises(ConfigError, match=rf"spec.{name}: got <object object.*; wanted"):
        from_dict(RunSpec, {**document, name: object()}, "spec")


@given(schedules())
def test_rates_stay_between_floor_and_peak(schedule: Schedule) -> None:
    rates = schedule.rates()
    assert rates.shape == (schedule.steps,)
    assert (rates <= schedule.peak * (1 + 1e-12)).all()
    assert (np.diff(rates[: schedule.warmup]) > 0).all()
    after = rates[schedule.warmup :]
    assert (after >= schedule.peak * schedule.floor * (1 - 1e-9)).all()
    assert (np.diff(after) <= schedule.peak * 1e-12).all()
    plateau = rates[schedule.warmup : schedule.decay_start]
    assert (plateau == schedule.peak).all()


@given(schedules())
def test_areas(schedule: Schedule) -> None:
    """S1 sums the rates; S2 sums each fall with the weight its momentum has gathered by the end."""
    rates = schedule.rates()
    assert forward_area(rates) == pytest.approx(np.cumsum(rates))
    area = annealing_area(rates, warmup=schedule.warmup)
    assert (np.diff(area) >= -1e-12).all()
    if schedule.kind == "constant" or (schedule.kind == "wsd" and schedule.decay == 0):
        assert np.abs(area).max(initial=0.0) == 0.0
    if schedule.steps:
        falls = -np.diff(rates, prepend=rates[0])
        falls[: schedule.warmup] = 0.0
        age = schedule.steps - np.arange(schedule.steps)
        weight = (1 - ANNEALING_MEMORY**age) / (1 - ANNEALING_MEMORY)
        assert area[-1] == pytest.approx(float(falls @ weight), rel=1e-9, abs=1e-12)


@given(st.floats(1e-5, 1e-1), st.integers(1, 60), st.integers(1, 40), st.integers(0, 20))
def test_a_trunk_has_the_rates_of_its_branch(peak: float, plateau: int, decay: int, warmup: int) -> None:
    """Up to the split, which is what makes a branch the same run as an unshared one."""
    steps = warmup + plateau + decay
    branch = Schedule("wsd", peak, steps, warmup, decay)
    trunk = Schedule("constant", peak, branch.decay_start, warmup)
    assert (trunk.rates() == branch.rates()[: branch.decay_start]).all()
    assert branch.rates()[branch.decay_start] == peak


rows = st.lists(
    st.dictionaries(names, st.one_of(st.text(max_size=5), small, finite, st.none()), max_size=3),
    min_size=1,
    max_size=3,
)


@settings(max_examples=8)
@given(rows)
def test_a_journal_cut_at_any_byte_keeps_its_whole_lines(content: list[dict[str, Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "metrics.jsonl"
        files.append_lines(path, content)
        data = path.read_bytes()
        assert list(files.read_lines(path)) == content
        for cut in range(len(data) + 1):
            path.write_bytes(data[:cut])
            whole = content[: data[:cut].count(b"\n")]
            assert list(files.read_lines(path)) == whole
            files.append_line(path, {"next": cut})
            assert list(files.read_lines(path)) == [*whole, {"next": cut}]


@st.composite
def tables(draw: st.DrawFn) -> LossTable:
    positive = st.floats(1e-300, 1e300)
    share = st.floats(0, 1)
    length = draw(st.integers(1, 5))

    def column(kind: st.SearchStrategy[Any]) -> list[Any]:
        return draw(st.lists(kind, min_size=length, max_size=length))

    optional = st.one_of(st.just(math.nan), share)
    words = st.sampled_from(("", "a", "b#c", 'say "x", y', "1e5", "é"))
    frame = pd.DataFrame(
        {
            "run_id": [f"run-{number}" for number in range(length)],
            "N": column(positive),
            "D": column(st.one_of(st.just(0.0), positive)),
            "r": column(share),
            "r_seen": column(optional),
            "S1": column(optional),
            "eval_set": column(st.sampled_from(("general", "domain", "domain/law#2"))),
            "value": column(positive),
            "seed": column(small),
            "source": column(words),
            "tokenizer": column(st.sampled_from(("", "00ff", "12"))),
        }
    )
    return LossTable.from_frame(frame)


@settings(max_examples=25)
@given(tables())
def test_a_loss_table_is_read_back_to_the_last_bit(table: LossTable) -> None:
    assert tuple(table.frame) == COLUMNS
    with tempfile.TemporaryDirectory() as folder:
        for name in ("a.csv", "a.parquet"):
            again = LossTable.read(table.write(Path(folder) / name))
            numbers = table.frame.select_dtypes("number").columns
            pd.testing.assert_frame_equal(
                again.frame[numbers], table.frame[numbers], check_exact=True, check_dtype=False
            )
            assert again.frame["eval_set"].tolist() == table.frame["eval_set"].tolist()
            assert again.frame["source"].tolist() == table.frame["source"].tolist()
            assert again.frame["tokenizer"].tolist() == table.frame["tokenizer"].tolist()
            assert again.fingerprint == table.fingerprint
            assert (again.groups == table.groups).all()


@given(st.builds(
    RunRecord, names, st.sampled_from(("finished", "failed", "abandoned")), names, small,
    st.dictionaries(names, small), small, small, st.none() | st.floats(0, 1), st.dictionaries(names, finite),
    finite, finite, st.dictionaries(names, names),
))  # fmt: skip
def test_a_record_is_read_back(record: RunRecord) -> None:
    with tempfile.TemporaryDirectory() as folder:
        record.save(folder)
        assert RunRecord.load(folder) == record
