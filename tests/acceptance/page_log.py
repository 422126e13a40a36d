"""Logs for the pages to show, written by the store itself: one with something of everything, a hostile one, a large one."""

import time

import msgspec

from tracker.core.deliveries.circuit import Circuit
from tracker.core.deliveries.delivery import Outcome, Result, settle
from tracker.core.deliveries.fan_out import Subscription
from tracker.core.events.job_diff import deletion, diff, first_seen
from tracker.core.jobs.job_reading import read_job
from tracker.core.results.archive_outcome import Results
from tracker.core.results.cost import Cost
from tracker.core.results.failure_digest import Digest, FailureGroup
from tracker.core.results.result_file import ArchivedFile, MissingFile
from tracker.core.results.usage import ModelUsage, Usage
from tracker.store.opening import open_store

UNREACHABLE = "http://127.0.0.1:1"
"""An API that is not there: what the log says is all there is."""

SUBSCRIPTIONS = [
    Subscription(receiver="pipeline", events=("batch.*",)),
    Subscription(receiver="gone", events=("batch.failed",)),
]
_DEAD = Outcome(result=Result.SERVER, status=500, detail="HTTP 500", answer="<h1>out of order</h1>")
_GONE = Outcome(result=Result.GONE, status=410, detail="HTTP 410")


def now():
    return time.time_ns() // 1_000_000


def a_job(id_, status="QUEUED", total=0, succeeded=0, failed=0, **properties):
    counters = {"total_requests": total, "completed_requests": succeeded + failed}
    counters |= {"succeeded_requests": succeeded, "failed_requests": failed}
    usual = {"id": id_, "status": status, "created_at": now() // 1000 - 3600, "model": "mistral-small-latest"}
    return read_job(usual | counters | {"endpoint": "/v1/chat/completions"} | properties)


class LogWriter:
    """Records what is seen of the jobs of an account, an event after the other, as if it were later each time."""

    def __init__(self, store, account="default"):
        self._store = store
        self._account = account
        self._at = now() - 3_000_000

    async def see(self, *states, step=60_000):
        """What a job was, one state after the other; None where the API has it no more."""
        known = None
        for state in states:
            self._at += step
            if state is None:
                change = deletion(self._account, known, self._at)
            else:
                change = (
                    first_seen(self._account, state, self._at) if known is None else diff(self._account, known, state, self._at)
                )
            known = change.known
            await self._store.record(self._account, [change])

    def _change(self, known, state):
        return first_seen(self._account, state, self._at) if known is None else diff(self._account, known, state, self._at)

    async def attempt(self, receiver, outcome, circuit, count=1):
        """Settle `count` attempts of what waits for a receiver."""
        for delivery in (await self._store.outbox.claim(receiver, now() * 2, 1e9, 1000, ()))[:count]:
            settlement = settle(delivery, outcome, (), (self._at, self._at + 250), 0.5)
            await self._store.outbox.settle(receiver, [settlement], circuit)


async def log_something_of_everything(database):
    """Jobs in every state, one with a history, two with results; dead deliveries, some that wait, a receiver that is gone."""
    async with open_store(database, SUBSCRIPTIONS) as store:
        store.archive.enable(["default"])
        scribe = LogWriter(store)
        await scribe.see(*(a_job("job-steady", "RUNNING", 1000, done * 60, done * 2) for done in range(12)))
        await scribe.see(
            a_job("job-partial", "RUNNING", 10), a_job("job-partial", "SUCCESS", 10, 7, 3, completed_at=now() // 1000 - 900)
        )
        await scribe.see(a_job("job-lost", "RUNNING", 10), a_job("job-lost", "SUCCESS", 10, 0, 10))
        errors = [{"message": "The model was withdrawn", "count": 1}]
        await scribe.see(a_job("job-failed", "RUNNING", 10, 2), a_job("job-failed", "FAILED", 10, 2, errors=errors))
        await scribe.see(a_job("job-late"), a_job("job-late", "TIMEOUT_EXCEEDED", 10, 2))
        await scribe.see(
            a_job("job-cancelled"), a_job("job-cancelled", "CANCELLATION_REQUESTED"), a_job("job-cancelled", "CANCELLED")
        )
        await scribe.see(a_job("job-odd", "VALIDATING"))
        await scribe.see(a_job("job-gone"), None)
        await scribe.see(a_job("job-waiting", metadata={"team": "research", "timeout_hours": "2"}))
        await scribe.attempt("pipeline", _DEAD, Circuit(failures=2, since=now(), reason="server", detail="HTTP 500"), 14)
        gone = Circuit(failures=1, since=now(), reason="gone", detail="HTTP 410", disabled=True)
        await scribe.attempt("gone", _GONE, gone)
        files = {"output_file": "file-out", "error_file": "file-err"}
        await scribe.see(a_job("job-pending", "SUCCESS", 10, 9, 1, **files))
        await scribe.see(a_job("job-archived", "SUCCESS", 10, 8, 2, **files))
        await store.archive.record(results_of("job-archived", "the prompt has <# tokens>"))


def results_of(job_id, message):
    """Results of which one file is missing, whose failed requests say `message`, in every place where that can stand."""
    output = ArchivedFile(
        kind="output", file_id=message, bytes=12_345, sha256="ab" * 32, lines=10, location=f"file:///{message}"
    )
    groups = (
        FailureGroup(status=429, code=message, message=message, count=2, custom_ids=(message, "b"), sample=f"sample {message}"),
        FailureGroup(status=None, code=None, message="no response", count=1),
    )
    used = ModelUsage(requests=8, prompt_tokens=1_234_567, completion_tokens=89, total_tokens=1_234_656, pages=3)
    return Results(
        account="default",
        job_id=job_id,
        archived_at=now(),
        files=(output,),
        missing=(MissingFile(kind="error", file_id="file-err", reason="gone", detail=message),),
        digest=Digest(
            failed=3, unreadable=1, groups=groups, groups_omitted=2, other=4, job_errors=(message,), mismatch=message
        ),
        usage=Usage(total=used, by_model={message: used, "other": used}),
        cost=Cost(amounts={"EUR": "0.1234"}, unpriced_models=(message,)),
    )


HOSTILE = {
    "script": '<script>window.harmed = 1</script><img src=x onerror="window.harmed = 1">',
    "quotes": "\"'><svg onload=window.harmed=1>",
    "template": "{{ 7 * 7 }}{% raw %}${7*7}",
    "right to left": "safe\u202egnp.exe\u202c \u2066isolated",
    "control": "bell\x07 null\x00 escape\x1b[31m",
    "long": "x" * 10_000,
    "</script><script>window.harmed=1</script>": "a name",
    "javascript:window.harmed=1": "javascript:window.harmed=1",
    "nested": {"<b>": ["<i>", {"onclick": "window.harmed=1"}]},
}
HOSTILE_ID = "<script>window.harmed=1</script>/../\"'?#%00&amp;"


async def log_hostile_jobs(database):
    """A job every property of which is against the reader, one whose id is, and one of a status that is."""
    harm = HOSTILE["script"]
    worst = {"metadata": HOSTILE, "model": harm, "endpoint": harm, "agent_id": harm, "input_files": [harm]}
    errors = [{"message": harm, "count": 1}, harm]
    async with open_store(database, SUBSCRIPTIONS) as store:
        store.archive.enable(["default"])
        scribe = LogWriter(store)
        await scribe.see(
            a_job("worst", "RUNNING", 10, 1, **worst),
            a_job("worst", "RUNNING", 10, 2, **worst | {"model": harm * 2, "unknown": harm}),
            a_job("worst", "FAILED", 10, 2, **worst, errors=errors, outputs=[harm], output_file=harm, error_file=harm),
        )
        await store.archive.record(results_of("worst", harm + HOSTILE["right to left"]))
        await scribe.see(a_job(HOSTILE_ID, "RUNNING", 10, 1, **worst))
        await scribe.see(a_job("status", harm, 10, 1))
        bad = Outcome(result=Result.REFUSED, status=400, detail=harm, answer=harm)
        await scribe.attempt("pipeline", bad, Circuit(failures=1, since=now(), reason=harm, detail=harm), 100)


async def log_many_jobs(database, count):
    """`count` jobs, every tenth of them active, created a second apart."""
    began = now() // 1000 - count
    jobs = [
        a_job(
            f"job-{number:05}",
            "RUNNING" if number % 10 == 0 else "SUCCESS",
            100,
            *((number % 100, 0) if number % 10 == 0 else (100, 0)),
            created_at=began + number,
            model=f"model-{number % 7}",
            metadata={"team": f"team-{number % 1000}"},
        )
        for number in range(count)
    ]
    async with open_store(database, ()) as store:
        for start in range(0, count, 1000):
            seen = [first_seen("default", job, now()) for job in jobs[start : start + 1000]]
            await store.record("default", [msgspec.structs.replace(change, backfilled=True) for change in seen])
