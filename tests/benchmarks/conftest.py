"""Benchmarks print their figures at the end of the run, and pass or fail by what was computed, never by how fast."""

import statistics
import time

import pytest

FIGURE = "figure"
"""The property of a test's report that is a line of figures: reports are what workers hand over."""


class Comparison:
    """Several ways to do one thing, run in turn so that a noisy moment hits them all, compared by their medians."""

    def __init__(self, name):
        self._name = name
        self._seconds = {}

    def time(self, way):
        """A context manager that measures one run of `way`; the first way named is the baseline."""
        return _Timed(self._seconds.setdefault(way, []))

    def told(self):
        """A line for each way."""
        medians = {way: statistics.median(seconds) for way, seconds in self._seconds.items()}
        baseline = next(iter(medians.values()))
        for way, median in medians.items():
            runs = len(self._seconds[way])
            yield f"{self._name:<34} {way:<34} {median * 1000:>10.2f} ms {median / baseline:>8.2f} x  ({runs} runs)"


class _Timed:
    def __init__(self, seconds):
        self._seconds = seconds

    def __enter__(self):
        self._began = time.perf_counter()

    def __exit__(self, *_):
        self._seconds.append(time.perf_counter() - self._began)


@pytest.fixture
def compare(request):
    """Make a comparison by its name; its figures are told when the run is over."""
    made = []

    def make(name):
        made.append(Comparison(name))
        return made[-1]

    yield make
    request.node.user_properties += [(FIGURE, line) for comparison in made for line in comparison.told()]


def pytest_terminal_summary(terminalreporter):
    """Print the figures of all benchmarks that ran."""
    reports = [
        report for reports in terminalreporter.stats.values() for report in reports if hasattr(report, "user_properties")
    ]
    figures = [
        line for report in reports if report.when == "teardown" for name, line in report.user_properties if name == FIGURE
    ]
    if figures:
        terminalreporter.section("benchmarks: medians, and how many times the first way's")
        terminalreporter.write_line("\n".join(figures))
