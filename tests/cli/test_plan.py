"""dcpt plan: the file it writes, and the ways to ask."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest

from dcpt.plan.plan import Plan

AT = ("--at", "N=1M,D=2M", "--keep", "general <= +5%")


def test_round_trip(fits: Path, call: Callable[..., Any], synthetic: ModuleType) -> None:
    """What is printed, what is written and what is loaded are one plan."""
    answer = call("plan", "fits/mine", *AT, "--json")
    loaded = Plan.load(fits)
    written = json.loads((fits / "plan.json").read_text())
    written_by = {"kind", "path", "schema_version"}
    assert written.pop("schema_version") == 2
    assert {name: value for name, value in answer.document.items() if name not in written_by} == written
    assert json.loads(json.dumps(loaded.to_dict())) == written
    loaded.save(fits / "again.json")
    assert (fits / "again.json").read_bytes() == (fits / "plan.json").read_bytes()
    assert Plan.load(fits / "again.json").fingerprint == loaded.fingerprint
    general = synthetic.fit_of("general")
    assert float(general.mean(1e6, 2e6, loaded.r)[0]) == pytest.approx(loaded.general.mean)
    assert loaded.general.mean <= loaded.ceiling


def test_an_objective_file_says_the_same_as_flags(fits: Path, call: Callable[..., Any]) -> None:
    Path("objective.yaml").write_text(
        "N: 1M\nD: 2M\nkeep: general <= +5%\nr_max: 0.8\nlevel: 0.8\ngeneral_now: 3.4\n"
    )
    flags = (*AT, "--r-max", "0.8", "--level", "0.8", "--general-now", "3.4")
    assert call("plan", "fits/mine", *flags, "-o", "a.json").code == 0
    assert call("plan", "fits/mine", "--objective", "objective.yaml", "-o", "b.json").code == 0
    assert Path("a.json").read_text() == Path("b.json").read_text()
    # A flag wins over the file, also where it is the default.
    answer = call(
        "plan", "fits/mine", "--objective", "objective.yaml", "--level", "0.9", "-o", "c.json", "--json"
    )
    assert answer.document["objective"]["level"] == 0.9


def test_a_sweep_file_gives_the_target(fits: Path, sweep: Path, call: Callable[..., Any]) -> None:
    path = sweep / "sweep.yaml"
    path.write_text(path.read_text().replace("general <= +80%", "general <= 9"))
    answer = call("plan", "fits/mine", "--sweep", "experiments/mine", "--json")
    assert answer.code == 0, answer.err
    objective = answer.document["objective"]
    assert (objective["N"], objective["D"], objective["keep"]) == (1000576, 640, ["general <= 9"])


def test_the_page_leaves_out_what_belongs_to_other_fits(
    fits: Path, call: Callable[..., Any], synthetic: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    drawn: list[tuple[bool, bool]] = []

    def draw(folder: Path, table: Any, fits: Any, plan: Any, comparison: Any, extra: Any) -> Path:
        drawn.append((plan is not None, comparison is not None))
        return folder / "report.html"

    monkeypatch.setattr("dcpt.report.html.make_report", draw)
    assert call("plan", "fits/mine", *AT).code == 0
    assert call("compare", "fits/mine", "losses.csv").code == 0
    assert call("report", "fits/mine").err == ""
    assert call("plan", "fits/mine", *AT, "--level", "0.8", "--force").code == 0
    answer = call("report", "fits/mine")
    assert "compare.json was made with another plan and is left out" in answer.err
    synthetic.fits(seed=4).save(fits)
    answer = call("report", "fits/mine/fit.json")
    assert (answer.code, answer.out) == (0, "fits/mine/report.html\n")
    assert "plan.json was made from other fits and is left out" in answer.err
    assert drawn == [(True, True), (True, False), (False, False)]


def test_what_if_prints_a_table_and_writes_nothing(fits: Path, call: Callable[..., Any]) -> None:
    for axis, values in (("r", "0.2,0.5"), ("D", "1M,2M"), ("N", "0.5M,1M"), ("keep", "+4%,+6%")):
        answer = call("plan", "fits/mine", *AT, "--sweep", axis, "--values", values)
        assert answer.code == 0, answer.err
        lines = answer.out.strip().splitlines()
        assert lines[0].startswith("lowest domain loss of 1M parameters after 2M tokens")
        assert len(lines) == 2 + 1 + 2
        assert lines[2].split()[0] == axis
        document = call("plan", "fits/mine", *AT, "--sweep", axis, "--values", values, "--json").document
        assert (document["kind"], document["axis"], len(document["rows"])) == ("what-if", axis, 2)
        assert document["rows"][1]["domain"] > 0
    assert not (fits / "plan.json").exists()


def test_tokens_along_the_critical_ratio_give_its_law(fits: Path, call: Callable[..., Any]) -> None:
    keep = ("--at", "N=1M,D=2M", "--keep", "general <= 3.25", "--values", "0.7M,1M,1.3M,1.7M")
    document = call("plan", "fits/mine", *keep, "--sweep", "D", "--json").document
    law = document["critical_law"]
    inner = [row for row in document["rows"] if row["r_max"] is not None and 0.1001 < row["r_max"] < 0.8999]
    assert len(inner) >= 3
    for row in inner:
        predicted = law["a"] * (row["D"] / law["unit"]) ** law["s"] + law["b"]
        assert predicted == pytest.approx(row["r_max"], abs=max(2 * law["miss"], 1e-6))


def test_flags_say_what_a_file_says(fits: Path, call: Callable[..., Any]) -> None:
    Path("objective.yaml").write_text(
        "N: 1M\nkeep: [general <= +5%]\nminimise: 0.8*domain + 0.2*general\n"
        "pools: {domain: 1M, general: 9M}\n"
        "epochs: {domain: 3}\nD_max: 2M\nr_now: 0.3\ngeneral_now: {general: 3.4}\n"
    )
    flags = ("--at", "N=1M", "--keep", "general <= +5%", "--weight", "domain=0.8,general=0.2")
    flags += (
        "--pool",
        "domain=1M,general=9M",
        "--epochs",
        "domain=3",
        "--max-tokens",
        "2M",
        "--now",
        "r=0.3",
    )
    flags += ("--general-now", "general=3.4")
    assert call("plan", "fits/mine", *flags, "-o", "a.json").code == 0
    assert call("plan", "fits/mine", "--objective", "objective.yaml", "-o", "b.json").code == 0
    assert Path("a.json").read_text() == Path("b.json").read_text()
    answer = call("plan", "fits/mine", "--budget", "flops=7.2e12", "--sizes", "0.5M,1M",
                  "--minimise", "0.5*domain + 0.5*general", "-o", "c.json")  # fmt: skip
    assert answer.code == 0, answer.err
    assert Plan.load("c.json").objective.sizes == (0.5e6, 1e6)
    assert "mix in use" in call("plan", "fits/mine", *AT, "--now", "0.4").out


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("--at", "N=1M,D=2M", "--keep", "general <= -30%"), 4, "the nearest that can be kept: 'general <= "),
        (
            ("--at", "N=1M,D=2M", "--keep", "general <= +5%", "--r-min", "0.7", "--r-max", "0.6"),
            2,
            "r_min below",
        ),
        (("--at", "N=1M", "--pool", "domain=0", "--keep", "general <= +5%"), 2, "holds no tokens"),
        (("--at", "N=1M", "--keep", "general <= +5%"), 2, "D is not given"),
        (("--at", "N=1M,D=2M", "--keep", "wiki <= +5%"), 2, "nothing is fitted on 'wiki'"),
        (("--at", "N=1M,D=2M", "--minimise", "domain", "--weight", "domain=1"), 2, "one of them"),
        ((*AT, "--values", "1"), 2, "--values means nothing"),
        ((*AT, "--pool", "5B"), 2, "domain=5B,general=100B"),
        (
            ("--at", "N=1M,D=2M", "--keep", "general <= +5%", "--metric", "bpb"),
            2,
            "nothing is fitted on 'bpb'",
        ),
        (("--at", "N=1M,D=2M", "--budget", "flops=1e13"), 2, "leave N or D out"),
        (("--budget", "gpu_hours=1,hardware=abacus"), 2, "'abacus' is unknown"),
        (("--budget", "flops=10", "--minimise", "0.5*domain+0.5*general"), 4, "budget"),
        (("--at", "N=0.5M,D=1M", "--keep", "general <= 3.37", "--strict"), 5, ""),
    ],
)
def test_bad_questions_get_a_sentence_and_an_exit_code(
    fits: Path, call: Callable[..., Any], words: tuple[str, ...], code: int, said: str
) -> None:
    answer = call("plan", "fits/mine", *words)
    assert (answer.code, said in answer.err) == (code, True), answer.err
    assert "Traceback" not in answer.err


def test_a_target_outside_the_fitted_range_is_flagged_and_refused_under_strict(
    folder: Path, call: Callable[..., Any], synthetic: ModuleType
) -> None:
    synthetic.fits(spread=0.001, noise=0.001, held_out=0.002).save(folder / "sound")
    inside = ("--at", "N=0.5M,D=1M", "--keep", "general <= 3.37")
    assert call("plan", "sound", *inside, "--strict").code == 0
    outside = ("--at", "N=1.2M,D=1M", "--keep", "general <= 3.24", "--force")
    answer = call("plan", "sound", *outside)
    assert (answer.code, "2.0 times above the fitted range" in answer.out) == (0, True)
    assert "Supported" in answer.out
    strict = call("plan", "sound", *outside, "--strict")
    assert strict.code == 5
    assert "--strict: the run lies outside what the laws were fitted on" in strict.err


def test_what_if_flags_what_lies_outside_and_strict_refuses_it(
    folder: Path, call: Callable[..., Any], synthetic: ModuleType
) -> None:
    synthetic.fits(spread=0.001, noise=0.001, held_out=0.002).save(folder / "sound")
    asked = ("--at", "N=0.5M,D=1M", "--keep", "general <= 3.37", "--sweep", "D", "--values")
    assert call("plan", "sound", *asked, "0.5M,1M", "--strict").code == 0
    answer = call("plan", "sound", *asked, "1M,2.6M")
    assert (answer.code, answer.out.splitlines()[2].split()[-1]) == (0, "outside")
    assert answer.out.splitlines()[-1].endswith("D 2x")
    assert call("plan", "sound", *asked, "1M,2.6M", "--strict").code == 5
    rows = call("plan", "sound", *asked, "1M,2.6M", "--json").document["rows"]
    assert [row["outside"] for row in rows] == ["", "D 2x"]


def test_what_if_says_which_limits_cannot_be_kept(fits: Path, call: Callable[..., Any]) -> None:
    at = ("--at", "N=1M,D=2M", "--sweep")
    some = call("plan", "fits/mine", *at, "keep", "--values", "-30%,+5%")
    assert (some.code, "keep = general <= -30%: no domain share between" in some.err) == (0, True)
    assert "the nearest that can be kept: 'general <= " in some.err
    assert call("plan", "fits/mine", *at, "keep", "--values", "-30%,+5%", "--strict").code == 5
    for axis, values in (("r", "0.2,0.5"), ("D", "1M,2M"), ("N", "1M,2M")):
        none = call("plan", "fits/mine", *at, axis, "--values", values, "--keep", "general <= -30%")
        assert (none.code, "no domain share between" in none.err) == (4, True), none.err
        assert len(none.out.strip().splitlines()) == 5  # the table all the same
    document = call("plan", "fits/mine", *at, "D", "--keep", "general <= -30%", "--json").document
    assert len(document["unreachable"]) == len(document["rows"]) == 5


@pytest.mark.parametrize(
    ("axis", "at", "keep", "values"),
    [
        ("N", "D=2M", ("--keep", "general <= +5%"), "0.5M,1M"),
        ("D", "N=1M", ("--keep", "general <= +5%"), "1M,2M"),
        ("keep", "N=1M,D=2M", (), "+5%,+6%"),
    ],
)
def test_what_is_swept_need_not_be_asked_for(
    fits: Path, call: Callable[..., Any], axis: str, at: str, keep: tuple[str, ...], values: str
) -> None:
    sweep = ("--sweep", axis, "--values", values, "--json")
    answer = call("plan", "fits/mine", "--at", at, *keep, *sweep)
    assert answer.code == 0, answer.err
    whole = call("plan", "fits/mine", *AT, *sweep).document
    assert answer.document["rows"] == whole["rows"]
    assert answer.document["objective"][axis] is None
    text = call("plan", "fits/mine", "--at", at, *keep, *sweep[:-1]).out
    assert ("any number of" in text.splitlines()[0]) == (axis != "keep")
    bare = call("plan", "fits/mine", "--at", at, *keep, "--sweep", axis)
    assert (bare.code, f"{axis} is swept, and neither" in bare.err) == (2, True)


def test_the_front_is_printed_where_it_is_asked_for(fits: Path, call: Callable[..., Any]) -> None:
    plain = call("plan", "fits/mine", *AT)
    front = call("plan", "fits/mine", *AT, "--front", "--force")
    assert front.code == 0, front.err
    assert front.out.startswith(plain.out.rstrip("\n"))
    table = front.out[len(plain.out) :].strip().splitlines()
    assert table[0] == "Pareto front of 1M parameters on 2M tokens, nats per token:"
    domain = [float(line.split()[1]) for line in table[2:]]
    assert domain == sorted(domain)
    assert len(domain) >= 10
    refused = call("plan", "fits/mine", *AT, "--front", "--sweep", "r")
    assert (refused.code, "--front" in refused.err) == (2, True)


def test_a_limit_that_cannot_be_meant_is_refused_or_doubted(fits: Path, call: Callable[..., Any]) -> None:
    """The per cent forgotten; the point forgotten."""
    at = ("plan", "fits/mine", "--at", "N=1M,D=2M", "--keep")
    answer = call(*at, "general <= +2")
    assert (answer.code, "perhaps 'general <= +2%' was meant" in answer.out) == (0, True)
    assert call(*at, "general <= +2", "--strict", "--force").code == 5
    for words in (("general <= +2%", "--general-now", "331"), ("general <= 240",)):
        answer = call(*at, *words, "--force")
        assert (answer.code, "hint: perhaps" in answer.err) == (2, True), answer.err


def test_a_table_of_what_if_is_written_by_its_ending(fits: Path, call: Callable[..., Any]) -> None:
    """With -o the rows go to a file as well, with their question in JSON; shares may be in per cent."""
    words = ("plan", "fits/mine", *AT, "--sweep", "r", "--values", "20%,0.4")
    answer = call(*words, "-o", "rows.csv")
    assert answer.code == 0, answer.err
    frame = pd.read_csv("rows.csv")
    assert frame["r"].tolist() == [0.2, 0.4]
    assert (frame["schema_version"] == 1).all()
    assert "written: rows.csv" in answer.err
    refused = call(*words, "-o", "rows.csv")
    assert (refused.code, "pass --force to replace it" in refused.err) == (2, True)
    printed = call(*words, "-o", "rows.json", "--json").document
    document = json.loads(Path("rows.json").read_text())
    assert (document["kind"], document["axis"], document["schema_version"]) == ("what-if", "r", 1)
    assert [row["domain"] for row in document["rows"]] == pytest.approx(frame["domain"].tolist())
    assert document["rows"] == printed["rows"]
    assert not Path("fits/mine/plan.json").exists()
