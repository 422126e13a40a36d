"""Ends a process whose test hangs and does not hear the alarm of pytest-timeout, as none does while uvloop waits.

A worker that has ended so fails the test, and another one takes its place.
"""

import faulthandler
import os
import sys

import pytest

GRACE = 15.0
"""Seconds more than the test's own timeout, which shows better what hangs."""

_STDERR = pytest.StashKey[int]()
"""The real stderr, which pytest does not capture."""


def pytest_addoption(parser):
    parser.addini("hanging_grace", "seconds after its timeout that a test which goes on costs its process", default=GRACE)


def pytest_configure(config):
    config.stash[_STDERR] = os.dup(sys.__stderr__.fileno())


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_timeout_set_timer(item, settings):
    grace = float(item.config.getini("hanging_grace"))
    faulthandler.dump_traceback_later(settings.timeout + grace, exit=True, file=item.config.stash[_STDERR])
    return (yield)


@pytest.hookimpl(optionalhook=True, wrapper=True)
def pytest_timeout_cancel_timer():
    faulthandler.cancel_dump_traceback_later()
    return (yield)
