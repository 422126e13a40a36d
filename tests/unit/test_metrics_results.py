"""What becomes of results is counted by account and kind, model and currency, each file once; pending requests are summed."""

from decimal import Decimal

import pytest
from archiving import archived_file, missing_file
from core_samples import job
from metrics_reading import changed, samples, set_active

from tracker.core.results.archive_outcome import Results
from tracker.core.results.cost import Price
from tracker.core.results.usage import ModelUsage, Usage
from tracker.metrics import Metrics
from tracker.metrics.jobs.model_labels import MODELS
from tracker.metrics.results import FAILURE_REASONS, MISSING_REASONS
from tracker.results import failed_attempt

PRICES = (
    Price(model="small*", currency="EUR", input_per_million=Decimal("0.1"), output_per_million=Decimal(2)),
    Price(model="ocr", currency="USD", per_thousand_pages=Decimal(3)),
)
SMALL = ModelUsage(requests=2, prompt_tokens=1_000_000, completion_tokens=500_000, total_tokens=1_500_000)
OCR = ModelUsage(requests=1, pages=2000)
OUTPUT = archived_file("out")
ERROR = archived_file("err", "error")


@pytest.fixture
def metrics():
    metrics = Metrics()
    metrics.configured({"one": 15.0}, [], prices=PRICES, pending_limits={"one": 1_000_000})
    return metrics


def results(*files, missing=(), used=None, account="one"):
    usage = Usage(by_model=used) if used else None
    return Results(account=account, job_id="job", archived_at=1, files=files, missing=missing, usage=usage)


def counting(metrics, *archived):
    """What is different once these results, each with the files that were recorded earlier, were recorded."""
    before = metrics.render()
    for outcome, earlier in archived:
        metrics.results.archived(outcome, earlier)
    return changed(before, metrics.render())


def test_archived_results(metrics):
    """Files and bytes are counted by kind; tokens, pages and cost by model, what has no price without cost."""
    used = {"small-2506": SMALL, "ocr": OCR, "free": ModelUsage(prompt_tokens=7)}
    assert counting(metrics, (results(OUTPUT, ERROR, used=used), ())) == {
        ("archived_files_total", "one", "output"): 1,
        ("archived_files_total", "one", "error"): 1,
        ("archived_bytes_total", "one", "output"): 100,
        ("archived_bytes_total", "one", "error"): 100,
        ("result_prompt_tokens_total", "one", "small-2506"): 1_000_000,
        ("result_completion_tokens_total", "one", "small-2506"): 500_000,
        ("result_pages_total", "one", "ocr"): 2000,
        ("result_prompt_tokens_total", "one", "free"): 7,
        ("result_cost_total", "one", "EUR", "small-2506"): 1.1,
        ("result_cost_total", "one", "USD", "ocr"): 6,
    }


def test_a_file_counts_once(metrics):
    """A file that was recorded before is not counted again with another one, and neither is what it says."""
    used = {"small": SMALL}
    assert counting(metrics, (results(OUTPUT, ERROR, used=used), (OUTPUT,))) == {
        ("archived_files_total", "one", "error"): 1,
        ("archived_bytes_total", "one", "error"): 100,
    }
    found = counting(metrics, (results(OUTPUT, ERROR, used=used), (ERROR,)))
    assert found["archived_files_total", "one", "output"] == found["result_prompt_tokens_total", "one", "small"] / 1e6 == 1


def test_missing_files_and_failed_attempts(metrics):
    """Each is counted by its reason, one that is not known as another; an account that is not configured has no series."""
    missing = [missing_file(reason=reason) for reason in MISSING_REASONS]
    assert counting(metrics, (results(missing=missing), ())) == {
        ("missing_result_files_total", "one", reason): 1 for reason in MISSING_REASONS
    }
    before = metrics.render()
    for reason in (failed_attempt.ARCHIVE, failed_attempt.DISK_FULL, failed_attempt.CONTRADICTED, "rate_limited", "canary"):
        metrics.results.postponed("one", reason)
        metrics.results.postponed("two", reason)
    assert {key[2] for key in changed(before, metrics.render())} == {
        *("archive", "disk_full", "contradicted", "rate_limited", "other")
    }
    assert counting(metrics, (results(OUTPUT, used={"small": SMALL}, account="two"), ())) == {}


def test_everything_is_at_zero_from_the_start(metrics):
    """Closed labels exist before anything happens, and the counters of a model once there is a job of it."""
    set_active(metrics, "one", {"a": job(status="RUNNING", model="small")})
    found = samples(metrics.render())
    for reason in FAILURE_REASONS:
        assert found["batchtracker_archive_failures_total", (("account", "one"), ("reason", reason))] == 0
    for kind in ("output", "error"):
        assert found["batchtracker_archived_bytes_total", (("account", "one"), ("kind", kind))] == 0
    assert found["batchtracker_result_prompt_tokens_total", (("account", "one"), ("model", "small"))] == 0


def test_models_are_capped(metrics):
    """However many models the answers name, their series are bounded, and the sums are whole."""
    used = {f"model-{number}": ModelUsage(prompt_tokens=1) for number in range(MODELS + 50)}
    found = counting(metrics, (results(OUTPUT, used=used), ()))
    tokens = {key: value for key, value in found.items() if key[0] == "result_prompt_tokens_total"}
    assert (len(tokens), sum(tokens.values())) == (MODELS + 1, MODELS + 50)
    assert tokens["result_prompt_tokens_total", "one", "other"] == 50


def test_pending_requests(metrics):
    """They are the requests of active jobs that are not completed; counters that fall behind each other take none away."""
    odd = job(id="odd", status="RUNNING", total_requests=0, completed_requests=5)
    new = job(id="new", status="QUEUED", total_requests=500_000, completed_requests=0)
    set_active(metrics, "one", {"odd": odd, "new": new, "runs": job(id="runs", status="RUNNING")})
    found = samples(metrics.render())
    assert found["batchtracker_pending_requests", (("account", "one"),)] == 500_100
    assert found["batchtracker_pending_requests_limit", (("account", "one"),)] == 1_000_000
    metrics.configured({"two": 15.0}, [], pending_limits={"two": 5})
    assert b'"one"' not in metrics.render()
    assert samples(metrics.render())["batchtracker_pending_requests", (("account", "two"),)] == 0
    metrics.configured({"two": 15.0}, [], pending_limits={"two": None})
    assert b'batchtracker_pending_requests{account="two"} 0' in metrics.render()
    assert b"batchtracker_pending_requests_limit{" not in metrics.render()
