"""`download`, run as a user would: from the archive, from the API, beside what is there already, interrupted and refused."""

import hashlib
import json
import os
import signal
import stat
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from archiving import archived_file, ended, results_of
from click.testing import CliRunner
from files_api import CANARY, File, content, files_api, sha256
from job_changes import SINCE, seen
from matrix import matrix
from screens import on_a_terminal
from simulated_jobs import begin, end
from tracking import COMMAND, Installation, simulated
from waiting import until

from tracker.cli import group
from tracker.core.errors.config_error import ConfigError
from tracker.core.ports.store import Checkpoint
from tracker.store.opening import open_store

COUNTED = {"total_requests": 3, "completed_requests": 3, "succeeded_requests": 3}
JOB = "541d1a81-4815-442c-8f7c-6d7a4d5f4a3e"


def archiving(installation):
    """The same installation, with an archive beside its database: the directory."""
    archive = installation.config.with_name("archive")
    with installation.config.open("a") as config:
        config.write(f'[results]\narchive = "{archive}"\nmin_free = "0B"\n')
    return archive


def stored(folder):
    """By name, what is in the files of the folder; each is for its owner alone."""
    files = sorted(Path(folder).iterdir()) if Path(folder).exists() else []
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} <= {0o600}
    return {file.name: file.read_bytes() for file in files}


async def logged(installation, job_id=JOB, *, output="out", record=None, **properties):
    """Log a job that has ended with this output file; `record` are its files in the archive."""
    async with open_store(installation.database) as store:
        await store.checkpoint("default", Checkpoint(since=SINCE, horizon=0))
        store.archive.enable(["default"])
        change = ended(job_id, output=output, **COUNTED | properties)
        await store.record("default", [change])
        if record:
            await store.archive.record(results_of(change, files=record))


@asynccontextmanager
async def job_with_files(folder, **files):
    """A job in the log whose files an API serves: the installation and the API."""
    async with files_api(**files) as api:
        installation = Installation(folder, api.server.url)
        await logged(installation, error="err" if "err" in files else None)
        yield installation, api


async def test_archived_files_come_from_the_archive(tmp_path):
    """What the daemon has archived needs no API and no key; path and digest are those of the file, and it is there once."""
    async with simulated() as simulator:
        (job_id,) = begin(simulator, requests=30)
        installation = Installation(tmp_path, simulator.url, poll_interval="100ms")
        archiving(installation)
        async with installation.running() as daemon:
            end(simulator, job_id, "partial")
            await daemon.says("results.archived")
            asked = simulator.requests.total()
        folder = tmp_path / "made" / "results"
        installation.environment = {}
        for _ in range(2):
            done = await installation.command("download", job_id[:8], "--output", str(folder))
            assert done.returncode == 0, done.stderr
            assert done.stdout.split() == [str(folder / f"{job_id}-{kind}.jsonl") for kind in ("output", "error")]
        assert simulator.requests.total() == asked
        known = json.loads((await installation.command("results", job_id, "--json")).stdout)
    files = stored(folder)
    assert {file["sha256"] for file in known["files"]} == {sha256(data) for data in files.values()}
    assert sum(len(data.splitlines()) for data in files.values()) == 30
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert done.stderr.count("already there") == 2


async def test_files_come_from_the_api_where_nothing_is_archived(tmp_path):
    """Without daemon, log and archive the files of a whole ID are downloaded, and --json says what they are."""
    async with simulated() as simulator:
        (job_id,) = begin(simulator, requests=30)
        end(simulator, job_id, "partial")
        installation = Installation(tmp_path, simulator.url)
        done = await installation.command("download", job_id, "--output", str(tmp_path / "there"), "--json", "--quiet")
        assert (done.returncode, done.stderr) == (0, "")
        unknown = await installation.command("download", JOB)
        assert (unknown.returncode, unknown.stdout) == (1, "")
        assert f"no job's ID starts with {JOB}" in unknown.stderr
    objects = [json.loads(line) for line in done.stdout.splitlines()]
    files = stored(tmp_path / "there")
    assert [(each["kind"], each["job"], each["account"], each["source"]) for each in objects] == [
        ("output", job_id, "default", "api"),
        ("error", job_id, "default", "api"),
    ]
    for each in objects:
        data = files[Path(each["path"]).name]
        assert (each["bytes"], each["sha256"], each["lines"]) == (len(data), sha256(data), data.count(b"\n"))
    assert sum(each["lines"] for each in objects) == 30


@pytest.mark.parametrize(
    ("way", "options", "status", "kinds"),
    matrix(
        [
            ("partial", (), 1, ["output", "error"]),
            ("success", (), 0, ["output"]),
            ("partial", ("--allow-partial", "--kind", "error"), 0, ["error"]),
            ("all_failed", ("--allow-partial",), 1, ["error"]),
            ("failed", (), 1, []),
        ],
    ),
)
async def test_waiting_ends_with_the_status_of_wait(tmp_path, way, options, status, kinds):
    """With --wait the files are downloaded once the job is over, and the status is that of `wait`."""
    async with simulated() as simulator:
        (job_id,) = begin(simulator, requests=20)
        installation = Installation(tmp_path, simulator.url, poll_interval="50ms")
        command = [*COMMAND, "--config", str(installation.config), "download", job_id, "--wait", "--output", "made", *options]
        async with await anyio.open_process(command, env=installation.environment, cwd=tmp_path) as process:
            with anyio.fail_after(60):
                said = await until_says(process.stderr, b"RUNNING")
                end(simulator, job_id, way)
                said += b"".join([part async for part in process.stderr])
                out = b"".join([part async for part in process.stdout])
                assert await process.wait() == status, said
    assert out.decode().split() == [f"made/{job_id}-{kind}.jsonl" for kind in kinds]
    assert {*stored(tmp_path / "made")} == {f"{job_id}-{kind}.jsonl" for kind in kinds}
    assert b"did not succeed in full" in said or status == 0


async def until_says(stream, words):
    said = b""
    while words not in said:
        said += await stream.receive()
    return said


@pytest.mark.slow
async def test_job_that_is_not_over(tmp_path):
    """Without --wait it is status 1, and said what to do; with --timeout it is 124, and no file is there."""
    async with simulated() as simulator:
        (job_id,) = begin(simulator)
        installation = Installation(tmp_path, simulator.url, poll_interval="50ms")
        done = await installation.command("download", job_id, "--output", str(tmp_path / "made"))
        assert (done.returncode, done.stdout) == (1, "")
        assert f"job {job_id} is not over yet (RUNNING); --wait waits for it" in done.stderr
        timed = await installation.command(
            "download", job_id, "--wait", "--timeout", "300ms", "--output", str(tmp_path / "made")
        )
        assert (timed.returncode, timed.stdout) == (124, "")
        assert "not over after the --timeout" in timed.stderr
    assert stored(tmp_path / "made") == {}


async def test_another_file_is_not_overwritten(tmp_path):
    """A file of the same name and another content stays as it is: status 1, and it is said; the same content is fine."""
    data = content(3)
    async with job_with_files(tmp_path, out=File(data), err=File(content(1))) as (installation, api):
        folder = tmp_path / "made"
        folder.mkdir()
        target = folder / f"{JOB}-output.jsonl"
        target.write_bytes(b"mine")
        target.chmod(0o600)
        done = await installation.command("download", JOB, "--output", str(folder))
        assert done.returncode == 1
        assert done.stdout.split() == [str(folder / f"{JOB}-error.jsonl")], "the other file is downloaded all the same"
        assert f"{target}: exists with another content" in done.stderr
        assert stored(folder) == {target.name: b"mine", f"{JOB}-error.jsonl": content(1)}
        target.write_bytes(data)
        assert (await installation.command("download", JOB, "--output", str(folder))).returncode == 0
        assert stored(folder)[target.name] == data
    assert api.files["out"].downloads == 2


async def test_recorded_digest_is_verified_whatever_the_source(tmp_path):
    """A corrupt archive is said and the API asked; content that is not what was archived is never kept."""
    data = content(3)
    async with files_api(out=File(data)) as api:
        installation = Installation(tmp_path, api.server.url)
        archive = archiving(installation)
        stored_file = archive / "default" / "out.jsonl"
        stored_file.parent.mkdir(parents=True)
        stored_file.write_bytes(data[:-5])
        right = archived_file(location=f"file://{stored_file}")
        await logged(installation, record=(replaced(right, data),))
        done = await installation.command("download", JOB, "--output", str(tmp_path / "made"))
        assert (done.returncode, "the archive cannot be used, asking the API: its SHA-256 is" in done.stderr) == (0, True)
        assert stored(tmp_path / "made") == {f"{JOB}-output.jsonl": data}
        api.files["out"].data = content(2)
        await logged(installation, "another", record=(replaced(right, data),))
        changed = await installation.command("download", "another", "--output", str(tmp_path / "other"))
    assert changed.returncode == 1
    assert f"its SHA-256 is {sha256(content(2))}, and that of the archived file is {sha256(data)}" in changed.stderr
    assert stored(tmp_path / "other") == {}


def replaced(file, data):
    return type(file)(
        kind=file.kind, file_id=file.file_id, bytes=len(data), sha256=sha256(data), lines=3, location=file.location
    )


@pytest.mark.parametrize(
    ("file", "status", "said"),
    matrix(
        [
            (File(content(3), "cut", "whole"), 0, "it is tried again"),
            (File(content(3), 404, facts=404), 1, "output file out does not exist any more (HTTP 404"),
            (File(content(3), 403), 1, "output file out may not be read with the key of account default (HTTP 403"),
            (File(content(3), 401), 2, "account default: its key is refused (HTTP 401"),
            (File(content(3), 503, "whole"), 0, "server: HTTP 503"),
            (
                File(content(3), bytes=5),
                0,
                "the same content came 3 times and is kept, in spite of this",
            ),
        ],
    ),
)
async def test_what_an_api_does_is_borne_or_said(tmp_path, file, status, said):
    """What may pass is tried again, what is final is said with its status; no half file is there, and no content is shown."""
    async with job_with_files(tmp_path, out=file) as (installation, _):
        done = await installation.command("download", JOB, "--output", str(tmp_path / "made"))
    assert done.returncode == status, done.stderr
    assert said in done.stderr
    assert CANARY not in done.stderr + done.stdout
    assert stored(tmp_path / "made") == ({} if status else {f"{JOB}-output.jsonl": content(3)})


@pytest.mark.parametrize("name", matrix(["SIGINT", "SIGTERM"]))
async def test_interrupted_download_leaves_nothing(tmp_path, name):
    """A signal in the middle of a file ends with 128 and its number; neither the file nor a part of it is left."""
    async with job_with_files(tmp_path, out=File(content(1000), "waits")) as (installation, api):
        command = [*COMMAND, "--config", str(installation.config), "download", JOB, "--output", "made"]
        async with await anyio.open_process(command, env=installation.environment, cwd=tmp_path) as process:
            with anyio.fail_after(30):
                await api.began.wait()
                await until((tmp_path / "made" / f"{JOB}-output.jsonl.part").exists)
                process.send_signal(signal.Signals[name])
                said = b"".join([part async for part in process.stderr])
                assert await process.wait() == 128 + signal.Signals[name]
    assert b"Traceback" not in said
    assert stored(tmp_path / "made") == {}


@pytest.mark.slow
async def test_terminal_has_a_bar_and_a_pipe_none(tmp_path):
    """On a terminal a bar says how much has come; in a pipe nothing is drawn, and standard output has paths alone."""
    async with job_with_files(tmp_path, out=File(content(1000), "waits", "whole")) as (installation, api):
        folder = str(tmp_path / "made")
        with on_a_terminal(installation, "download", JOB, "--output", folder, columns=100) as screen:
            await api.began.wait()
            await anyio.to_thread.run_sync(screen.shows, "output", "━", " of ", " 50 %")
            api.files["out"].goes_on.set()
            assert await anyio.to_thread.run_sync(screen.ends) == 0
            assert f"{JOB}-output.jsonl" in screen.text.replace("\n", "")
        piped = await installation.command("download", JOB, "--output", str(tmp_path / "other"))
    assert piped.stdout == f"{tmp_path / 'other' / JOB}-output.jsonl\n"
    assert "\x1b" not in piped.stderr + piped.stdout


async def test_hostile_ids_stay_in_the_directory(tmp_path):
    """Whatever an API calls its jobs, a file is written in the directory alone, under a harmless name."""
    job_id = "../../x/\x1b[2J\n::error::forged"
    async with files_api(out=File(content(3))) as api:
        installation = Installation(tmp_path, api.server.url)
        await logged(installation, job_id)
        done = await installation.command("download", "../..", "--output", str(tmp_path / "deep" / "made"))
    assert done.returncode == 0
    digest = hashlib.sha256(job_id.encode()).hexdigest()
    assert {*stored(tmp_path / "deep" / "made")} == {f"~{digest}-output.jsonl"}
    assert os.listdir(tmp_path / "deep") == ["made"]  # noqa: PTH208 - there are no paths in it


@pytest.mark.slow
async def test_links_lead_nowhere(tmp_path):
    """A link that someone has put where the file is written first, or where it will be, leads to no other file."""
    data = content(3)
    async with job_with_files(tmp_path, out=File(data)) as (installation, _):
        other = tmp_path / "other"
        other.write_bytes(b"precious")
        part, target = (tmp_path / "made" / f"{JOB}-output.jsonl{suffix}" for suffix in (".part", ""))
        part.parent.mkdir()
        for link in (lambda: part.hardlink_to(other), lambda: part.symlink_to(other), lambda: target.symlink_to(other)):
            link()
            done = await installation.command("download", JOB, "--output", str(part.parent))
            assert (done.returncode, done.stdout) == (1, "")
            assert other.read_bytes() == b"precious"
            part.unlink(missing_ok=True)
        for other_kind in (lambda: target.symlink_to(tmp_path / "absent"), lambda: os.mkfifo(target)):
            target.unlink()
            other_kind()
            assert (await installation.command("download", JOB, "--output", str(part.parent))).returncode == 1
    assert not (tmp_path / "absent").exists()


def test_mistakes_of_usage(tmp_path):
    """Options that need --wait, an unknown account, a kind that the job does not name, a directory that is a file."""
    installation = Installation(tmp_path, "http://127.0.0.1:1")
    anyio.run(logged, installation)
    (tmp_path / "file").write_text("")
    for arguments, status, said in (
        ((JOB, "--timeout", "1s"), 2, "--timeout and --allow-partial need --wait"),
        ((JOB, "--account", "unknown"), 2, "no account 'unknown' in the configuration; there are: default"),
        ((JOB, "--kind", "error"), 1, f"job {JOB} (SUCCESS) names no error file"),
        ((JOB, "--output", str(tmp_path / "file")), 2, "is a file"),
        (("",), 2, "an ID is empty"),
    ):
        done = CliRunner().invoke(group, ["--config", str(installation.config), "download", *arguments])
        error = done.exception
        shown = getattr(error, "status", 2 if isinstance(error, ConfigError) else done.exit_code)
        assert (shown, done.stdout, said in f"{done.stderr}{error}") == (status, "", True), done.output


@pytest.mark.slow
async def test_job_that_the_log_has_as_active(tmp_path):
    """Where no daemon watches, the log may be old: the API is asked whether the job is over."""
    async with simulated() as simulator:
        (job_id,) = begin(simulator, requests=5)
        installation = Installation(tmp_path, simulator.url)
        async with open_store(installation.database) as store:
            await store.checkpoint("default", Checkpoint(since=SINCE, horizon=0))
            await store.record("default", [seen(job_id, status="RUNNING")])
        end(simulator, job_id)
        done = await installation.command("download", job_id[:8], "--output", str(tmp_path / "made"))
    assert done.returncode == 0, done.stderr
    assert {*stored(tmp_path / "made")} == {f"{job_id}-output.jsonl"}


@pytest.mark.slow
async def test_files_that_come_later_than_the_success_are_waited_for(tmp_path):
    """Where the API shows SUCCESS before it shows the files, it is asked again until they are there."""
    async with simulated() as simulator:
        (job_id,) = begin(simulator, requests=5, settling=4.0)
        end(simulator, job_id)
        done = await Installation(tmp_path, simulator.url).command("download", job_id, "--output", str(tmp_path / "made"))
        assert simulator.requests["get"] > 1
    assert done.returncode == 0, done.stderr
    assert {*stored(tmp_path / "made")} == {f"{job_id}-output.jsonl"}
