from __future__ import annotations

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pandas as pd
import pytest

from dcpt.core.loss_table import LossTable
from dcpt.core.quantity import format_quantity
from dcpt.fit.fit_file import FitSet
from dcpt.launch.compare import compare
from dcpt.plan.make_plan import make_plan
from dcpt.plan.objective import Objective
from dcpt.report import figures
from dcpt.report.html import make_report
from dcpt.report.table import loss, number, percent, power

VOID = {"meta", "img", "source", "input", "br", "link"}


class Page(HTMLParser):
    """Reads a page: tags in balance, addresses it would load, and its text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.tags: list[str] = []
        self.words: list[str] = []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.addresses += [value for name, value in attrs if name in ("src", "href", "srcset")]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if not {"style", "script"} & set(self.open):
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


HOSTILE = "<script>alert('x')</script>&\""


@pytest.fixture(scope="module")
def material(synthetic: ModuleType):
    fits = synthetic.fits()
    objective = Objective.of({"N": 1.2e6, "D": 1.3e6, "keep": "general <= -1%", "general_now": 3.3})
    plan = make_plan(fits, objective)
    rows = [
        {"run_id": HOSTILE, "N": 1.2e6, "D": 1.3e6, "r": r, "eval_set": side,
         "value": float(fits.best(side).mean(1.2e6, 1.3e6, r)[0])}
        for side in ("general", "domain") for r in (0.3, 0.7)
    ]  # fmt: skip
    frame = pd.DataFrame(rows).assign(run_id=lambda f: f["run_id"] + f["r"].astype(str))
    return fits, plan, compare(plan, LossTable.from_frame(frame), fits)


@pytest.fixture(scope="module")
def folder(synthetic: ModuleType, material, tmp_path_factory) -> Path:
    fits, plan, comparison = material
    folder = tmp_path_factory.mktemp("report") / "a <b> folder"
    extra = {"leakage": [{"set": HOSTILE, "shared": 3}], "Note": HOSTILE, "Machines": {"cpu": "<b>2</b>"}}
    make_report(folder, synthetic.table(), fits, plan, comparison, extra)
    return folder


@pytest.fixture(scope="module")
def page(folder) -> Page:
    return Page((folder / "report.html").read_text(encoding="utf-8"))


def test_the_page_needs_no_network(folder, page) -> None:
    assert page.addresses
    assert all(address.startswith("data:") for address in page.addresses)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "@import" not in text
    assert "url(" not in text


def test_hostile_text_is_escaped_everywhere(folder) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "a <b> folder" not in text
    assert "<b>2</b>" not in text
    assert text.count("&lt;script&gt;") >= 6  # run ids, leakage, note


def test_the_verdict_comes_first_and_the_answer_next(page, material) -> None:
    _, plan, _ = material
    text, place = page.text, 0
    for piece in (
        "1.2M parameters", plan.verdict_line.partition(":")[0], f"{100 * plan.r:.1f}", "Why this ratio",
        "What speaks against it", "Predicted and measured", "Tested on what was left out",
        "d-cpt on the general loss", "Data", "How this was made",
    ):  # fmt: skip
        place = text.index(piece, place)
    for caveat in plan.caveats:
        assert caveat.message in text


def test_every_parameter_and_every_measurement_is_shown(page, material) -> None:
    fits, plan, comparison = material
    for fit in fits:
        for name, value in fit.values.items():
            assert f"{name} {value:.4g}" in page.text
    for row in comparison.rows:
        assert f"{row.measured:.4f}" in page.text
    assert plan.fits_fingerprint in page.text


def test_figures_are_written_and_inlined_in_two_themes(folder, page) -> None:
    pictures = sorted(path.name for path in (folder / "figures").iterdir())
    assert {"plan-general.png", "plan-domain.png", "trade-off.png", "compare.png"} <= set(pictures)
    assert page.tags.count("img") == page.tags.count("source") == len(pictures)
    for path in (folder / "figures").iterdir():
        assert path.read_bytes().startswith(b"\x89PNG")
    drawings = {a for a in page.addresses if a.startswith("data:image/svg+xml")}
    assert len(drawings) == 2 * len(pictures)
    svg = base64.b64decode(next(iter(drawings)).partition(",")[2]).decode()
    assert "<svg" in svg
    assert "<script" not in svg


def test_the_same_input_gives_the_same_page(synthetic, material, folder, tmp_path) -> None:
    fits, plan, _ = material
    first = make_report(tmp_path / "x", synthetic.table(), fits, plan).read_bytes()
    assert make_report(tmp_path / "x", synthetic.table(), fits, plan).read_bytes() == first


def test_fits_alone_make_a_page(synthetic, tmp_path) -> None:
    blind = {"E": 1.0, "A": 1.0, "B": 0.5, "alpha": 0.1, "beta": 0.3}
    fits = FitSet(
        (synthetic.fit_of("general", draws=0), synthetic.fit_of("domain", blind, law="chinchilla")), {}
    )
    page = Page(make_report(tmp_path, synthetic.table(), fits).read_text(encoding="utf-8"))
    assert "chinchilla on the domain loss" in page.text
    assert "Why this ratio" not in page.text
    assert page.tags.count("script") == 0


def test_a_page_in_bits_per_byte_never_says_nats(synthetic, tmp_path) -> None:
    fits = FitSet([synthetic.fit_of(side, metric="bpb", scale=0.4) for side in ("general", "domain")])
    fields = {"N": 1.2e6, "D": 1.3e6, "keep": "general <= -1%", "general_now": 1.32}
    plan = make_plan(fits, Objective.of(fields))
    frame = synthetic.table().frame
    table = LossTable.from_frame(frame.assign(metric="bpb", unit="bits_per_byte", value=0.4 * frame["value"]))
    text = Page(make_report(tmp_path, table, fits, plan).read_text(encoding="utf-8")).text
    assert "nats" not in text
    assert "General loss, bits per byte" in text
    assert f"The ceiling is {plan.ceiling:.4f} bits per byte" in text


def test_numbers_are_spelled_for_people() -> None:
    assert (loss(2.94584), loss(-0.012, signed=True), loss(None)) == ("2.9458", "−0.0120", "–")
    assert (number(0.000123456), percent(0.345, 1), power(8.4e20)) == ("0.0001235", "34.5 %", "8.4 × 10²⁰")


def test_the_slider_holds_the_whole_curve(folder, material) -> None:
    text = (folder / "report.html").read_text(encoding="utf-8")
    data = re.search(r'<script type="application/json" id="curve">(.*?)</script>', text)
    assert data is not None
    assert data.group(1).count("[") == 1 + len(material[1].curve)


def test_the_page_shows_sizes_front_hours_and_money(
    synthetic: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the plan's file holds of them, as tables with their data to save."""
    picture = figures.Figure("data:,", "data:,", "")
    monkeypatch.setattr(figures, "render", lambda *given, **look: picture)
    fits = synthetic.fits(draws=40)
    asked = {
        "sizes": ["0.1M", "0.3M", "0.6M"],
        "keep": "general <= 3.42",
        "budget": {"money": 0.1, "price": 2.5, "hardware": "cpu-core"},
    }
    plan = make_plan(fits, Objective.of(asked))
    page = Page(make_report(tmp_path, synthetic.table(), fits, plan).read_text())
    low, high = plan.cost["hours_low"], plan.cost["hours_high"]
    assert f"0.04 cpu-core hours ({low:.3g} to {high:.3g})" in page.text
    assert "0.1 in money" in page.text
    assert f"{plan.r_cautious * 100:.1f} % domain on {format_quantity(plan.D_cautious)} tokens" in page.text
    saved = {
        name: pd.read_csv(io.BytesIO(base64.b64decode(uri.partition("base64,")[2])))
        for name, uri in re.findall(
            r'download="([\w.-]+)" href="([^"]+)"', (tmp_path / "report.html").read_text()
        )
    }
    pd.testing.assert_frame_equal(
        saved["sizes.csv"].astype(float), plan.by_size.reset_index(drop=True).astype(float), rtol=1e-7
    )
    pd.testing.assert_frame_equal(saved["front.csv"], plan.front.reset_index(drop=True), rtol=1e-7)
    for row in plan.by_size.to_dict("records"):
        best = f"{format_quantity(row['D'])} {row['r']:.3f} {row['value']:.4f}"
        none = "– – – – – no run keeps the limits"
        assert f"{format_quantity(row['N'])} {best if row['feasible'] else none}" in page.text
    assert "Pareto front, nats per token; the row nearest to r* is bold" in page.text


def test_the_band_of_the_front_is_drawn_where_most_draws_reach_it(material) -> None:
    from dcpt.plots.trade_off import trade_off

    _, plan, _ = material
    band = plan.front[plan.front["reached"] >= 0.95]
    assert 0 < len(band) < len(plan.front)
    (filled,) = trade_off(plan.curve, r=plan.r, band=band).collections[:1]
    ends = filled.get_datalim(filled.axes.transData)
    assert (ends.x0, ends.x1) == pytest.approx((band["general_lo"].min(), band["general_hi"].max()))
    assert (ends.y0, ends.y1) == pytest.approx((band["domain"].min(), band["domain"].max()))
