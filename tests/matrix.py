"""Owns which cases of a matrix are in the default run: the first ones. The others are slow."""

import pytest
from _pytest.mark import ParameterSet


def matrix(cases, default=1):
    """The `cases` of a `parametrize`, with the marker `slow` on all but the first `default` ones.

    A tuple is several arguments.
    """
    cases = list(cases)
    return cases[:default] + [_slow(case) for case in cases[default:]]


def _slow(case):
    if isinstance(case, ParameterSet):
        return pytest.param(*case.values, marks=[*case.marks, pytest.mark.slow], id=case.id)
    return pytest.param(*(case if isinstance(case, tuple) else (case,)), marks=pytest.mark.slow)
