"""Every law there is passes the conformance class, and is found again in noisy losses."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from dcpt.core.loss_table import LossTable
from dcpt.fit import fit_law
from dcpt.laws import get_law, list_laws
from dcpt.laws.conformance import LawConformance
from dcpt.laws.dcpt_constrained import mixture_floor


def with_floor(test, seed, floor):
    """Parameters of `test` with C just above `floor` of them, where the loss falls with the share."""
    theta = dict(zip(test.law.names, test.draw(seed), strict=True))
    if "nu" in theta:
        theta["nu"] += 1.0
    theta["C"] = 1.001 * floor(theta, test.inputs()["D"].min())
    return np.array([theta[name] for name in test.law.names])


class DCPTLike(LawConformance):
    def monotone_draw(self, seed):
        # Que et al. 2024, Sec. 4.1: nu > 1 and C > C0 make the loss fall in s for D >= D_min.
        return with_floor(self, seed, mixture_floor)


class TestChinchilla(LawConformance):
    law = get_law("chinchilla")


class TestKaplan(LawConformance):
    law = get_law("kaplan")


class TestDCPT(DCPTLike):
    law = get_law("d-cpt")


class TestL1(LawConformance):
    law = get_law("d-cpt-l1")


class TestL2(LawConformance):
    law = get_law("d-cpt-l2")


class TestL4(LawConformance):
    law = get_law("d-cpt-l4")
    parameter_ranges = {"b": (0.3, 0.9), "c": (1.5, 5.0)}  # noqa: RUF012


class TestL5(LawConformance):
    law = get_law("d-cpt-l5")
    parameter_ranges = {"sigma": (0.01, 0.05)}  # noqa: RUF012 (below the least D: the loss falls with s)


class TestL6(LawConformance):
    law = get_law("d-cpt-l6")

    def monotone_draw(self, seed):
        def floor(p, D):
            return p["B"] * np.e * D ** -p["beta"] * (1 + p["eps"]) ** (p["gamma"] + 1) / p["gamma"]

        return with_floor(self, seed, floor)


class TestL7(LawConformance):
    law = get_law("d-cpt-l7")

    def monotone_draw(self, seed):
        def floor(p, D):
            power = (1 + p["eps"]) ** (p["nu"] + p["gamma"])
            return p["B"] * p["nu"] * D ** -p["beta"] * power / p["gamma"]

        return with_floor(self, seed, floor)


class TestConstrained(LawConformance):
    law = get_law("d-cpt-constrained")
    parameter_ranges = {"nu": (1.0, 2.0)}  # noqa: RUF012


DOMAINS = {"k1": (1.0, 4.0), "k2": (0.1, 1.0), "k3": (0.05, 0.5)}


class TestCrossK1(DCPTLike):
    law = get_law("cross-d-cpt-k1")
    input_ranges = DOMAINS


class TestCrossK2(DCPTLike):
    law = get_law("cross-d-cpt-k2")
    input_ranges = DOMAINS


class TestCrossK3(DCPTLike):
    law = get_law("cross-d-cpt-k3")
    input_ranges = DOMAINS


class TestCrossK4(DCPTLike):
    law = get_law("cross-d-cpt-k4")
    input_ranges = DOMAINS


class TestCMRRatioRising(LawConformance):
    law = get_law("cmr-ratio")
    parameter_ranges = {"a": (-2.0, -0.2), "k": (0.1, 0.8)}  # noqa: RUF012


class TestCMRRatioOtherBranch(LawConformance):
    law = get_law("cmr-ratio")
    parameter_ranges = {"a": (0.2, 2.0), "k": (-0.8, -0.1)}  # noqa: RUF012


class TestCMRDomainTokens(LawConformance):
    law = get_law("cmr-domain-tokens")
    parameter_ranges = {"b": (-1.0, 1.0), "a": (-2.0, -0.2), "k": (0.1, 0.8)}  # noqa: RUF012


class TestCMRGeneralTokens(LawConformance):
    law = get_law("cmr-general-tokens")
    parameter_ranges = {"b": (-1.0, 1.0), "c": (-2.0, -0.2), "k": (-0.5, -0.1)}  # noqa: RUF012


class TestCrossLingual(LawConformance):
    law = get_law("cross-lingual")


class TestDataConstrained(LawConformance):
    law = get_law("data-constrained")
    # Far beyond the useful size or many epochs the loss is flat to the last digit.
    input_ranges = dict.fromkeys(("N", "D", "U"), (0.3, 3.0))
    parameter_ranges = {  # noqa: RUF012
        **dict.fromkeys(("alpha", "beta"), (0.35, 0.5)),
        "g": (-0.3, 0.8),
        **dict.fromkeys(("R_D", "R_N"), (5.0, 20.0)),
    }


class TestRepetition(DCPTLike):
    law = get_law("d-cpt+repetition")
    parameter_ranges = {"R_D": (2.0, 20.0)}  # noqa: RUF012

    def monotone_draw(self, seed):
        # D' never exceeds D, and at U = 0.1, R_D = 2 it is at most 0.3: the floor holds for all D' >= 0.1.
        return with_floor(self, seed, mixture_floor)


class TestRepetitionFixed(LawConformance):
    law = get_law("chinchilla+repetition=15.387756")


class TestInjectionForgetting(LawConformance):
    law = get_law("injection-forgetting")
    parameter_ranges = {"kappa": (1.0, 100.0)}  # noqa: RUF012


class TestInjectionFinetuning(LawConformance):
    law = get_law("injection-finetuning")


class TestAdditiveMixture(LawConformance):
    law = get_law("additive-mixture-3")
    parameter_ranges = {"w2": (-1.0, 1.0), "w3": (-1.0, 1.0)}  # noqa: RUF012

    def on_simplex(self, size, tokens, shares):
        rows = [(n, d, *h) for n in size for d in tokens for h in shares]
        return dict(zip(self.law.inputs, np.array(rows).T, strict=True))

    def inputs(self, points=5):
        axis = np.geomspace(0.1, 10.0, points)
        return self.on_simplex(axis, axis, np.random.default_rng(0).dirichlet(np.ones(3), 2 * points))

    def edges(self):
        axis = np.array([1e-7, 1.0, 1e7])
        return self.on_simplex(axis, axis, [*np.eye(3), [0.5, 0.5, 0.0]])


class TestAverageSize(LawConformance):
    law = get_law("average-size")


class TestSizeAsymptote(LawConformance):
    law = get_law("size-asymptote")


class TestEnsembleAsymptote(LawConformance):
    law = get_law("ensemble-asymptote")
    input_ranges = {"K": (1.0, 16.0)}  # noqa: RUF012


class TestDataAsymptote(LawConformance):
    law = get_law("data-asymptote")


class TestFlopsPerToken(LawConformance):
    law = get_law("flops-per-token")


class TestReplayPower(LawConformance):
    law = get_law("replay-power")


class TestReplayLog(LawConformance):
    law = get_law("replay-log")


class TestReplayShift(LawConformance):
    law = get_law("replay-shift")


class TestReplaySaturating(LawConformance):
    law = get_law("replay-saturating")


class TestReplayGrowing(LawConformance):
    law = get_law("replay-growing")


class TestReplayDomain(LawConformance):
    law = get_law("replay-domain")


class TestPerplexityAware(LawConformance):
    law = get_law("perplexity-aware")
    input_ranges = {"mu": (2.0, 30.0), "sigma": (1.0, 20.0)}  # noqa: RUF012
    parameter_ranges = {"a1": (-0.02, 0.02), "b1": (-0.02, 0.02)}  # noqa: RUF012


class TestRepeatedTarget(LawConformance):
    law = get_law("repeated-target")
    parameter_ranges = {"R": (1.0, 20.0)}  # noqa: RUF012


CASES = [case for case in list(globals().values()) if isinstance(case, type) and hasattr(case, "law")]

# A law whose defaults suit needs no class of its own above: it is tested by being there.
for _law in list_laws():
    if type(_law).__module__.startswith("dcpt.") and _law.name not in {case.law.name for case in CASES}:
        _name = f"Test{type(_law).__name__}AsItIs"
        globals()[_name] = type(_name, (LawConformance,), {"law": _law, "__module__": __name__})


@pytest.fixture(scope="module")
def design():
    """Runs of four sizes, four budgets and five ratios, with every column a law may ask for."""
    rows = itertools.product((1e6, 3e6, 9e6, 27e6), (1e6, 4e6, 16e6, 64e6), (0.1, 0.25, 0.5, 0.75, 0.9))
    frame = pd.DataFrame(rows, columns=["N", "D", "r"])
    rng = np.random.default_rng(0)
    frame["L0"] = 5 + 3 * (frame["N"] / 1e6) ** -0.2  # high: anchored laws may draw large falls
    frame["G0"] = 1 + 2 * (frame["N"] / 1e6) ** -0.3
    frame["U"] = frame["D"] * rng.choice([0.05, 0.2, 0.5, 1.0], len(frame))
    frame["Ud"] = 1e6 * rng.choice([0.3, 1.0, 3.0, 10.0], len(frame))
    frame["Nbar"] = frame["N"] * rng.choice([0.3, 0.5, 0.8, 1.0], len(frame))
    frame["K"] = rng.choice([1.0, 2.0, 4.0, 8.0], len(frame))
    frame[["h1", "h2", "h3"]] = rng.dirichlet(np.ones(3), len(frame))
    for name, (lo, hi) in (*DOMAINS.items(), ("mu", (2.0, 30.0)), ("sigma", (1.0, 20.0))):
        frame[name] = rng.choice(np.linspace(lo, hi, 6), len(frame))
    return frame


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.__name__)
def test_a_fit_finds_the_law_in_noisy_losses(case, design):
    law, side = case.law, case.law.sides[-1]
    raw = {**design, "s": design["r"] if side == "domain" else 1 - design["r"], "Dmin": design["D"].min()}
    units = {name: 1e6 if law.symbols[name].unit in ("parameters", "tokens") else 1.0 for name in law.inputs}
    inputs = {name: np.asarray(raw[name]) / units[name] for name in law.inputs}
    theta = case().draw(3)
    level = next((law.names.index(name) for name in ("E", "b") if name in law.names), None)
    if level is not None:  # signed laws may draw losses below 0
        theta[level] += max(0.0, 1.0 - law.evaluate(theta, inputs).min())
    loss = law.evaluate(theta, inputs)
    noise = 0.002
    noisy = design.assign(
        eval_set=side, value=loss * np.exp(noise * np.random.default_rng(1).normal(size=80))
    )
    extras = [name for name in law.inputs if name not in ("N", "D", "r", "s", "Dmin")]
    fit = fit_law(law, LossTable.from_frame(noisy, extras=extras), side, bootstrap=0, holdouts=False)
    assert fit.status in ("converged", "bound_hit")
    found = fit.mean(design["N"], design["D"], design["r"], {name: design[name] for name in extras})
    # p parameters fitted to n rows leave a miss of sqrt(p/n) of the noise.
    expected = noise * np.sqrt(len(law.names) / len(design))
    assert np.sqrt(np.mean(np.log(found / loss) ** 2)) < 2 * expected
