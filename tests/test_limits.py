"""Limits of numbers: their words, their edges, and values that are no numbers."""

import math

import numpy as np
import pytest

from keras_centernet import UserError
from keras_centernet.limits import COUNT, SHARE, Limits, check_side


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ({}, "a finite number"),
        ({"whole": True}, "a whole number"),
        ({"above": 0}, "a finite number above 0"),
        ({"at_least": 2}, "a finite number of at least 2"),
        ({"at_most": 5}, "a number of at most 5"),
        ({"below": 5}, "a number below 5"),
        ({"above": 0, "below": 1}, "a number above 0 and below 1"),
        ({"above": 0, "at_most": 1}, "a number above 0 and at most 1"),
        ({"at_least": -1, "below": 1}, "a number of at least -1 and below 1"),
        ({"at_least": 0, "at_most": 1}, "a number of at least 0 and at most 1"),
        ({"whole": True, "at_least": 1}, "a whole number of at least 1"),
        ({"whole": True, "above": 1, "at_most": 9}, "a whole number above 1 and at most 9"),
    ],
)
def test_limits_are_described_in_words(limits, words):
    assert str(Limits(**limits)) == words


@pytest.mark.parametrize(
    ("limits", "inside", "outside"),
    [
        (Limits(above=0, below=1), [0.5, 1e-300], [0, 1, -0.0]),
        (Limits(at_least=0, at_most=1), [0, 1, 0.5], [-1e-300, 1.0000001]),
        (COUNT, [1, 2**31 - 1, np.int64(7)], [0, -1, 2**31, 10**400]),
        (Limits(), [-1e300, 10**300], []),
    ],
)
def test_edges(limits, inside, outside):
    for value in inside:
        assert limits.check("x", value) == value
    for value in outside:
        with pytest.raises(UserError, match=r"^x: expected a .*number.*, got "):
            limits.check("x", value)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, None, True, "1", [1], 1j, np.float32("nan")])
@pytest.mark.parametrize("limits", [COUNT, SHARE, Limits()], ids=str)
def test_values_that_are_no_numbers_are_refused(limits, value):
    with pytest.raises(UserError, match="x: expected a"):
        limits.check("x", value)


def test_a_fraction_is_no_whole_number():
    for value in (1.5, 1.0, np.float32(1)):
        with pytest.raises(UserError, match="x: expected a whole number of at least 1, got"):
            COUNT.check("x", value)


def test_numbers_become_plain_python_numbers():
    """JSON needs plain Python numbers."""
    assert type(COUNT.check("x", np.int32(3))) is int
    assert type(SHARE.check("x", np.float32(0.5))) is float


def test_whole_numbers_end_at_int32_unless_a_limit_is_given():
    with pytest.raises(
        UserError, match="x: expected a whole number of at least 1 and at most 2147483647, got 30000000"
    ):
        COUNT.check("x", 3_000_000_000)
    assert Limits(whole=True, at_most=10**12).check("x", 3_000_000_000) == 3_000_000_000


def test_a_number_of_more_digits_than_python_prints():
    with pytest.raises(UserError, match="got a number of thousands of digits"):
        COUNT.check("x", 10**5000)


@pytest.mark.parametrize(
    ("value", "sides"), [(64, (64, 64)), ((64, 96), (64, 96)), ([32, 64], (32, 64)), (np.int64(64), (64, 64))]
)
def test_sides(value, sides):
    assert check_side("x", value, 32) == sides


@pytest.mark.parametrize(
    "value", [0, -32, 100, 64.0, "64", None, True, math.nan, 32_000_000, (64,), (64, 64, 64), (64, 0)]
)
def test_invalid_sides_are_refused(value):
    with pytest.raises(UserError, match=r"x: expected a positive multiple of 32 or a .height, width. pair of them"):
        check_side("x", value, 32)


def test_the_nearest_sides_are_named():
    with pytest.raises(UserError, match=r"got \(320, 100\); try \(320, 96\)\."):
        check_side("x", (320, 100), 32)
