"""What the loops tell is counted where it belongs, once, from 0, and with closed labels."""

import msgspec
import pytest
from core_samples import NOW, job
from metrics_reading import changed, families, samples, set_active

from tracker.core.deliveries.delivery import Delivery, Outcome, Result, settle
from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.events.event import plain_event
from tracker.core.events.job_diff import Known, deletion, diff, first_seen
from tracker.core.jobs.job import MalformedJob
from tracker.core.ports.store import DatabaseUse
from tracker.core.reconciliation.sweep_report import Report
from tracker.metrics import Metrics
from tracker.metrics.jobs.model_labels import MODELS

ACCOUNTS = {"one": 15.0, "two": 60.0}
GOOD = Report(events=0, shown=1, stale=0, malformed=(), failure=None)
NOTHING_DONE = {"completed_requests": 0, "succeeded_requests": 0, "failed_requests": 0}


def failed(reason):
    return msgspec.structs.replace(GOOD, failure=Failure(reason, "canary-detail"))


@pytest.fixture
def metrics():
    metrics = Metrics()
    metrics.configured(ACCOUNTS, ["pipeline"])
    return metrics


def counting(metrics, *tell):
    """What is different once each of these was done."""
    before = metrics.render()
    for each in tell:
        each()
    return changed(before, metrics.render())


def logging(metrics, *changes):
    """What is different once these changes are in the log."""
    return counting(metrics, *(lambda c=c: [metrics.logged(event, c.backfilled) for event in c.events] for c in changes))


def test_everything_is_at_zero_from_the_start(metrics):
    """Each label set whose values are closed exists before anything happens, so that no first increase is missed."""
    found = samples(metrics.render())
    nothing = {name: value for (name, _), value in found.items() if name.startswith("batchtracker_") and value}
    assert nothing.keys() == {
        "batchtracker_storage_writable",
        "batchtracker_config_last_reload_successful",
        "batchtracker_sweep_interval_seconds",
    }
    for account in ("one", "two"):
        for reason in Reason:
            assert found["batchtracker_account_failing", (("account", account), ("reason", reason))] == 0
        for code in ("200", "429", "504", "other", "none"):
            labels = (("account", account), ("call", "get"), ("code", code))
            assert found["batchtracker_api_requests_total", labels] == 0
        for outcome in ("success", "partial", "all_failed", "empty", "failed", "expired", "cancelled"):
            assert found["batchtracker_ended_jobs_total", (("account", account), ("outcome", outcome))] == 0
    for result in Result:
        labels = (("receiver", "pipeline"), ("result", result))
        assert found["batchtracker_delivery_attempts_total", labels] == 0
    assert found["batchtracker_events_total", (("account", ""), ("type", "receiver.failing"))] == 0


def test_good_sweep(metrics):
    """A whole sweep says when, how long, and that the account is up."""
    assert counting(metrics, lambda: metrics.swept("one", GOOD, NOW, 0.2), lambda: metrics.accounts.backs_off("one", 0.0)) == {
        ("account_up", "one"): 1,
        ("sweeps_total", "one", "ok"): 1,
        ("sweep_duration_seconds_count", "one"): 1,
        ("sweep_duration_seconds_sum", "one"): 0.2,
        ("last_good_sweep_timestamp_seconds", "one"): NOW / 1000,
    }


def test_vendor_of_an_account():
    """A series of an account says which vendor's API it is, and no other once the configuration names another."""
    metrics = Metrics()
    for vendors in ({"one": "mistral", "two": "openai"}, {"one": "gemini"}):
        metrics.configured(dict.fromkeys(vendors, 15.0), [], providers=vendors)
        found = [dict(labels) for name, labels in samples(metrics.render()) if name == "batchtracker_account_info"]
        assert found == [{"account": account, "provider": vendor} for account, vendor in vendors.items()]


def test_failing_account(metrics):
    """While sweeps fail the account is down for the reason of the last, and what a half sweep saw is counted."""
    metrics.swept("one", GOOD, NOW, 0.2)
    half = msgspec.structs.replace(failed(Reason.SERVER), stale=2, malformed=(MalformedJob("x", "y"),))
    assert counting(
        metrics, lambda: metrics.swept("one", half, NOW + 1000, 0.0), lambda: metrics.accounts.backs_off("one", 30.5)
    ) == {
        ("account_up", "one"): 0,
        ("account_failing", "one", "server"): 1,
        ("sweeps_total", "one", "server"): 1,
        ("sweep_duration_seconds_count", "one"): 1 + 1,
        ("sweep_backoff_seconds", "one"): 30.5,
        ("malformed_jobs_total", "one"): 1,
        ("stale_answers_total", "one"): 2,
    }
    other = counting(metrics, lambda: metrics.swept("one", failed(Reason.NETWORK), NOW, 0.0))
    assert (other["account_failing", "one", "server"], other["account_failing", "one", "network"]) == (0, 1)
    again = counting(metrics, lambda: metrics.swept("one", GOOD, NOW, 0.0))
    assert (again["account_up", "one"], again["account_failing", "one", "network"]) == (1, 0)


@pytest.mark.parametrize(("code", "label"), [("200", "200"), ("504", "504"), ("418", "other"), ("none", "none")])
def test_requests_have_closed_codes(metrics, code, label):
    """Every request is counted and measured; a status that has no series of its own is `other`."""
    assert counting(metrics, lambda: metrics.accounts.answered("one", "list", code, 0.03)) == {
        ("api_requests_total", "one", "list", label): 1,
        ("api_request_duration_seconds_count", "one", "list"): 1,
        ("api_request_duration_seconds_sum", "one", "list"): 0.03,
    }


def test_life_of_a_job(metrics):
    """From its creation to its end: each event, each request once, how long it waited, ran, and was not noticed."""
    metrics.swept("one", GOOD, NOW, 0.1)
    at = NOW // 1000
    queued = job(status="QUEUED", created_at=at - 2, started_at=None, completed_at=None, **NOTHING_DONE)
    created = first_seen("one", queued, NOW)
    running = msgspec.structs.replace(queued, status="RUNNING", started_at=at + 8)
    started = diff("one", created.known, running, NOW + 10_000)
    half = msgspec.structs.replace(running, completed_requests=500, succeeded_requests=490, failed_requests=10)
    progress = diff("one", started.known, half, NOW + 20_000)
    done = msgspec.structs.replace(
        half, status="SUCCESS", completed_at=at + 108, completed_requests=1000, succeeded_requests=985, failed_requests=15
    )
    ended = diff("one", progress.known, done, NOW + 111_000)
    late = NOW % 1000 / 1000
    found = logging(metrics, created, started, progress, ended)
    assert found == pytest.approx(
        {
            **{("events_total", "one", f"batch.{type_}"): 1 for type_ in ("created", "started", "progress", "completed")},
            ("requests_completed_total", "one", "mistral-small-latest"): 1000,
            ("requests_succeeded_total", "one", "mistral-small-latest"): 985,
            ("requests_failed_total", "one", "mistral-small-latest"): 15,
            ("ended_jobs_total", "one", "partial"): 1,
            ("job_queue_seconds_count", "one"): 1,
            ("job_queue_seconds_sum", "one"): 10,
            ("job_run_seconds_count", "one"): 1,
            ("job_run_seconds_sum", "one"): 100,
            ("job_observation_lag_seconds_count", "one"): 3,
            ("job_observation_lag_seconds_sum", "one"): 2 + 2 + 3 + 3 * late,
        }
    )


def test_end_that_was_all_that_was_seen(metrics):
    """A job that is over when it is first seen, though it is news, waited and ran once, and its requests are counted once."""
    metrics.swept("one", GOOD, NOW, 0.1)
    found = logging(metrics, first_seen("one", job(status="SUCCESS"), NOW))
    assert found["job_queue_seconds_sum", "one"] == 60
    assert found["job_run_seconds_sum", "one"] == 1_750_861_210 - 1_750_850_060
    assert found["requests_completed_total", "one", "mistral-small-latest"] == 900
    assert found["ended_jobs_total", "one", "partial"] == 1
    assert found["job_observation_lag_seconds_count", "one"] == 2


@pytest.mark.parametrize("when", ["2025-06-25T14:20:10Z", 10**15, -1, {}, True])
def test_times_that_are_none(metrics, when):
    """An invalid time of the API, which the log keeps as it came, is neither counted nor measured."""
    metrics.swept("one", GOOD, NOW, 0.1)
    running = first_seen("one", job(status="RUNNING", started_at=when, completed_at=None), NOW)
    ended = diff("one", running.known, job(status="SUCCESS", started_at=when, completed_at=when), NOW)
    found = logging(metrics, running, ended)
    assert found["ended_jobs_total", "one", "partial"] == 1
    assert not [name for name, *_ in found if name.startswith(("job_queue", "job_run"))]


def test_what_was_over_before_us_counts_as_events_alone(metrics):
    """Backfilled history moves no histogram, no end and no request: the daemon did not watch it."""
    metrics.swept("one", GOOD, NOW, 0.1)
    assert logging(metrics, first_seen("one", job(status="FAILED"), NOW, backfilled=True)) == {
        ("events_total", "one", "batch.created"): 1,
        ("events_total", "one", "batch.failed"): 1,
    }


def test_lag_begins_with_the_first_whole_sweep(metrics):
    """What happened before the daemon could poll is not counted as lag."""
    found = logging(metrics, first_seen("one", job(status="RUNNING", completed_at=None), NOW))
    assert found["job_queue_seconds_count", "one"] == 1
    assert ("job_observation_lag_seconds_count", "one") not in found


@pytest.mark.parametrize(
    ("status", "outcome"),
    [("FAILED", "failed"), ("TIMEOUT_EXCEEDED", "expired"), ("CANCELLED", "cancelled")],
)
def test_other_ends(metrics, status, outcome):
    """A job that never started has an end, and neither waited nor ran."""
    known = first_seen("one", job(status="QUEUED", started_at=None, completed_at=None, **NOTHING_DONE), NOW).known
    found = logging(metrics, diff("one", known, job(status=status, started_at=None, **NOTHING_DONE), NOW))
    assert {name: value for name, value in found.items() if name[0] != "events_total"} == {
        ("ended_jobs_total", "one", outcome): 1
    }


def test_counters_never_fall(metrics):
    """A counter that the API took back, twice, takes nothing from what was counted; a deletion counts no request."""
    first = first_seen("one", job(completed_at=None), NOW)
    logging(metrics, first)
    less = diff("one", first.known, job(completed_at=None, completed_requests=100), NOW)
    assert logging(metrics, less, deletion("one", Known(less.known.job), NOW)) == {
        ("events_total", "one", "batch.progress"): 1,
        ("events_total", "one", "batch.deleted"): 1,
    }


def test_events_about_receivers_have_no_account(metrics):
    """A receiver that fails is counted, under an empty account."""
    event = plain_event("receiver.failing", "", {"receiver": "pipeline"}, NOW)
    assert counting(metrics, lambda: metrics.logged(event)) == {("events_total", "", "receiver.failing"): 1}


def settled(result, *, attempts=0, schedule=(5.0,), receiver="pipeline"):
    event = plain_event("account.recovered", "one", {}, NOW)
    delivery = Delivery(
        receiver=receiver, seq=1, event_id=event.id, type=event.type, stream="x", attempts=attempts,
        body=msgspec.json.encode(event).decode(),
    )  # fmt: skip
    outcome = Outcome(result=result, detail="canary-detail", answer="canary-answer")
    return settle(delivery, outcome, schedule, (NOW + 1000, NOW + 1250), 0.5)


def test_delivered(metrics):
    """A delivery that was taken counts as an attempt and an end, with its time and its lateness."""
    assert counting(metrics, lambda: metrics.deliveries.settled(settled(Result.DELIVERED))) == {
        ("delivery_attempts_total", "pipeline", "delivered"): 1,
        ("deliveries_total", "pipeline", "delivered"): 1,
        ("delivery_duration_seconds_count", "pipeline"): 1,
        ("delivery_duration_seconds_sum", "pipeline"): 0.25,
        ("delivery_latency_seconds_count", "pipeline"): 1,
        ("delivery_latency_seconds_sum", "pipeline"): 1.25,
    }


def test_not_delivered(metrics):
    """An attempt that failed is counted by its reason; the last one that the schedule allows is an end too."""
    first = counting(metrics, lambda: metrics.deliveries.settled(settled(Result.SERVER)))
    assert first["delivery_attempts_total", "pipeline", "server"] == 1
    assert not any(name.startswith(("deliveries_total", "delivery_latency")) for name, *_ in first)
    last = counting(metrics, lambda: metrics.deliveries.settled(settled(Result.NETWORK, attempts=1)))
    assert last["deliveries_total", "pipeline", "dead"] == 1


def test_storage(metrics):
    """A store that failed is not writable until something that says as much goes well: a trial does not stand for a write."""

    def after(*used):
        for each in used:
            metrics.storage.used(*each)
        found = samples(metrics.render())
        return found["batchtracker_storage_writable", ()], found["batchtracker_storage_errors_total", ()]

    assert after((DatabaseUse.WRITE, True)) == (1, 0)
    assert after((DatabaseUse.READ, False)) == (0, 1)
    assert after((DatabaseUse.READ, True)) == (1, 1)
    assert after((DatabaseUse.PROBE, False), (DatabaseUse.READ, True)) == (0, 2)
    assert after((DatabaseUse.PROBE, True)) == (1, 2)
    assert after((DatabaseUse.WRITE, False), (DatabaseUse.READ, True), (DatabaseUse.PROBE, True)) == (0, 3)
    assert after((DatabaseUse.READ, False), (DatabaseUse.PROBE, True)) == (0, 4)
    assert after((DatabaseUse.WRITE, True)) == (1, 4)


def test_configuration(metrics):
    """A reload that failed leaves the time of the configuration in force; one that went well moves it."""
    metrics.started(NOW)
    assert counting(metrics, lambda: metrics.reloaded(NOW + 5000, ok=False)) == {
        ("config_last_reload_successful",): 0,
        ("config_reloads_total", "error"): 1,
    }
    assert counting(metrics, lambda: metrics.reloaded(NOW + 9000, ok=True)) == {
        ("config_last_reload_successful",): 1,
        ("config_last_reload_success_timestamp_seconds",): (NOW + 9000) / 1000,
        ("config_reloads_total", "ok"): 1,
    }


def test_series_of_a_new_configuration(metrics):
    """New accounts and receivers exist at 0, those that stay keep what was counted, the series of removed ones go for good."""
    for account in ("one", "two"):
        metrics.swept(account, GOOD, NOW, 0.1)
        set_active(metrics, account, {"job": job(id=f"of-{account}", status="RUNNING")})
    metrics.configured({"one": 5.0, "three": 15.0}, ["other"])
    metrics.swept("two", GOOD, NOW, 0.1)  # of a sweep that was under way
    set_active(metrics, "two", {"job": job()})
    metrics.accounts.answered("two", "get", "200", 0.1)
    metrics.accounts.backs_off("two", 1.0)
    metrics.logged(plain_event("account.recovered", "two", {}, NOW))
    metrics.deliveries.settled(settled(Result.DELIVERED))
    page = metrics.render()
    assert b'"two"' not in page
    assert b"of-two" not in page
    assert b"pipeline" not in page
    found = samples(page)
    assert found["batchtracker_sweeps_total", (("account", "one"), ("result", "ok"))] == 1
    assert found["batchtracker_sweeps_total", (("account", "three"), ("result", "ok"))] == 0
    assert found["batchtracker_sweep_interval_seconds", (("account", "one"),)] == 5
    assert found["batchtracker_deliveries_total", (("receiver", "other"), ("state", "dead"))] == 0
    assert found["batchtracker_job_series_omitted", (("account", "three"),)] == 0
    assert b"of-one" in page


def test_account_that_comes_back_is_a_new_one(metrics):
    """What was removed and is configured again starts afresh: its models have room, its lag waits for a whole sweep."""
    metrics.swept("one", GOOD, NOW, 0.1)
    set_active(metrics, "one", {str(n): job(id=str(n), status="RUNNING", model=f"model-{n}") for n in range(MODELS)})
    metrics.configured({"two": 15.0}, [])
    set_active(metrics, "one", {})  # they have ended meanwhile
    metrics.configured(ACCOUNTS, [])
    found = logging(metrics, first_seen("one", job(status="RUNNING", completed_at=None), NOW))
    assert found["requests_completed_total", "one", "mistral-small-latest"] == 900
    assert ("job_observation_lag_seconds_count", "one") not in found


def test_sums_by_model(metrics):
    """The active jobs are summed by model, those without series of their own too, and a model's counters exist at 0."""
    metrics.configured({"one": 15.0}, [], max_job_series=0)
    small, large = job(id="a", status="RUNNING"), job(id="b", status="RUNNING", total_requests=1_000_000, model=None)
    assert counting(metrics, lambda: set_active(metrics, "one", {"a": small, "b": large, "c": small})) == {
        ("active_total_requests", "one", "mistral-small-latest"): 2000,
        ("active_completed_requests", "one", "mistral-small-latest"): 1800,
        ("active_succeeded_requests", "one", "mistral-small-latest"): 1760,
        ("active_failed_requests", "one", "mistral-small-latest"): 40,
        ("active_total_requests", "one", ""): 1_000_000,
        ("active_completed_requests", "one", ""): 900,
        ("active_succeeded_requests", "one", ""): 880,
        ("active_failed_requests", "one", ""): 20,
        ("job_series_omitted", "one"): 3,
    }
    assert samples(metrics.render())["batchtracker_requests_completed_total", (("account", "one"), ("model", ""))] == 0


def test_models_are_capped(metrics):
    """Beyond the first hundred of an account, models share one series, and their sums are whole all the same."""
    jobs = {str(number): job(id=str(number), status="RUNNING", model=f"model-{number}") for number in range(MODELS + 50)}
    set_active(metrics, "one", jobs)
    found = {
        labels: value for (name, labels), value in samples(metrics.render()).items() if name.endswith("active_total_requests")
    }
    assert len(found) == MODELS + 1
    assert found[("account", "one"), ("model", "other")] == 50 * 1000
    assert sum(found.values()) == (MODELS + 50) * 1000


def test_nothing_but_what_is_meant_to_be_shown(metrics):
    """What belongs to a job or a failure and is no label of ours is nowhere on the page."""
    canaries = {
        "metadata": {"canary-key": "canary-value"},
        "errors": [{"message": "canary-error"}],
        "output_file": "canary-file",
    }
    shown = job(status="RUNNING", completed_at=None, **canaries)
    set_active(metrics, "one", {shown.id: shown})
    logging(metrics, first_seen("one", shown, NOW))
    metrics.swept("one", failed(Reason.REJECTED), NOW, 0.1)
    metrics.deliveries.settled(settled(Result.REFUSED))
    assert b"canary" not in metrics.render()


def test_labels_are_what_was_agreed(metrics):
    """Every family of the page has the labels of its kind and no others."""
    set_active(metrics, "one", {"a": job(status="RUNNING")})
    allowed = {"account", "receiver", "reason", "result", "call", "code", "status", "job", "model", "endpoint", "type"}
    allowed |= {"outcome", "state", "part", "le", "kind"}
    ours = {name: family for name, family in families(metrics.render()).items() if name.startswith("batchtracker_")}
    assert {label for family in ours.values() for sample in family.samples for label in sample.labels} == allowed


def test_active_jobs_go_on_while_they_are_read(metrics, monkeypatch):
    """The jobs' states show without a notification, and a page shows one moment."""
    jobs = {"a": job(id="a", status="RUNNING"), "b": job(id="b", status="RUNNING")}
    set_active(metrics, "one", jobs)
    del jobs["b"]
    monkeypatch.setattr(metrics.active, "most", 1)
    assert samples(metrics.render())["batchtracker_job_series_omitted", (("account", "one"),)] == 0
    jobs["c"] = job(id="c", status="RUNNING")

    def render(snapshots, _most):
        jobs.clear()
        return repr([*snapshots["one"]]).encode()

    monkeypatch.setattr(metrics.active._series, "render", render)
    assert metrics.active.render_series() == b"['a', 'c']"
