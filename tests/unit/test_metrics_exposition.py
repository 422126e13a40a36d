"""The page of the metrics: a part that fails loses only its own series and is reported."""

from metrics_reading import samples
from prometheus_client import generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector
from structlog.testing import capture_logs

from tracker.metrics import Metrics
from tracker.metrics.exposition import Exposition


class Half(Collector):
    """Yields one family and fails at the next."""

    def __init__(self):
        self.whole = False

    def collect(self):
        yield GaugeMetricFamily("first", "", 1)
        if not self.whole:
            raise OSError("canary-detail")
        yield GaugeMetricFamily("second", "", 2)


def raises():
    raise RuntimeError("broken")


def errors(page, part):
    return samples(page)["batchtracker_metrics_errors_total", (("part", part),)]


def test_part_that_raises_costs_only_itself():
    """The parts before and behind it are there, and the same page counts the error."""
    page = Exposition({"before": lambda: b"before 1\n", "broken": raises, "behind": lambda: b"behind 2\n"})
    found = page.render()
    assert found.startswith(b"before 1\nbehind 2\n")
    assert (errors(found, "broken"), errors(found, "before")) == (1, 0)
    assert errors(page.render(), "broken") == 2


def test_part_that_yields_half_is_left_out_whole():
    """What it gave before it failed is not shown: half a part would be taken for all of it."""
    half = Half()
    page = Exposition({"half": lambda: generate_latest(half), "other": lambda: b"other 1\n"})
    found = page.render()
    assert found.startswith(b"other 1\n")
    assert b"first" not in found
    assert errors(found, "half") == 1
    half.whole = True
    assert b"first 1.0\n" in page.render()


def test_failing_part_is_reported_once_until_it_works_again():
    """The log has a line when a part begins to fail, with why, and none for each scrape."""
    half = Half()
    with capture_logs() as lines:
        page = Exposition({"half": lambda: generate_latest(half)})
        for whole in (False, False, True, False):
            half.whole = whole
            page.render()
    assert [line["event"] for line in lines] == ["metrics.failed"] * 2
    assert lines[0]["part"] == "half"
    assert lines[0]["error"].startswith("OSError")


class NoStatistics:
    """A store that cannot be read."""

    def __getattr__(self, name):
        def fail():
            raise OSError(name)

        return fail


def test_store_that_cannot_be_read_costs_its_own_series():
    """Where every question to the store fails, all that the loops count is there, with an error for each of the parts."""
    metrics = Metrics(NoStatistics())
    metrics.configured({"one": 15.0}, [])
    page = metrics.render()
    for part in ("jobs", "backlogs", "receivers", "database", "build"):
        assert errors(page, part) == 1
    for part in ("accounts", "changes", "active_jobs", "active_sums", "attempts", "storage", "configuration", "process"):
        assert errors(page, part) == 0
    assert b'batchtracker_sweeps_total{account="one",result="ok"} 0.0' in page
    assert b"process_start_time_seconds" in page
    assert b"batchtracker_jobs{" not in page


def test_build_names_the_engine():
    """SQLite's version has its label, and whether it has the bug; another engine's version has the label of its name."""

    class Statistics(NoStatistics):
        def __init__(self, *engine):
            self.engine = lambda: engine

    def build(version, *, affected):
        found = samples(Metrics(Statistics(version, affected)).render())
        (labels,) = [dict(labels) for name, labels in found if name == "batchtracker_build_info"]
        return {name: value for name, value in labels.items() if name not in ("version", "python")}

    assert build("3.45.1", affected=True) == {"sqlite": "3.45.1", "sqlite_affected": "yes"}
    assert build("PostgreSQL 15.18", affected=False) == {"postgresql": "15.18"}
