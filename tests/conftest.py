"""Fixtures and settings of every test."""

import enum
import os
import re

import pytest
from grouping import Grouping
from hypothesis import HealthCheck, settings

pytest_plugins = ("hanging",)

REPEATABLE = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The same examples everywhere, and no verdict on how busy the machine is."""
settings.register_profile("quick", REPEATABLE, max_examples=25)
settings.register_profile("thorough", REPEATABLE, max_examples=200)  # --hypothesis-profile=thorough: beside the slow tests
settings.load_profile("quick")


@pytest.fixture(scope="session")
def anyio_backend():
    """The loop that aiosqlite and uvicorn run on."""
    return "asyncio"


FOLDERS = ("faults", "acceptance", "integration", "benchmarks", "store", "quality", "unit")


def pytest_collection_modifyitems(items):
    """Begin with what takes long, so that no worker is left with it alone in the end."""
    order = {name: number for number, name in enumerate(FOLDERS)}
    items.sort(key=lambda item: order.get(item.path.parent.name, 0))


LONGEST_ID = 60


def pytest_make_parametrize_id(val):
    """Name a case by what it holds: pytest itself names what is no text or number by its place alone, `options3`."""
    if isinstance(val, (str, bytes)):
        return _shortened(val) if len(val) > LONGEST_ID else None
    if val is None or isinstance(val, (int, float, re.Pattern, enum.Enum)) or hasattr(val, "__name__"):
        return None  # pytest names these itself
    return _shortened(val) or "nothing"


def _shortened(val):
    """Escape what a terminal would obey: a case may hold control characters."""
    return _readable(val)[:LONGEST_ID].encode("unicode_escape").decode()


def _readable(val):
    """Return a text that is the same in each worker: no address, and no order of a set."""
    if isinstance(val, dict):
        text = " ".join(f"{_readable(key)}={_readable(each)}" for key, each in val.items())
    elif isinstance(val, (tuple, list)):
        text = " ".join(map(_readable, val))
    elif isinstance(val, (set, frozenset)):
        text = " ".join(sorted(map(_readable, val)))
    elif isinstance(val, bytes):
        text = val[:LONGEST_ID].decode("latin-1")
    elif val is None or isinstance(val, (str, int, float)):
        text = str(val)
    else:
        text = getattr(val, "__name__", type(val).__name__).strip("<>")
    return text


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Half as many again as there are cores: a test waits for processes of its own, and each worker collects all tests."""
    return (os.cpu_count() or 1) * 3 // 2 + 1


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """Leave tests that share a costly fixture to one worker."""
    return Grouping(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport():
    """Leave no half of a surrogate pair in what a test printed or logged: a worker could not send it."""
    report = yield
    report.sections = [(name, text.encode("utf-8", "replace").decode()) for name, text in report.sections]
    return report
