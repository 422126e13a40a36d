"""/metrics of the real daemon, busy with a simulated workspace and two receivers: what was promised is there, and is true."""

import json
import sqlite3
from collections import Counter
from contextlib import asynccontextmanager, closing

import anyio
import httpx
import pytest
from fixed_receiver import PATH, SECRET, answering
from programs import program
from prometheus_client.parser import text_string_to_metric_families
from tracking import Installation, clock, simulated
from waiting import until

from tracker.core.events.event import iso
from tracker.core.jobs.job import COUNTERS
from tracker.simulator.job_timeline import JobPlan

pytestmark = pytest.mark.xdist_group("metrics of a busy daemon")

HOSTILE = 'hostile "\\\n} 1\nforged 1'

CONTRACT = {
    "counter": [
        *("sweeps_total", "api_requests_total", "malformed_jobs_total", "stale_answers_total", "events_total"),
        *("requests_completed_total", "requests_succeeded_total", "requests_failed_total", "ended_jobs_total"),
        *(
            "delivery_attempts_total",
            "deliveries_total",
            "deliveries_silenced_total",
            "storage_errors_total",
            "config_reloads_total",
        ),
        "deliveries_silenced_total",
        *("metrics_errors_total", "archived_files_total", "archived_bytes_total", "missing_result_files_total"),
        *("archive_failures_total", "result_prompt_tokens_total", "result_completion_tokens_total", "result_pages_total"),
        *("result_cost_total", "hints_total"),
    ],
    "histogram": [
        *("sweep_duration_seconds", "api_request_duration_seconds", "job_queue_seconds", "job_run_seconds"),
        *("job_observation_lag_seconds", "delivery_duration_seconds", "delivery_latency_seconds"),
    ],
    "gauge": [
        *(
            "account_info",
            "account_up",
            "account_failing",
            "account_unreadable",
            "job_unreadable",
            "account_clock_ahead_seconds",
        ),
        *("last_good_sweep_timestamp_seconds", "sweep_interval_seconds"),
        *("sweep_backoff_seconds", "jobs", "job_total_requests", "job_completed_requests", "job_succeeded_requests"),
        *("job_failed_requests", "job_info", "job_created_timestamp_seconds", "job_status", "job_series_omitted"),
        *("active_total_requests", "active_completed_requests", "active_succeeded_requests", "active_failed_requests"),
        *("deliveries_pending", "deliveries_dead", "oldest_pending_delivery_timestamp_seconds", "receiver_failing"),
        *("orphaned_deliveries", "orphaned_jobs"),
        *("receiver_disabled", "storage_writable", "database_size_bytes", "wal_size_bytes", "last_seq", "build_info"),
        *("first_seq", "oldest_event_timestamp_seconds", "segments_size_bytes"),
        "silences_active",
        *("config_last_reload_successful", "config_last_reload_success_timestamp_seconds"),
        *("archive_tasks", "oldest_archive_task_timestamp_seconds", "pending_requests", "pending_requests_limit"),
    ],
}
"""The metrics that alerts and dashboards may rely on, without the prefix."""


def plans(began):
    """Jobs of every end, three that do not end, one of them with labels to fear; by id."""
    usual = {"requests": 20, "validated": 0.2, "queued": 0.5, "running": 1.5, "metadata": {"canary-key": "canary-value"}}
    of = {
        "success": {},
        "partial": {"failures": 3},
        "all-failed": {"failures": 20},
        "failed": {"fails_after": 1.5},
        "expired": {"timeout": 1.5, "running": 90.0},
        "cancelled": {"cancel_at": began + 1.5},
        "runs-on": {"created": began - 4, "running": 9e6, "timeout": 9e6, "model": HOSTILE, "endpoint": "/v1/hostile\n"},
        "waits": {"created": began - 2, "queued": 9e6, "timeout": 9e6, "model": None},
        "strange": {"validated": 9e6, "timeout": 9e6, "validating_as": "PAUSED"},
    }
    return [JobPlan(id=name, **{"created": began} | usual | about) for name, about in of.items()]


class Busy:
    """A daemon that was busy and is at rest: six jobs have ended, three go on."""

    def __init__(self, installation, client, simulator):
        self.installation, self.client, self.simulator = installation, client, simulator

    async def page(self):
        return (await self.client.get("/metrics")).text

    async def until(self, enough):
        """The values of the first page that has enough."""

        async def found():
            page = read(await self.page())
            return page if enough(page) else None

        return await until(found, every=0.2)

    def ask(self, sql):
        with closing(sqlite3.connect(f"file:{self.installation.database}?mode=ro", uri=True)) as connection:
            return connection.execute(sql).fetchall()

    def jobs(self):
        """Every job that the log knows, by id."""
        return {id_: json.loads(data) for id_, data in self.ask("SELECT id, data FROM jobs")}


def read(page):
    """Every value by its name, without the prefix, and the values of its labels, in the order of their names."""
    return {
        (sample.name.removeprefix("batchtracker_"), *(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def at_rest(found):
    ends = sum(value for (name, *_), value in found.items() if name == "ended_jobs_total")
    over = found["deliveries_total", "good", "delivered"] == 3 and found["deliveries_dead", "bad"] >= 1
    return ends == 6 and over and found["receiver_failing", "bad"] and found["receiver_disabled", "gone"]


@asynccontextmanager
async def installed(folder, api):
    """An installation with three receivers: one takes everything, one nothing, one wants no more."""
    async with answering() as good, answering(500, b"canary-answer") as bad, answering(410) as gone:
        installation = Installation(folder, api, poll_interval="100ms")
        installation.environment["SECRET"] = SECRET
        with installation.config.open("a") as config:
            for name, receiver in {"good": good, "bad": bad, "gone": gone}.items():
                installation.environment[name.upper()] = receiver.url + PATH
                config.write(
                    f'[[receivers]]\nname = "{name}"\nkind = "webhook"\nurl = {{ env = "{name.upper()}" }}\n'
                    'secret = { env = "SECRET" }\nevents = ["batch.completed"]\nretry = ["10ms"]\n'
                )
            config.write("[metrics]\nmax_job_series = 2\n")
        yield installation


@pytest.fixture(scope="module")
async def busy(tmp_path_factory):
    async with (
        simulated() as simulator,
        installed(tmp_path_factory.mktemp("busy"), simulator.url) as installation,
        installation.running() as daemon,
        httpx.AsyncClient(base_url=daemon.url) as client,
    ):
        busy = Busy(installation, client, simulator)
        busy.at_first = await busy.page()
        await busy.until(lambda found: found["sweeps_total", "default", "ok"])
        for plan in plans(clock()):
            simulator.workspace.add(plan)
        await busy.until(at_rest)
        yield busy


async def test_everything_that_was_promised_is_there(busy):
    """Each metric of the contract is there, of its type, with a text that explains it, and none outside the contract."""
    families = {}
    for family in text_string_to_metric_families(await busy.page()):
        if family.name.startswith("batchtracker_"):
            name = family.name.removeprefix("batchtracker_") + ("_total" if family.type == "counter" else "")
            families.setdefault(family.type, set()).add(name)
            assert family.documentation.endswith(".")
    assert families == {type_: set(names) for type_, names in CONTRACT.items()}
    found = read(await busy.page())
    for name in ("process_start_time_seconds", "process_resident_memory_bytes"):
        assert found[name,] > 0
    assert {"python_info", "python_gc_objects_collected_total"} <= {name for name, *_ in found}


async def test_series_of_closed_labels_never_come_late(busy):
    """Whatever happened since, no series came into being but those of jobs and models: no first increase was missed."""
    new = read(await busy.page()).keys() - read(busy.at_first).keys()
    assert {name for name, *_ in new if not name.startswith(("job_", "active_", "requests_", "result_"))} == set()


async def test_page_says_what_the_log_says(busy):
    """Events, jobs, ends, requests and times on the page are those of the database, each counted once."""
    found, jobs = await busy.until(at_rest), busy.jobs()
    logged = dict(busy.ask("SELECT type, count(*) FROM events WHERE account = 'default' GROUP BY type"))
    counted = {key[2]: value for key, value in found.items() if key[:2] == ("events_total", "default") and value}
    assert counted == logged
    assert found["events_total", "", "receiver.failing"] == len(
        busy.ask("SELECT 1 FROM events WHERE type = 'receiver.failing'")
    )
    known = {key[2]: value for key, value in found.items() if key[:2] == ("jobs", "default") and value}
    statuses = Counter("unrecognized" if job["status"] == "PAUSED" else job["status"] for job in jobs.values())
    assert known == statuses
    assert len(statuses) == 7
    ends = {key[2]: value for key, value in found.items() if key[0] == "ended_jobs_total"}
    assert ends == dict.fromkeys(("success", "partial", "all_failed", "failed", "expired", "cancelled"), 1) | {"empty": 0}
    for kind in ("completed", "succeeded", "failed"):
        by_model = Counter()
        for job in jobs.values():
            by_model[job["model"] or ""] += job[f"{kind}_requests"]
        assert {key[2]: value for key, value in found.items() if key[0] == f"requests_{kind}_total"} == by_model
    assert found["job_queue_seconds_count", "default"] == sum(job["started_at"] is not None for job in jobs.values())
    ran = [job for job in jobs.values() if job["completed_at"] and job["started_at"]]
    assert found["job_run_seconds_count", "default"] == len(ran)
    assert found["job_run_seconds_sum", "default"] == sum(job["completed_at"] - job["started_at"] for job in ran)
    assert found["last_seq",] == busy.ask("SELECT max(seq) FROM events")[0][0]
    assert (found["first_seq",], found["segments_size_bytes",]) == (1, 0)
    assert iso(round(found["oldest_event_timestamp_seconds",] * 1000)) == busy.ask("SELECT observed_at FROM events")[0][0]
    assert found["database_size_bytes",] == busy.installation.database.stat().st_size
    assert found["metrics_errors_total", "jobs"] == found["storage_errors_total",] == 0
    assert found["account_up", "default"] == found["storage_writable",] == 1


async def test_deliveries_are_reported_by_receiver(busy):
    """What was delivered, given up, and left to wait, by receiver and reason."""
    found = await busy.until(at_rest)
    assert found["delivery_attempts_total", "good", "delivered"] == found["delivery_latency_seconds_count", "good"] == 3
    dead = found["deliveries_dead", "bad"]
    assert found["deliveries_total", "bad", "dead"] == dead >= 1
    assert found["delivery_attempts_total", "bad", "server"] == found["delivery_duration_seconds_count", "bad"] >= 2 * dead
    assert found["delivery_attempts_total", "gone", "gone"] >= 1
    assert found["deliveries_pending", "gone"] == 3
    assert 0 < found["oldest_pending_delivery_timestamp_seconds", "gone"] <= clock()
    assert found["oldest_pending_delivery_timestamp_seconds", "good"] == found["deliveries_pending", "good"] == 0


async def test_promtool_has_nothing_to_say(busy):
    """Prometheus's own linter takes the page, hostile labels and all, without a complaint."""
    command = [program("promtool", "prometheus"), "check", "metrics"]
    checked = await anyio.run_process(command, input=(await busy.page()).encode(), check=False)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, b"", b"")


async def test_no_secret_and_nothing_of_a_job_but_its_labels(busy):
    """Neither keys, secrets, URLs, answers nor metadata are on the page; what a job calls its model is, and is only that."""
    page = await busy.page()
    for canary in ("canary", "3141", SECRET, PATH, "127.0.0.1"):
        assert canary not in page
    assert (await busy.client.get("/metrics", params={"name[]": "canary"})).text.count("canary") == 0
    assert any(HOSTILE in key for key in read(page))
    assert "\nforged" not in page


async def test_series_come_and_go_with_their_jobs(busy):
    """The oldest active jobs have series that show what the log knows of them; one that ends makes room for the next."""
    found, jobs = read(await busy.page()), busy.jobs()
    shown = {key[2] for key in found if key[0] == "job_total_requests"}
    assert shown == {"runs-on", "waits"}
    assert found["job_series_omitted", "default"] == 1
    for name in COUNTERS:
        assert {key[2]: value for key, value in found.items() if key[0] == f"job_{name}"} == {
            id_: jobs[id_][name] for id_ in shown
        }
    assert found["job_info", "default", "/v1/hostile\n", "runs-on", HOSTILE] == 1
    assert found["job_status", "default", "runs-on", "RUNNING"] == found["job_status", "default", "waits", "QUEUED"] == 1
    assert found["job_created_timestamp_seconds", "default", "waits"] == jobs["waits"]["created_at"]
    busy.simulator.workspace.cancel("waits", clock())
    found = await busy.until(lambda found: ("job_total_requests", "default", "waits") not in found)
    assert ("job_total_requests", "default", "strange") in found
    assert found["job_status", "default", "strange", "unrecognized"] == 1
    assert found["job_series_omitted", "default"] == 0
    assert not any("waits" in key for key in found)


@pytest.mark.slow
async def test_database_that_is_gone_costs_its_own_series(busy):
    """Without its file the daemon still says all that it knows, that it cannot write, and which parts are missing."""
    database = busy.installation.database
    away = database.with_name("away.db")
    database.rename(away)
    try:
        found = await busy.until(lambda found: not found["storage_writable",])
        assert found["storage_errors_total",] >= 1
        assert found["metrics_errors_total", "jobs"] >= 1
        assert found["metrics_errors_total", "accounts"] == 0
        assert ("jobs", "default", "SUCCESS") not in found
        assert ("sweeps_total", "default", "ok") in found
    finally:
        away.rename(database)
    found = await busy.until(lambda found: ("jobs", "default", "SUCCESS") in found and found["storage_writable",])
    assert found["jobs", "default", "SUCCESS"] == 3
