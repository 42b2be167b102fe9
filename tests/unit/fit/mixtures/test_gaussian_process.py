"""The process against scikit-learn's, against refits, and its drawn functions against its own moments."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import approx_fprime

from dcpt.fit.mixtures.gaussian_process import GaussianProcess
from dcpt.fit.mixtures.marginal_likelihood import CONSTANT, JITTER, Hyper, MarginalLikelihood

THETA = np.log([0.6, 1.4, 0.9, 0.8, 0.05, 0.3])


@pytest.fixture(scope="module")
def data():
    generator = np.random.default_rng(1)
    inputs = generator.uniform(size=(30, 3))
    outputs = np.sin(3 * inputs[:, 0]) + inputs[:, 1] + 0.2 * generator.standard_normal(30)
    return inputs, (outputs - outputs.mean()) / outputs.std()


def test_marginal_likelihood_and_posterior_are_those_of_scikit_learn(data):
    process = pytest.importorskip("sklearn.gaussian_process")
    kernels = process.kernels
    inputs, outputs = data
    hyper = Hyper.from_logs(THETA)
    kernel = (
        kernels.ConstantKernel(hyper.smooth) * kernels.Matern(hyper.lengths, nu=2.5)
        + kernels.ConstantKernel(hyper.linear) * kernels.DotProduct(sigma_0=0.0)
        + kernels.ConstantKernel(CONSTANT)
        + kernels.WhiteKernel(hyper.noise)
    )
    theirs = process.GaussianProcessRegressor(kernel, alpha=JITTER, optimizer=None).fit(inputs, outputs)
    ours = MarginalLikelihood(inputs, outputs)
    # The difference of two points: ours holds a prior and leaves out a constant.
    other = THETA + 0.1
    off = (np.stack([THETA, other]) - ours._mean) / ours._sd
    prior = 0.5 * (off**2).sum(axis=1)
    values = [ours(theta)[0] - prior[number] for number, theta in enumerate((THETA, other))]
    constant = 0.5 * len(outputs) * np.log(2 * np.pi)
    assert -values[0] - constant == pytest.approx(theirs.log_marginal_likelihood_value_, abs=1e-8)
    queries = np.random.default_rng(2).uniform(size=(7, 3))
    mean, sd = theirs.predict(queries, return_std=True)
    mine, variance = GaussianProcess(hyper, inputs, outputs).mean_and_variance(queries)
    assert mine == pytest.approx(mean, abs=1e-8)
    assert np.sqrt(variance + hyper.noise) == pytest.approx(sd, abs=1e-8)
    assert values[1] != pytest.approx(values[0])


def test_derivatives_of_the_likelihood(data):
    likelihood = MarginalLikelihood(*data, repeats=(0.04, 3))
    numeric = approx_fprime(THETA, lambda theta: likelihood(theta)[0], 1e-6)
    assert likelihood(THETA)[1] == pytest.approx(numeric, abs=1e-4)


def test_leaving_folds_out_is_refitting_without_them(data):
    inputs, outputs = data
    hyper = Hyper.from_logs(THETA)
    folds = np.arange(len(outputs)) % 4
    folds[5] = -1
    mean, variance = GaussianProcess(hyper, inputs, outputs).leave_folds_out(folds)
    assert np.isnan(mean[5])
    assert np.isnan(mean).sum() == 1
    out = folds == 2
    left = GaussianProcess(hyper, inputs[~out], outputs[~out])
    expected, spread = left.mean_and_variance(inputs[out])
    assert mean[out] == pytest.approx(expected, abs=1e-9)
    assert variance[out] == pytest.approx(spread + hyper.noise + JITTER, abs=1e-9)


def test_drawn_functions_have_the_posterior_moments_and_are_functions(data):
    process = GaussianProcess(Hyper.from_logs(THETA), *data)
    queries = np.random.default_rng(3).uniform(size=(6, 3))
    drawn = process.functions(queries, 4000, seed=4)
    mean, variance = process.mean_and_variance(queries)
    assert drawn.mean(axis=0) == pytest.approx(mean, abs=0.02)
    assert drawn.std(axis=0) == pytest.approx(np.sqrt(variance), rel=0.06)
    alone = process.functions(queries[[2]], 4000, seed=4)
    assert alone[:, 0] == pytest.approx(drawn[:, 2], abs=1e-10)
