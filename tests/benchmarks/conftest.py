"""Benchmarks print their figures at the end of the run, and pass or fail by what was computed, never by how fast."""

import statistics
import time

import pytest

_FIGURES = pytest.StashKey[list[str]]()


class Comparison:
    """Several ways to do one thing, run in turn so that a noisy moment hits them all, compared by their medians."""

    def __init__(self, figures, name):
        self._figures = figures
        self._name = name
        self._seconds = {}

    def time(self, way):
        """A context manager that measures one run of `way`; the first way named is the baseline."""
        return _Timed(self._seconds.setdefault(way, []))

    def tell(self):
        medians = {way: statistics.median(seconds) for way, seconds in self._seconds.items()}
        baseline = next(iter(medians.values()))
        for way, median in medians.items():
            runs = len(self._seconds[way])
            self._figures.append(
                f"{self._name:<34} {way:<34} {median * 1000:>10.2f} ms {median / baseline:>8.2f} x  ({runs} runs)"
            )


class _Timed:
    def __init__(self, seconds):
        self._seconds = seconds

    def __enter__(self):
        self._began = time.perf_counter()

    def __exit__(self, *_):
        self._seconds.append(time.perf_counter() - self._began)


@pytest.fixture
def compare(request):
    """Make a comparison by its name; its figures are told when the test is over."""
    figures = request.config.stash.setdefault(_FIGURES, [])
    made = []

    def make(name):
        made.append(Comparison(figures, name))
        return made[-1]

    yield make
    for comparison in made:
        comparison.tell()


def pytest_terminal_summary(terminalreporter, config):
    """Print the figures of all benchmarks that ran."""
    figures = config.stash.get(_FIGURES, [])
    if figures:
        terminalreporter.section("benchmarks: medians, and how many times the first way's")
        terminalreporter.write_line("\n".join(figures))
