"""Splits, draws and the choice of C: held-out pictures are never in a draw, and draws are deterministic."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline.core.errors import BadParameters
from pipeline.evaluate.linear_probe import protocol
from tests.evaluate.linear_probe.conftest import VALUES


@given(count=st.integers(60, 300), held_out=st.integers(1, 30), per_class=st.integers(1, 6), seed=st.integers(0, 99))
def test_draws_are_balanced_and_without_held_out_pictures(count, held_out, per_class, seed):
    """The same number of each class, none twice, none held out; a draw is determined by its number."""
    labels = np.arange(count) % 3
    parameters = protocol.LinearProbeConfig(**VALUES | {"held_out": held_out, "per_class": per_class})
    parts = protocol.split(labels, parameters, seed, "x")
    assert sorted(parts.rows) == list(range(count)) and parts.free == count - held_out
    np.testing.assert_array_equal(parts.labels, labels[parts.rows])
    first = protocol.draw(parts, per_class, "abc", seed, "x", 0)
    assert len(set(first)) == len(first) and first.max() < parts.free
    assert np.bincount(parts.labels[first]).tolist() == [per_class] * 3
    np.testing.assert_array_equal(first, protocol.draw(parts, per_class, "abc", seed, "x", 0))
    assert not np.array_equal(np.sort(first), np.sort(protocol.draw(parts, per_class, "abc", seed, "x", 1))) or (
        per_class * 3 > parts.free - 6 or per_class == 1
    )


def test_too_few_pictures_are_an_error():
    """Too few of one class, or too few in total."""
    labels = np.array([0] * 50 + [1] * 5)
    parameters = protocol.LinearProbeConfig(**VALUES | {"held_out": 10, "per_class": 20})
    parts = protocol.split(labels, parameters, 1, "x")
    with pytest.raises(BadParameters, match=r"per_class: 20, but class rare has \d training pictures left"):
        protocol.draw(parts, 20, ["common", "rare"], 1, "x", 0)
    with pytest.raises(BadParameters, match="held_out: 55 of 55"):
        protocol.split(labels, protocol.LinearProbeConfig(**VALUES | {"held_out": 55}), 1, "x")


@pytest.mark.parametrize("change", [{"grid": [0.1, 0.1]}, {"grid": [0.0, 1.0]}, {"folds": 1}, {"draws": 1}])
def test_wrong_parameters_are_refused(change):
    """The grid must rise, and cross-validation needs two folds."""
    with pytest.raises(ValidationError):
        protocol.LinearProbeConfig(**VALUES | change)


@pytest.mark.parametrize(
    ("best", "grid", "expected", "at_end"),
    [
        (1e-2, [1e-3, 1e-2, 1e-1], [1e-3, 1e-2, 1e-1], False),
        (1e1, [1e-3, 1e-2, 1e-1], [1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0], False),
        (1e-5, [1e-3, 1e-2], [1e-6, 1e-5, 1e-4, 1e-3, 1e-2], False),
        (1e9, [1e-3, 1e-2], [1e-3, 1e-2, 1e-1, 1.0, 10.0, 100.0], True),
        (1e-3, [1e-3, 2e-3, 4e-3], [5e-4, 1e-3, 2e-3, 4e-3], False),
    ],
)
def test_the_grid_is_extended_at_the_best_end(best, grid, expected, at_end):
    """By the ratio of the last two values, at most `extensions` times; `at_end` tells if that was too few."""
    parameters = protocol.LinearProbeConfig(**VALUES | {"grid": grid, "extensions": 4})
    c, curve, end = protocol.choose_c(lambda c, start: (-abs(np.log(c / best)), []), parameters)
    assert [value for value, _ in curve] == pytest.approx(expected)
    assert end == at_end and c == pytest.approx(min(expected, key=lambda value: abs(np.log(value / best))))


def test_the_smallest_of_equals_is_chosen():
    """Of equal scores, the stronger regularisation is chosen."""
    parameters = protocol.LinearProbeConfig(**VALUES | {"grid": [1e-3, 1e-2, 1e-1, 1.0]})
    c, _, _ = protocol.choose_c(lambda c, start: (float(1e-3 < c < 1), []), parameters)
    assert c == 1e-2


def test_spread_and_interval():
    """1.96 standard deviations, and Student's interval of the mean, computed by hand for three values."""
    found = protocol.over_draws([0.5, 0.6, 0.7])
    assert found["mean"] == pytest.approx(0.6) and found["spread"] == pytest.approx(0.196)
    half = 4.302652729911275 * 0.1 / 3**0.5
    assert (found["mean_low"], found["mean_high"]) == (pytest.approx(0.6 - half), pytest.approx(0.6 + half))
