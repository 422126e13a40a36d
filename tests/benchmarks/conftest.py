"""Benchmarks print their figures at the end of the run, and pass or fail by what was computed, never by how fast."""

import logging
import statistics
import sys
import threading
import time

import pytest
import structlog
from aiosqlite import Connection

FIGURE = "figure"
"""The property of a test's report that is a line of figures: reports are what workers hand over."""


class Comparison:
    """Several ways to do one thing, run in turn so that a noisy moment hits them all, compared by their medians."""

    def __init__(self, name, clock):
        self._name = name
        self.clock = clock
        self._seconds = {}

    def time(self, way, times=1):
        """A context manager that measures one run of `way`, which stands for `times` as much; the first way is the baseline."""
        return _Timed(self._seconds.setdefault(way, []), self.clock, times)

    def record(self, way, seconds):
        """One run of `way` took so long, by whatever it was measured."""
        self._seconds.setdefault(way, []).append(seconds)

    def ratio(self, way, to):
        """How many times the median of `to` the median of `way` is."""
        return self.median(way) / self.median(to)

    def median(self, way):
        """Seconds."""
        return statistics.median(self._seconds[way])

    def most(self, way):
        """Seconds of the longest run."""
        return max(self._seconds[way])

    def lines(self):
        """A line for each way."""
        medians = {way: statistics.median(seconds) for way, seconds in self._seconds.items()}
        baseline = next(iter(medians.values()))
        for way, median in medians.items():
            runs = len(self._seconds[way])
            yield f"{self._name:<34} {way:<34} {median * 1000:>10.2f} ms {median / baseline:>8.2f} x  ({runs} runs)"


class _Timed:
    def __init__(self, seconds, clock, times):
        self._seconds = seconds
        self._clock = clock
        self._times = times

    def __enter__(self):
        self._began = self._clock()

    def __exit__(self, *_):
        self._seconds.append((self._clock() - self._began) * self._times)


class Count:
    """What is counted rather than timed, such as requests or bytes, beside what is to be expected."""

    def __init__(self, name):
        self._name = name
        self._counts = {}

    def record(self, way, number):
        self._counts[way] = number

    def of(self, way):
        return self._counts[way]

    def lines(self):
        baseline = next(iter(self._counts.values()))
        for way, number in self._counts.items():
            yield f"{self._name:<34} {way:<34} {number:>13,.6g} {number / baseline:>8.2f} x"


@pytest.hookimpl(wrapper=True, trylast=True)
def pytest_runtest_call(item):
    """Have no line counted: in a worker pytest-cov starts two measurements, and for `no_cover` it stops one of them."""
    if item.get_closest_marker("no_cover") is None:
        return (yield)
    here, in_threads = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    try:
        return (yield)
    finally:
        sys.settrace(here)
        threading.settrace(in_threads)


@pytest.fixture(scope="session")
def anyio_backend():
    """The loop that the daemon has."""
    return "asyncio", {"use_uvloop": True}


@pytest.fixture(autouse=True)
def _quiet_log():
    """Log from info on, as the daemon does: structlog, left to itself, would print each delivery, and be what is measured."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.INFO))
    yield
    structlog.reset_defaults()


@pytest.fixture
def hops(monkeypatch):
    """What goes to the thread of a connection to SQLite and back, as it goes."""
    gone, execute = [], Connection._execute

    async def noted(connection, *arguments):
        gone.append(arguments)
        return await execute(connection, *arguments)

    monkeypatch.setattr(Connection, "_execute", noted)
    return gone


@pytest.fixture
def measurements(request):
    """The measurements whose lines the report shows."""
    made = []
    yield made
    request.node.user_properties += [(FIGURE, line) for each in made for line in each.lines()]


@pytest.fixture
def compare(measurements):
    """Make a comparison by its name, of time that passes unless another `clock` is given."""

    def make(name, clock=time.perf_counter):
        measurements.append(Comparison(name, clock))
        return measurements[-1]

    return make


@pytest.fixture
def count(measurements):
    """Make a count by its name."""

    def make(name):
        measurements.append(Count(name))
        return measurements[-1]

    return make


def pytest_terminal_summary(terminalreporter):
    """Print the figures of all benchmarks that ran."""
    reports = [
        report for reports in terminalreporter.stats.values() for report in reports if isinstance(report, pytest.TestReport)
    ]
    figures = [
        line for report in reports if report.when == "teardown" for name, line in report.user_properties if name == FIGURE
    ]
    if figures:
        terminalreporter.section("benchmarks: medians, and how many times the first way's")
        terminalreporter.write_line("\n".join(figures))
