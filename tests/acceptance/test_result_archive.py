"""The real command archives results beside a simulated API: whole, once, for its owner alone, whatever that API does."""

import signal
from functools import partial

import anyio
import httpx
import pytest
from archives import Archiving, read
from simulated_jobs import begin, end
from tracking import simulated
from waiting import until

from tracker.daemon.control.control_file import read_control_file
from tracker.simulator.job_timeline import FileFaults

ENDS = ("success", "partial", "all_failed", "expired", "cancelled")
SENTENCE = "The invoice is due at the end of the month."
"""What answers of the simulated API say."""

WRITABLE = (".db", ".db-wal", ".db-shm")


def ended(simulator, how="partial", **plan):
    """A job that has ended in this way a moment ago, and half of whose requests were processed before it was cut off."""
    (id_,) = begin(simulator, **{"requests": 200, "running": 200.0 if how in ("expired", "cancelled") else 100.0} | plan)
    end(simulator, id_, how)
    return id_


async def test_results_of_every_end_are_archived(tmp_path):
    """Partial results count too; nothing of an answer is shown; a restart fetches nothing again, and a stop is quick."""
    async with simulated() as simulator:
        installation = Archiving(tmp_path, simulator.url, request_timeout="60s")  # each request is made once
        ids = [ended(simulator, how) for how in ENDS]
        async with installation.running("--verbose") as daemon:
            await installation.wait_for_results(ids)
            async with httpx.AsyncClient(base_url=daemon.url) as client:
                pages = ("/metrics", "/api/jobs", "/", "/api/events", *(f"/jobs/{id_}" for id_ in ids))
                shown = "".join([(await client.get(path)).text for path in pages])
                assert (await client.get(f"/api/jobs/{ids[0]}/files/output")).status_code == 401
                client.headers["authorization"] = f"Bearer {read_control_file(installation.database).token}"
                served = [await client.get(f"/api/jobs/{ids[1]}/files/{kind}") for kind in ("output", "error")]
            assert await daemon.stop(signal.SIGTERM) == 0
        installation.check(is_over=True)
        installation.check_against(simulator)
        kinds = {id_: {file["kind"] for file in results["files"]} for id_, results in installation.recorded().items()}
        contents = [read(path).decode() for path in installation.files().values()]
        downloads = simulator.requests["files.content"]
        async with installation.running() as daemon:
            later = ended(simulator)
            await installation.wait_for_results([*ids, later])
            assert await daemon.stop(signal.SIGTERM) == 0
        assert simulator.requests["files.content"] == downloads + 2
    assert {answer.content.decode() for answer in served} <= {*contents}
    assert kinds[ids[0]] == {"output"}
    assert kinds[ids[1]] == {"output", "error"}
    assert kinds[ids[2]] == {"error"}
    assert kinds.keys() == set(ids)
    assert any(SENTENCE in content for content in contents)
    stored = b"".join(path.read_bytes() for path in tmp_path.iterdir() if path.suffix in WRITABLE).decode("utf-8", "replace")
    assert SENTENCE not in shown + stored + str(daemon.lines)
    assert [line for line in daemon.lines if line["event"] == "results.archived"]


@pytest.mark.slow
async def test_client_that_deletes_its_files_at_once(tmp_path):
    """Of jobs whose owner deletes the files as soon as they are read each has its results, or is said to have lost them."""
    from mistralai.client import Mistral, models  # noqa: PLC0415 - long to load, and each worker collects all tests
    from mistralai.extra.batch import BatchClient, BatchInput  # noqa: PLC0415

    payload = {str(number): models.ChatCompletionRequest(model="m", messages=[]) for number in range(20)}
    async with simulated(speed=600.0) as simulator, Mistral(api_key="any", server_url=simulator.url) as client:
        installation = Archiving(tmp_path, simulator.url, poll_interval="50ms", requests_per_second=1000)
        batch = BatchClient(client, endpoint="/v1/chat/completions", response_body_type=models.ChatCompletionResponse)
        async with installation.running() as daemon:
            async with anyio.create_task_group() as group:
                for how in ("success", "partial", "all_failed") * 3:
                    metadata = {"simulate": how}
                    run = partial(batch.run, model="m", metadata=metadata, poll_interval_seconds=0.05)
                    group.start_soon(run, BatchInput.from_payload(payload))
            ids = simulator.workspace.plans.keys()
            assert len(ids) == 9
            await installation.wait_for_results(ids)
            assert await daemon.stop(signal.SIGTERM) == 0
        installation.check(is_over=True)
        recorded = installation.recorded()
        for results in recorded.values():
            assert {each["reason"] for each in results["missing"]} <= {"gone"}
        installation.check_against(simulator)


@pytest.mark.slow
async def test_reload_and_stop_in_the_middle_of_a_file(tmp_path):
    """Archiving begins, moves and ends with SIGHUP, and a file that is under way holds up neither that nor the stop."""
    async with simulated() as simulator:
        installation = Archiving(tmp_path, simulator.url)
        whole = installation.config.read_text()
        off = whole.replace("[results]", "[results]\naccounts = ['none']")
        installation.config.write_text(off)
        async with installation.running() as daemon:
            unarchived = ended(simulator)
            await installation.wait_for_events(lambda events: {event["data"]["id"] for event in events} >= {unarchived})
            installation.config.write_text(whole)
            await reload(daemon)
            archived = ended(simulator)
            await installation.wait_for_results([archived])
            slow = ended(simulator, "success", requests=2000, file_faults=FileFaults(download="download-slow"))
            await until(lambda: any(path.suffix == ".part" for path in installation.files().values()))
            installation.config.write_text(whole.replace(str(installation.root), str(tmp_path / "elsewhere")))
            await reload(daemon)
            await until(lambda: not any(path.suffix == ".part" for path in installation.files().values()))
            await until(lambda: any((tmp_path / "elsewhere").rglob("*.part")))
            assert await daemon.stop(signal.SIGTERM) == 0
        assert not [*(tmp_path / "elsewhere").rglob("*.part")]
    assert installation.recorded().keys() == {archived}
    assert installation.tasks() == [slow]


async def reload(daemon):
    seen = len(daemon.lines)
    daemon.process.send_signal(signal.SIGHUP)
    await daemon.says("configuration.reloaded", after=seen)


FAULTS = {
    "gone at once": (FileFaults(gone_after=0.0), {"gone"}),
    "expired at once": (FileFaults(gone_after=0.0, expires=True), {"gone"}),
    "forbidden": (FileFaults(forbidden=True), {"forbidden"}),
    "wrong bytes": (FileFaults(wrong_bytes=7), {"archived"}),
    "wrong lines": (FileFaults(wrong_lines=1), {"archived"}),
    "unmeasured": (FileFaults(wrong_bytes=None, wrong_lines=None), {"archived"}),
    "truncated": (FileFaults(missing=3), {"archived"}),
    "slow": (FileFaults(download="download-slow"), {"archived"}),
}
ENDLESS = ("download-cut", "download-cut-chunked", "download-short", "download-404", "download-500", "download-503")


@pytest.mark.slow
async def test_every_fault_of_files(tmp_path):
    """Each file is archived, or is said to be gone or forbidden; what fails each time is tried on, and delays no other."""
    async with simulated() as simulator:
        installation = Archiving(tmp_path, simulator.url)
        hopeless = [ended(simulator, file_faults=FileFaults(download=fault)) for fault in ENDLESS]
        ids = {ended(simulator, file_faults=faults): states for faults, states in FAULTS.values()}
        async with installation.running() as daemon:
            await installation.wait_for_results(ids)
            assert await daemon.stop(signal.SIGTERM) == 0
        installation.check(is_over=False)
        installation.check_against(simulator)
        recorded = installation.recorded()
    assert set(installation.tasks()) == set(hopeless)
    for (name, _), (id_, states) in zip(FAULTS.items(), ids.items(), strict=True):
        found = {each["reason"] for each in recorded[id_]["missing"]} or {"archived"}
        assert found == states, name
    reasons = {line["reason"] for line in daemon.lines if line["event"] == "archive.postponed"}
    assert reasons >= {"network", "contradicted", "not_found", "server"}
