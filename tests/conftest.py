"""Fixtures and settings of every test."""

import os

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


PLAIN = (str, int, float, bool, type(None))
LONGEST_ID = 60


def pytest_make_parametrize_id(val):
    """Name a case by what it holds: pytest itself names a tuple, a list or a dictionary by its place alone, `options3`."""
    if type(val) not in (dict, tuple, list) or not _is_plain(val):
        return None
    parts = [f"{key}={each}" for key, each in val.items()] if isinstance(val, dict) else map(str, val)
    return " ".join(parts)[:LONGEST_ID] or "nothing"


def _is_plain(val):
    """Whether it reads the same in each worker."""
    if isinstance(val, dict):
        return all(map(_is_plain, [*val, *val.values()]))
    return type(val) in PLAIN or (type(val) in (tuple, list) and all(map(_is_plain, val)))


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
