"""Fixtures and settings of every test."""

import enum
import gc
import os
import re
from pathlib import Path

import certifi
import msgspec
import pytest
from grouping import Grouping
from hypothesis import HealthCheck, settings

pytest_plugins = ("temporary_files", "hanging", "postgres_database", "postgres_server", "storage_engines")

REPEATABLE = settings(derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""The same examples everywhere, and no verdict on how busy the machine is."""
settings.register_profile("quick", REPEATABLE, max_examples=25)
settings.register_profile("thorough", REPEATABLE, max_examples=200)  # --hypothesis-profile=thorough: beside the slow tests
settings.load_profile("quick")


@pytest.fixture(scope="session")
def anyio_backend():
    """The loop that aiosqlite and uvicorn run on."""
    return "asyncio"


@pytest.hookimpl(wrapper=True)
def pytest_collection():
    """Leave what collecting makes to no garbage collector: it stays to the end, and going through it again costs seconds."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


@pytest.fixture(scope="session", autouse=True)
def trust_store(tmp_path_factory):
    """One certificate is trusted, not the system's 140: reading those takes 18 ms a time, and tests stay on loopback."""
    store = tmp_path_factory.mktemp("trusted")
    first, end, _ = Path(certifi.where()).read_text("utf-8").partition("-----END CERTIFICATE-----\n")
    (store / "one.pem").write_text(first + end, "utf-8")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("SSL_CERT_FILE", str(store / "one.pem"))
        environment.setenv("SSL_CERT_DIR", str(store))
        yield


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
    return _shortened(val) if val or isinstance(val, msgspec.Struct) else f"empty {type(val).__name__}"


def _shortened(val):
    """Escape what a terminal would obey: a case may hold control characters. A long text ends with how long it is."""
    text = _readable(val)
    if len(text) > LONGEST_ID:
        length = f"… {len(text)} long"
        text = text[: LONGEST_ID - len(length)] + length
    return text.encode("unicode_escape").decode()


def _readable(val):
    """Return a text that is the same in each worker: no address, and no order of a set."""
    if isinstance(val, dict):
        text = " ".join(f"{_readable(key)}={_readable(each)}" for key, each in val.items())
    elif isinstance(val, (tuple, list)):
        text = " ".join(map(_readable, val))
    elif isinstance(val, (set, frozenset)):
        text = " ".join(sorted(map(_readable, val)))
    elif isinstance(val, bytes):
        text = val.decode("latin-1")
    elif isinstance(val, slice):
        text = f"{val.start} to {val.stop}"
    elif isinstance(val, msgspec.Struct):
        text = f"{type(val).__name__} {_readable(_changed(val))}".strip()
    elif val is None or isinstance(val, (str, int, float)):
        text = str(val)
    else:
        text = getattr(val, "__name__", type(val).__name__).strip("<>")
    return text


def _changed(struct):
    """The fields of a struct that differ from its defaults, by name."""
    fields = {field.name: field.default for field in msgspec.structs.fields(struct)}
    return {name: getattr(struct, name) for name, default in fields.items() if getattr(struct, name) != default}


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Twice as many as there are cores: most tests wait for processes and timers of their own."""
    return (os.cpu_count() or 1) * 2


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
