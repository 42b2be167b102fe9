"""dcpt fit on other people's tables: their names, their units, their runs, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

TRUTH = {"E": 1.817, "A": 477.8, "B": 2143.0, "alpha": 0.347, "beta": 0.367}
MAP = ("--map", "N=params,D=tokens", "--map", "value=loss")
QUICK = ("--bootstrap", "0", "--no-holdouts", "--json")
CHINCHILLA = ("--law", "chinchilla", *MAP)


def points(seed: int = 0, noise: float = 0.0) -> pd.DataFrame:
    """Four sizes by six budgets after the Chinchilla law, and columns that are nobody's business."""
    rng = np.random.default_rng(seed)
    N, D = (part.ravel() for part in np.meshgrid([1e8, 3e8, 1e9, 3e9], np.geomspace(2e9, 2e11, 6)))
    loss = TRUTH["E"] + TRUTH["A"] * N ** -TRUTH["alpha"] + TRUTH["B"] * D ** -TRUTH["beta"]
    loss = loss * np.exp(noise * rng.normal(size=len(N)))
    name = [f"run{int(size / 1e8)}" for size in N]
    return pd.DataFrame({"params": N, "tokens": D, "loss": loss, "name": name, "lr": 1e-3 / N**0.1})


@pytest.fixture
def table(folder: Path) -> Path:
    path = folder / "points.csv"
    points().to_csv(path, index=False)
    return path


FIELDS = (
    *("schema_version", "law", "formula", "objective", "params", "intervals", "r2", "mae", "mape"),
    *("holdout", "status", "warnings", "seconds"),
)


def test_one_document_with_the_parameters_in_the_units_of_the_file(
    table: Path, call: Callable[..., Any]
) -> None:
    points(noise=0.002).to_csv(table, index=False)
    answer = call("fit", "points.csv", *CHINCHILLA, "--bootstrap", "40", "--run", "tokens", "--json")
    assert answer.code == 0, answer.err
    document = answer.document
    assert set(FIELDS) <= set(document)
    assert document["units"] == {"N": 1.0, "D": 1.0}
    assert document["params"]["alpha"] == pytest.approx(TRUTH["alpha"], rel=0.05)
    assert document["params"]["B"] == pytest.approx(TRUTH["B"], rel=0.3)
    for name, (lo, hi) in document["intervals"].items():
        assert lo < hi
        assert lo <= document["params"][name] * 1.2
        assert hi >= document["params"][name] * 0.8
    lo, hi = document["intervals"]["A"]
    assert lo < TRUTH["A"] < hi
    assert 0.99 < document["r2"] < 1
    assert document["rows"] == document["runs"] == 24
    scores = {item["kind"]: item for item in document["holdout"]}
    assert scores["largest N"]["mape"] < 0.02
    assert scores["largest N"]["mae"] < scores["largest N"]["baselines"]["constant"]["mae"]
    assert [item["law"] for item in document["fits"]] == ["chinchilla"]
    assert document["path"] is None
    assert [path.name for path in Path().iterdir()] == ["points.csv"]


def test_several_fits_stand_in_a_list_only(table: Path, call: Callable[..., Any]) -> None:
    both = pd.concat([points().assign(set="general"), points().assign(set="domain")])
    both.to_csv(table, index=False)
    document = call("fit", "points.csv", *CHINCHILLA, "--map", "eval_set=set", *QUICK).document
    assert [item["eval_set"] for item in document["fits"]] == ["general", "domain"]
    assert "params" not in document
    for item in document["fits"]:
        assert item["params"] == pytest.approx(TRUTH, rel=1e-4)
        assert item["intervals"] == {}


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv.gz", "a.parquet"])
def test_every_format_gives_the_same_fit(table: Path, call: Callable[..., Any], name: str) -> None:
    from dcpt.core.table_file import write_frame

    write_frame(name, points())
    one, other = (call("fit", path, *CHINCHILLA, *QUICK).document for path in ("points.csv", name))
    assert one["params"] == other["params"]


def test_rows_are_chosen_by_the_names_of_the_file(table: Path, call: Callable[..., Any]) -> None:
    wrong = points().assign(loss=9.0, name="broken")
    pd.concat([points(), wrong]).to_csv(table, index=False)
    words = ("--where", "name!=broken", "--where", "tokens<1e11")
    answer = call("fit", "points.csv", *CHINCHILLA, *words, *QUICK)
    document = answer.document
    assert document["params"] == pytest.approx(TRUTH, rel=1e-4)
    assert document["table"]["dropped"] == {"not name!=broken": 24, "not tokens<1e11": 4}
    assert "48 rows read, 20 kept" in answer.err


def test_constants_and_a_set_of_its_own_name(table: Path, call: Callable[..., Any]) -> None:
    frame = points().rename(columns={"params": "N", "tokens": "D", "loss": "value"})
    frame.assign(r=0.5).drop(columns="N").to_csv(table, index=False)
    words = ("fit", "points.csv", "--law", "chinchilla", *QUICK)
    twice = call(*words, "--set", "N=1.8B")
    assert twice.code == 3
    assert "row 2: stands twice" in twice.err
    assert "--run COLUMN" in twice.err
    refused = call(*words, "--set", "N=1.8B,eval_set=domain", "--where", "name=run1")
    assert refused.code == 4
    assert "domain has one model size only" in refused.err
    document = call(*words, "--map", "N=lr", "--scale", "N=1e9", "--eval-set", "domain").document
    assert (document["eval_set"], document["side"]) == ("domain", "domain")


def test_runs_are_what_the_bootstrap_resamples(table: Path, call: Callable[..., Any]) -> None:
    words = ("fit", "points.csv", *CHINCHILLA, *QUICK)
    assert call(*words).document["runs"] == 24
    assert call(*words, "--run", "name").document["runs"] == 4
    assert call(*words, "--map", "run=name").document["runs"] == 4


def test_a_folder_of_fits_knows_how_its_table_was_read(table: Path, call: Callable[..., Any]) -> None:
    """`predict` and `report` work on it as on our own."""
    words = (*CHINCHILLA, "--bootstrap", "8", "--no-holdouts", "--where", "tokens<1e11", "-o", "fits/a")
    assert call("fit", "points.csv", *words).code == 0
    from dcpt.cli.fit_folder import open_table

    assert len(open_table(Path("fits/a"), None)) == 20
    assert call("report", "fits/a").code == 0
    answer = call("predict", "fits/a", "--at", "N=3e8,D=2e9", "--at", "N=7B,D=1T", "--json")
    inside, beyond = answer.document["predictions"]
    wanted = points().set_index(["params", "tokens"]).loc[(3e8, 2e9), "loss"]
    assert inside["mean"] == pytest.approx(wanted, rel=1e-6)
    assert (inside["extrapolates"], beyond["extrapolates"]) == (False, True)
    for row in (inside, beyond):
        assert row["obs_lo"] <= row["mean_lo"] <= row["mean"] <= row["mean_hi"] <= row["obs_hi"]
    assert "refits to runs resampled" in answer.document["how"]["chinchilla on general"]


def bad(change: Callable[[pd.DataFrame], Any]) -> str:
    frame = points().astype(object)
    changed = change(frame)
    return (frame if changed is None else changed).to_csv(index=False)


def put(row: int, name: str, value: Any) -> Callable[[pd.DataFrame], None]:
    def change(frame: pd.DataFrame) -> None:
        frame.loc[row, name] = value

    return change


WRONG = [
    ("", 3, "No columns"),
    ("params,tokens,loss\n", 3, "the table is empty"),
    (bad(put(2, "loss", None)), 3, "row 3: value is empty (in 1 of 24 rows)"),
    (bad(put(2, "loss", "inf")), 3, "row 3"),
    (bad(put(2, "loss", 0)), 3, "not a positive loss"),
    (bad(put(2, "loss", -1)), 3, "not a positive loss"),
    (bad(put(2, "loss", 1e300)), 3, "wanted 1e-06 to 1e+06"),
    (bad(put(2, "params", "7b")), 3, "N = '7b' is not a number"),
    (bad(put(2, "params", "1,000")), 3, "no separator of thousands"),
    (bad(put(2, "params", "9" * 400)), 3, "not a finite number"),
    (bad(lambda frame: frame.head(3)), 4, "5 free parameters; general has 3 rows"),
    (bad(lambda frame: frame.assign(params=1e8)), 4, "one model size only"),
    (bad(lambda frame: frame.assign(params=frame["params"] / 1e9)), 0, "looks like billions"),
    (bad(lambda frame: pd.concat([frame, frame.head(3)])), 0, "3 dropped: repeats another row"),
]


@pytest.mark.parametrize(("text", "code", "part"), WRONG, ids=[part[:30] for _, _, part in WRONG])
def test_what_is_wrong_with_a_table_is_said(
    folder: Path, call: Callable[..., Any], text: str, code: int, part: str
) -> None:
    Path("a.csv").write_text(text)
    answer = call("fit", "a.csv", *CHINCHILLA, *QUICK)
    assert (answer.code, part in answer.err) == (code, True), answer.err
    assert bool(answer.out) == (code == 0)
    if code == 0:
        assert answer.document["rows"] == 24


MISTAKES = [
    (("--map", "los=loss"), "known are run_id"),
    (("--map", "params=N"), "a map reads SYMBOL=COLUMN: N=params"),
    (("--map", "loss=loss"), "did you mean 'value'?"),
    (("--map", "s=name"), "'s' follows from r"),
    (("--map", "U=lr"), "'U' is not a column of the loss table"),
    (("--map", "r=los"), "column 'los', mapped to r, is missing"),
    (("--set", "N=1B"), "N is given twice"),
    (("--where", "nme=a"), "did you mean 'name'?"),
    (("--where", "name=none"), "name is run1, run3"),
    (("--law", "d-cpt"), "map your ratio column: --map r=YOUR_COLUMN"),
    (("--law", "auto"), "name either it or some laws"),
    (("--protocol", "dcpt"), "wanted d-cpt"),
]


@pytest.mark.parametrize(("words", "part"), MISTAKES, ids=[" ".join(words) for words, _ in MISTAKES])
def test_mistakes(table: Path, call: Callable[..., Any], words: tuple[str, ...], part: str) -> None:
    answer = call("fit", "points.csv", *CHINCHILLA, *QUICK, *words)
    assert answer.code == (3 if "missing" in part or "none" in words[1] else 2)
    assert part in answer.err
    assert answer.out == ""


def test_mixtures_of_a_foreign_table(folder: Path, call: Callable[..., Any], synthetic: Any) -> None:
    """Percentages, a wide file, and a law's side that has to be said."""
    frame = synthetic.table().frame
    frame = frame[(frame["D"] > 0) & (frame["eval_set"] == "domain")]
    frame = frame.assign(pct=100 * frame["r"])[["N", "D", "pct", "value"]]
    frame.to_csv("mixed.csv", index=False)
    words = ("fit", "mixed.csv", "--law", "d-cpt", "--map", "r=pct", *QUICK)
    percent = call(*words)
    assert percent.code == 3
    assert "looks like a percentage; pass --scale r=0.01" in percent.err
    unsaid = call(*words, "--scale", "r=0.01")
    assert "There is no column eval_set" in unsaid.err
    assert unsaid.document["notes"]
    ours = call(*words, "--scale", "r=0.01", "--eval-set", "domain")
    assert ours.err == ""
    assert ours.document["mape"] < 0.5 * unsaid.document["mape"]


def test_a_column_map_says_all_of_it(table: Path, call: Callable[..., Any]) -> None:
    Path("map.yaml").write_text(
        "schema_version: 1\ncolumns: {N: params, D: tokens, value: loss}\nrun: name\n"
        "constants: {eval_set: domain}\nwhere: [tokens<1e11]\n"
    )
    document = call("fit", "points.csv", "--law", "chinchilla", "--columns", "map.yaml", *QUICK).document
    assert (document["rows"], document["runs"], document["eval_set"]) == (20, 4, "domain")
    assert call("ingest", "csv", "points.csv", "--columns", "map.yaml", "-o", "losses.csv").code == 0
    again = call("fit", "losses.csv", "--law", "chinchilla", *QUICK).document
    assert again["params"] == document["params"]
    assert again["runs"] == 4


def test_inputs_of_a_law_beside_the_symbols(losses: Path, call: Callable[..., Any]) -> None:
    """By --map, or by the very name of a column; asked for again where a point is predicted."""
    frame = pd.read_csv(losses).query("D > 0 and eval_set == 'domain'")
    frame.assign(unique=0.4 * frame["D"], U=7.0).to_csv("a.csv", index=False)
    frame.assign(U=0.4 * frame["D"]).to_csv("b.csv", index=False)
    words = ("--law", "chinchilla+repetition", "--eval-set", "domain", "--bootstrap", "0", "--no-holdouts")
    mapped = call("fit", "a.csv", *words, "--map", "U=unique", "-o", "fits/a", "--json")
    named = call("fit", "b.csv", *words, "--json")
    assert mapped.document["params"] == named.document["params"]
    missing = call("fit", "losses.csv", *words)
    assert missing.code == 2
    assert "--map U=YOUR_COLUMN" in missing.err
    assert call("ingest", "csv", "a.csv", "--extra", "U=unique", "-o", "c.csv").code == 0
    assert pd.read_csv("c.csv")["U"].tolist() == pytest.approx(0.4 * frame["D"].to_numpy())
    few, many = (
        call("predict", "fits/a", "--at", f"N=1M,D=2M,U={unique}", "--json").document["predictions"][0][
            "mean"
        ]
        for unique in ("200k", "2M")
    )
    assert few >= many
    asked = call("predict", "fits/a", "--at", "N=1M,D=2M")
    assert asked.code == 2
    assert "also needs U" in asked.err


def test_a_very_long_table_is_thinned_and_said(folder: Path, call: Callable[..., Any]) -> None:
    rng = np.random.default_rng(0)
    frame = points().loc[rng.integers(0, 24, 30_000)]
    frame.assign(tokens=frame["tokens"] * (1 + np.arange(30_000) * 1e-9)).to_parquet("a.parquet")
    answer = call("fit", "a.parquet", *CHINCHILLA, "--max-rows", "500", *QUICK)
    document = answer.document
    assert (document["rows"], document["table"]["rows_read"]) == (500, 30_000)
    assert document["params"] == pytest.approx(TRUTH, rel=0.02)
    assert "30000 rows with D > 0; 500 of them" in answer.err
    assert document["notes"]


def test_the_best_of_all_laws_and_the_protocol(
    losses: Path, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of three laws only: all of them take long."""
    from dcpt.fit import held_out
    from dcpt.laws.registry import get_law

    some = tuple(get_law(name) for name in ("chinchilla", "d-cpt", "kaplan"))
    monkeypatch.setattr(held_out, "list_laws", lambda: some)
    words = ("--eval-set", "domain", *QUICK)
    document = call("fit", "losses.csv", "--law", "auto", *words).document
    winner = document["tournament"]["rows"]
    ranked = [row["model"] for row in winner if row["kind"] == winner[-1]["kind"] and row["law"]]
    assert document["law"] == ranked[0]
    judged = call("fit", "losses.csv", "--law", "d-cpt", "--protocol", "d-cpt", *words).document
    assert judged["kind"] == "protocol"
    assert {row["part"] for row in judged["rows"]} >= {"effectiveness", "model size", "mixture ratio"}


def test_the_best_of_all_laws_sees_what_families_offer(
    folder: Path, call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A table with U and shares h1, h2 (one of them by another name): their laws are ranked too."""
    from dcpt.fit import held_out
    from dcpt.laws.registry import get_law

    monkeypatch.setattr(held_out, "list_laws", lambda: (get_law("chinchilla"),))
    rows = points(noise=0.002)
    share = np.tile([0.2, 0.5, 0.8], len(rows) // 3)
    loss = rows["loss"] + 0.1 / (share**0.5 + 0.5 * (1 - share) ** 0.5)
    rows.assign(loss=loss, h1=share, rest=1 - share, U=5e9).to_csv("mixed.csv", index=False)
    answer = call("fit", "mixed.csv", *MAP, "--map", "h2=rest", "--law", "auto", *QUICK)
    assert answer.code == 0, answer.err
    found = answer.document["tournament"]
    laws = {row["model"] for row in found["rows"] if row["law"]}
    assert {"chinchilla", "chinchilla+repetition", "additive-mixture-2"} <= laws
    assert "d-cpt+repetition on general" in found["refused"]  # the table has no r
    assert answer.document["law"] == "additive-mixture-2"


@pytest.mark.parametrize(
    ("words", "part"),
    [
        ((), "--at N=7B,D=20B,r=0.3"),
        (("--at", "N=1M,r=0.3"), "D is not given"),
        (("--at", "N=1M,D=2M"), "needs the domain share r"),
        (("--at", "N=1M,D=2M,r=0.3,L0=3"), "'L0' is not an input of law d-cpt"),
        (("--at", "N=1M,D=2M,r=30"), "wanted a domain share"),
        (("--at", "N=1M,D=2M,r=0.3", "--level", "90"), "level is 90"),
        (("--at", "N=1M,D=2M,r=0.3", "--law", "d-cptt"), "did you mean 'd-cpt'?"),
        (("--at", "N=1M,D=2M,r=0.3", "--eval-set", "med"), "nothing is fitted on 'med'"),
    ],
)
def test_mistakes_of_predict(fits: Path, call: Callable[..., Any], words: tuple[str, ...], part: str) -> None:
    answer = call("predict", "fits/mine", *words)
    assert (answer.code, answer.out) == (2, "")
    assert part in answer.err


def test_predictions_of_both_sides(fits: Path, call: Callable[..., Any], synthetic: Any) -> None:
    answer = call("predict", "fits/mine", "--at", "N=1M,D=2M,r=0.3", "--json", "--strict")
    rows = {row["eval_set"]: row for row in answer.document["predictions"]}
    assert set(rows) == {"general", "domain"}
    for side, row in rows.items():
        known = synthetic.fit_of(side).predict(1e6, 2e6, 0.3).iloc[0]
        assert {name: row[name] for name in ("mean", "obs_lo", "obs_hi")} == pytest.approx(
            {name: known[name] for name in ("mean", "obs_lo", "obs_hi")}
        )
    assert answer.code == (5 if any(row["extrapolates"] for row in rows.values()) else 0)
    text = call("predict", "fits/mine", "--at", "N=1M,D=2M,r=0.3", "--law", "d-cpt").out
    assert text.splitlines()[0].split()[:5] == ["law", "eval_set", "N", "D", "r"]


def test_a_real_table(shared: Path, folder: Path, call: Callable[..., Any]) -> None:
    """104 models of Gadre et al. 2024 (arXiv:2403.08540): a law in N and D explains the losses of a set."""
    path = shared / "losses" / "overtrain_scaling" / "models_losses.csv"
    words = ("--map", "N=params_no_embed,D=tokens,value=loss", "--run", "name")
    chosen = ("--where", "eval=shard_00000000.tar']", "--where", "dataset=c4_original")
    document = call("fit", str(path), "--law", "chinchilla", *words, *chosen, *QUICK).document
    assert document["rows"] == document["runs"] > 20
    assert document["r2"] > 0.95


def test_bases_may_leave_the_ratio_empty_and_a_law_that_gives_way_is_named(
    folder: Path, call: Callable[..., Any]
) -> None:
    """Where the mixture changes nothing the law without it errs least; who asks for ratios is told."""
    frame = pd.concat([points(seed, 0.01).assign(mix=mix) for seed, mix in enumerate((0.2, 0.5, 0.8))])
    bases = points().drop_duplicates("params").assign(tokens=0, loss=4.0, mix=np.nan)
    pd.concat([bases, frame]).to_csv("a.csv", index=False)
    laws = ("--map", "r=mix", "--law", "d-cpt", "--law", "chinchilla", "--bootstrap", "0")
    answer = call("fit", "a.csv", *MAP, *laws, "-o", "fits/a")
    assert answer.code == 0, answer.err
    said = "note: d-cpt is taken for general: of the laws that may be taken it has the least error"
    assert said in answer.err
    assert "Less error has chinchilla (" in answer.err
    assert "but it does not see the mixture" in answer.err
    predicted = call("predict", "fits/a", "--at", "N=1B,D=2B,r=0.5", "--json").document
    assert predicted["predictions"][0]["law"] == "d-cpt"
    assert predicted["chosen"]["general"] in answer.err
    frame.assign(mix=frame["mix"].where(frame["mix"] > 0.2)).to_csv("a.csv", index=False)
    refused = call("fit", "a.csv", *MAP, *laws)
    assert refused.code == 3
    assert "fill in the domain share" in refused.err
    assert "--where 'mix!='" in refused.err
