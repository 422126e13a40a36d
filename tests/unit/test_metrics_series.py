"""The series of each active job: what prometheus_client would write, to the byte, up to a number, and gone with the job."""

from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tracker.core.jobs.job import COUNTERS, Job
from tracker.core.jobs.status import is_recognized
from tracker.metrics.jobs.job_series import JobSeries, number

LARGEST = 2**53 - 1
HOSTILE = ('"', "\\", "\n", '"} 1.0\nforged 1', "\\n", "\r", "\0", "é\u2028", "{},=", "\u202e", "")

texts = st.one_of(st.sampled_from(HOSTILE), st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
counters = st.one_of(st.integers(0, 2_000_000), st.integers(0, LARGEST), st.sampled_from([999_999, 1_000_000, LARGEST]))
jobs = st.builds(
    Job,
    id=texts.filter(bool),
    status=st.sampled_from(["QUEUED", "RUNNING", "CANCELLATION_REQUESTED", '"PAUSED"']),
    created_at=st.integers(0, 253_402_300_799),
    model=st.none() | texts,
    endpoint=st.none() | texts,
    **dict.fromkeys(COUNTERS, counters),
)
workspaces = st.dictionaries(st.sampled_from(["default", "a.b-c_d", "two"]), st.lists(jobs, max_size=6), max_size=3)


def a_job(id_, created_at=1_750_000_000, model="small", **properties):
    return Job(id=id_, status="RUNNING", created_at=created_at, model=model, **dict.fromkeys(COUNTERS, 0) | properties)


def snapshots(**of):
    return {account: {job.id: job for job in jobs} for account, jobs in of.items()}


def oracle(active):
    """What prometheus_client makes of gauges that are set to the same."""
    registry = CollectorRegistry()
    of_job = [(account, job) for account, jobs in active.items() for job in jobs.values()]
    texts = ("Requests of an active job.", *(f"Requests of an active job that {what}." for what in WHAT))
    for name, text in zip(COUNTERS, texts, strict=True):
        gauge = Gauge(f"batchtracker_job_{name}", text, ["account", "job"], registry=registry)
        for account, job in of_job:
            gauge.labels(account, job.id).set(getattr(job, name))
    info = Gauge("batchtracker_job_info", "What an active job is.", ["account", "job", "model", "endpoint"], registry=registry)
    created = Gauge(
        "batchtracker_job_created_timestamp_seconds", "When an active job was created.", ["account", "job"], registry=registry
    )
    status = Gauge(
        "batchtracker_job_status", "The status of an active job: 1.", ["account", "job", "status"], registry=registry
    )
    omitted = Gauge(
        "batchtracker_job_series_omitted", "Active jobs without series of their own.", ["account"], registry=registry
    )
    for account, job in of_job:
        info.labels(account, job.id, job.model or "", job.endpoint or "").set(1)
        created.labels(account, job.id).set(job.created_at)
        status.labels(account, job.id, job.status if is_recognized(job.status) else "unrecognized").set(1)
    for account in active:
        omitted.labels(account).set(0)
    return generate_latest(registry)


WHAT = ("are done", "succeeded", "failed")


def samples(page):
    return [sample for family in text_string_to_metric_families(page.decode()) for sample in family.samples]


@given(st.lists(workspaces, min_size=1, max_size=3))
def test_equals_prometheus_client(days):
    """Whatever the jobs and their labels are, and whatever was rendered before, not a byte differs."""
    series = JobSeries()
    for day in days:
        active = snapshots(**day)
        assert series.render(active, 1000).splitlines(keepends=True) == oracle(active).splitlines(keepends=True)


@given(counters)
def test_numbers_equal_prometheus_clients(value):
    """A number is written as prometheus_client writes it."""
    registry = CollectorRegistry()
    Gauge("x", "", registry=registry).set(value)
    assert generate_latest(registry).decode().splitlines()[-1] == f"x {number(value)}"


def test_hostile_labels_come_back_as_they_were():
    """A reader of the page is given the very labels, and no injected line."""
    hostile = [a_job(f"{text}-{index}", model=text, endpoint=text) for index, text in enumerate(HOSTILE)]
    info = [each.labels for each in samples(JobSeries().render(snapshots(one=hostile), 99)) if each.name.endswith("_info")]
    assert [(labels["job"], labels["model"], labels["endpoint"]) for labels in info] == [
        (job.id, job.model, job.endpoint) for job in hostile
    ]


def test_job_that_ended_has_no_series_and_leaves_nothing_behind():
    """What is not active any more is gone from the page, and from what is remembered of it."""
    series = JobSeries()
    assert b'job="here"' in series.render(snapshots(one=[a_job("here"), a_job("stays")]), 9)
    page = series.render(snapshots(one=[a_job("stays")]), 9)
    assert b"here" not in page
    assert b"stays" in page
    assert len(series._labels) == 1


def test_labels_follow_the_job():
    """A model that only became known is shown although the job's labels were remembered."""
    series = JobSeries()
    series.render(snapshots(one=[a_job("job", model=None)]), 9)
    assert b'job="job",model="large"' in series.render(snapshots(one=[a_job("job", model="large")]), 9)


def test_oldest_are_kept_and_the_others_counted():
    """Up to the number, over all accounts, the oldest jobs have series, and each account counts those that it left out."""
    active = snapshots(one=[a_job("b", 20), a_job("a", 30), a_job("d", 40)], two=[a_job("c", 10), a_job("e", 20)])
    found = samples(JobSeries().render(active, 3))
    shown = [sample.labels["job"] for sample in found if sample.name == "batchtracker_job_total_requests"]
    assert sorted(shown) == ["b", "c", "e"]
    omitted = {sample.labels["account"]: sample.value for sample in found if sample.name == "batchtracker_job_series_omitted"}
    assert omitted == {"one": 2, "two": 0}


def test_none_at_all():
    """With 0 no job has series, and all are counted."""
    found = samples(JobSeries().render(snapshots(one=[a_job("a"), a_job("b")], two=[]), 0))
    assert [(sample.name, sample.labels, sample.value) for sample in found] == [
        ("batchtracker_job_series_omitted", {"account": "one"}, 2),
        ("batchtracker_job_series_omitted", {"account": "two"}, 0),
    ]


def test_long_names_are_cut():
    """A model of any length costs a line of bounded length."""
    (line,) = [
        line
        for line in JobSeries().render(snapshots(one=[a_job("a", model="m" * 100_000)]), 1).splitlines()
        if line.startswith(b"batchtracker_job_info{")
    ]
    assert len(line) < 500
