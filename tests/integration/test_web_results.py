"""The results of jobs over HTTP: what became of them, and the content of files, for requests with a token alone."""

import hashlib
import itertools
import random
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import httpx
import pytest
from archived_files import archive, missing, put
from archiving import SAID, ended
from job_changes import seen
from structlog.testing import capture_logs
from waiting import until
from web_application import CONTROL, RIGHT, TOKEN, served_application

from tracker.web.api.download_limit import MOST_DOWNLOADS

CONTENT = b"".join(b'{"custom_id": "%d", "note": "canary-content"}\n' % number for number in range(40_000))
SHA256 = hashlib.sha256(CONTENT).hexdigest()
FILE = "/api/jobs/job-1/files/output"
RESULTS = "/api/jobs/job-1/results"


@pytest.fixture(scope="module")
async def app(tmp_path_factory):
    """One where reading needs no token, with an archived job: `job-1`."""
    folder = tmp_path_factory.mktemp("results")
    async with served_application(folder / "tracker.db", archive=folder / "results") as app:
        app.root = folder / "results"
        await archive(app, app.root, output=CONTENT, missing=[missing()], said=SAID)
        yield app


async def test_what_became_of_the_files(app):
    """Files, missing ones, digest, usage and cost are as they were recorded, with the state and no task."""
    answer = await app.get(RESULTS, headers=RIGHT)
    found = answer.json()
    assert (answer.status_code, found["state"], found["task"], found["expired_at"]) == (200, "partial", None, None)
    assert (found["files"][0]["sha256"], found["files"][0]["bytes"]) == (SHA256, len(CONTENT))
    assert [each["reason"] for each in found["missing"]] == ["gone"]
    assert found["digest"]["groups"][0]["custom_ids"] == ["7"]
    assert found["usage"]["by_model"]["small"]["total_tokens"] == 270
    assert found["cost"] == {"amounts": {"EUR": "0.01"}, "unpriced_models": []}


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_the_content_as_the_api_gave_it(app, encoding):
    """It comes whole and decompressed, as a download, whatever encoding the client accepts; its tag is its SHA-256."""
    answer = await app.get(FILE, headers=RIGHT | {"accept-encoding": encoding})
    assert (answer.status_code, answer.content) == (200, CONTENT)
    assert answer.headers["etag"] == f'"{SHA256}"'
    assert answer.headers["content-length"] == str(len(CONTENT))
    assert answer.headers["content-disposition"] == 'attachment; filename="job-1-output.jsonl"'
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.headers["cache-control"] == "no-store"
    assert "content-encoding" not in answer.headers


async def test_head_has_the_headers_alone(app):
    """HEAD says what GET would, without a byte of the content, and the connection goes on."""
    answer = await app.client.head(FILE, headers=RIGHT)
    assert (answer.status_code, answer.content) == (200, b"")
    assert (answer.headers["content-length"], answer.headers["accept-ranges"]) == (str(len(CONTENT)), "bytes")
    part = await app.client.head(FILE, headers=RIGHT | {"range": "bytes=5-9"})
    assert (part.status_code, part.headers["content-length"]) == (206, "5")
    assert (await app.get(RESULTS, headers=RIGHT)).status_code == 200


async def test_a_range(app):
    """Any one range is just these bytes; several, or one that cannot be read, are the whole file."""
    dice = random.Random(7)
    size = len(CONTENT)
    places = [(0, 0), (size - 1, size - 1), (262_143, 262_144)]
    places += [tuple(sorted(dice.choices(range(size), k=2))) for _ in range(8)]
    for first, last in places:
        answer = await app.get(FILE, headers=RIGHT | {"range": f"bytes={first}-{last}", "accept-encoding": "gzip"})
        assert (answer.status_code, answer.content) == (206, CONTENT[first : last + 1])
        assert answer.headers["content-range"] == f"bytes {first}-{last}/{size}"
    assert (await app.get(FILE, headers=RIGHT | {"range": "bytes=-7"})).content == CONTENT[-7:]
    assert (await app.get(FILE, headers=RIGHT | {"range": "bytes=0-1,4-5"})).content == CONTENT
    behind = await app.get(FILE, headers=RIGHT | {"range": f"bytes={size}-"})
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{size}")
    assert behind.headers["content-type"] == "application/problem+json"


async def test_a_download_goes_on_if_the_file_is_the_same(app):
    """If-Range with the tag gives the rest, with another tag or a time the whole file; who has the file gets no content."""
    rest = {"range": "bytes=100-"}
    same = await app.get(FILE, headers=RIGHT | rest | {"if-range": f'"{SHA256}"'})
    assert (same.status_code, same.content) == (206, CONTENT[100:])
    for other in ('"0"', f'W/"{SHA256}"', "Wed, 21 Oct 2015 07:28:00 GMT"):
        assert (await app.get(FILE, headers=RIGHT | rest | {"if-range": other})).status_code == 200
    known = await app.get(FILE, headers=RIGHT | {"if-none-match": f'"x", "{SHA256}"'})
    assert (known.status_code, known.content) == (304, b"")
    assert (await app.get(FILE, headers=RIGHT | {"if-none-match": '"x"'})).content == CONTENT


BAD = [{}, {"authorization": "Bearer wrong"}, {"authorization": f"Basic {CONTROL}"}, {"cookie": "batch_tracker_session=x"}]


@pytest.mark.parametrize("url", [RESULTS, FILE, "/api/jobs/nothing/results", "/api/jobs/a%2Fb/files/error"])
async def test_content_always_takes_a_token(path, tmp_path, url):
    """Also where reading needs none: without a token or a session there is no word of results, not even whether some exist."""
    async with served_application(path, archive=tmp_path / "results") as app:
        await archive(app, tmp_path / "results", output=CONTENT)
        for headers, method in itertools.product(BAD, ("GET", "HEAD")):
            answer = await app.client.request(method, url, headers=headers)
            assert (answer.status_code, answer.headers["www-authenticate"]) == (401, "Bearer")
            assert "canary" not in answer.text
            assert (await app.get("/api/jobs/job-1", headers=headers)).status_code == 200


async def test_a_session_reads_content(tmp_path):
    """A browser is led to the login and from there to the file; its session opens it, with and without a configured token."""
    for access in ({}, {"token": TOKEN}):
        folder = tmp_path / str(len(access))
        async with served_application(folder.with_suffix(".db"), archive=folder, **access) as app:
            await archive(app, folder, output=b"{}\n")
            led = await app.get(FILE, headers={"accept": "text/html,*/*"})
            assert (led.status_code, led.headers["location"]) == (303, f"/login?next={FILE}")
            answer = await app.post("/login", data={"token": CONTROL, "next": FILE})
            assert answer.headers["location"] == FILE
            session = {"cookie": answer.headers["set-cookie"].partition(";")[0]}
            app.client.cookies.clear()
            assert (await app.get(FILE, headers=session)).content == b"{}\n"
            assert (await app.get(RESULTS, headers=session)).json()["state"] == "archived"
            assert (await app.get(FILE, headers=RIGHT)).content == b"{}\n"


@pytest.mark.parametrize("reason", ["gone", "forbidden", "too_large", "failed"])
async def test_a_file_that_is_missing(path, tmp_path, reason):
    """The answer says why: 410 where the API has it no more, else 404; an account whose job it is not has none."""
    async with served_application(path, archive=tmp_path / "results") as app:
        await archive(app, tmp_path / "results", missing=[missing("output", reason)])
        answer = await app.get(FILE, headers=RIGHT)
        assert answer.status_code == (410 if reason == "gone" else 404)
        assert answer.json()["detail"] == f"the output file is not archived ({reason.replace('_', ' ')}): HTTP 404"
        assert (await app.get(RESULTS, headers=RIGHT)).json()["state"] == reason
        assert (await app.get(f"{FILE}?account=two", headers=RIGHT)).status_code == 404


async def test_what_is_not_archived_yet_or_no_more(path, tmp_path):
    """Pending is 409 with a time to ask again, and what was removed 410; a file that there is none of is not found."""
    root = tmp_path / "results"
    async with served_application(path, archive=root) as app:
        await app.store.record("one", [ended("waits", account="one"), seen("runs", account="one"), ended("x", account="one")])
        pending = await app.get("/api/jobs/waits/files/output", headers=RIGHT)
        assert (pending.status_code, pending.headers["retry-after"]) == (409, "30")
        found = (await app.get("/api/jobs/waits/results", headers=RIGHT)).json()
        assert (found["state"], found["task"]["attempts"]) == ("pending", 0)
        await archive(app, root, output=b"{}\n")
        assert (await app.get("/api/jobs/job-1/files/error", headers=RIGHT)).status_code == 404
        assert (await app.get("/api/jobs/job-1/files/other", headers=RIGHT)).status_code == 422
        await app.store.archive.forget_files("one", "job-1", 1_750_000_000_000)
        removed = await app.get(FILE, headers=RIGHT)
        assert (removed.status_code, "2025-06-15T15:06:40.000Z" in removed.json()["detail"]) == (410, True)
        for job, why in (("runs", "there are no results: the job is not over yet"), ("nothing", "no job 'nothing' is known")):
            for url in (f"/api/jobs/{job}/results", f"/api/jobs/{job}/files/error"):
                answer = await app.get(url, headers=RIGHT)
                assert (answer.status_code, why in answer.json()["detail"]) == (404, True)


async def test_why_there_are_no_results(path):
    """Where nothing is archived, or the job has no file, the answer says so."""
    async with served_application(path) as app:
        await app.store.record("one", [ended("off", account="one"), ended("none", account="one", output=None)])
        for job, why in (("off", "`results.archive` is not set"), ("none", "the job names no result file")):
            answer = await app.get(f"/api/jobs/{job}/results", headers=RIGHT)
            assert (answer.status_code, why in answer.json()["detail"]) == (404, True)


async def test_a_job_of_two_accounts(path, tmp_path):
    """Which one is meant has to be said."""
    async with served_application(path, archive=tmp_path / "results") as app:
        await archive(app, tmp_path / "results", job="a/b", output=b"{}\n")
        await app.store.record("two", [ended("a/b", account="two")])
        assert (await app.get("/api/jobs/a%2Fb/results", headers=RIGHT)).status_code == 409
        assert (await app.get("/api/jobs/a%2Fb/files/output", headers=RIGHT)).status_code == 409
        answer = await app.get("/api/jobs/a%2Fb/files/output?account=one", headers=RIGHT)
        assert (answer.content, "a_b-output.jsonl" in answer.headers["content-disposition"]) == (b"{}\n", True)
        assert (await app.get("/api/jobs/a%2Fb/results?account=two", headers=RIGHT)).json()["state"] == "pending"


NOISE = random.Random(3).randbytes(3_000_000)
HARM = {"removed": None, "short": b"{}\n", "empty": b"", "replaced": NOISE[:-1] + b"!", "longer": NOISE + b"!"}


async def harm(root, stored, how):
    """Let the stored file be gone, cut in its middle, or another one."""
    data = stored.read_bytes()
    stored.unlink()
    if how == "cut":
        stored.write_bytes(data[: len(data) // 2])
    elif HARM[how] is not None:
        await put(root, HARM[how], kind="other")
        next(root.rglob("other*")).rename(stored)


@pytest.mark.parametrize("how", [*HARM, "cut"])
async def test_a_file_that_cannot_be_read(path, tmp_path, how):
    """Nothing is passed off as the file: 503 where nothing was sent yet, else the connection breaks before the end."""
    root = tmp_path / "results"
    async with served_application(path, archive=root) as app:
        file = await archive(app, root, output=NOISE)
        (stored,) = root.rglob("*.zst")
        await harm(root, stored, how)
        with capture_logs() as logs:
            if how in ("cut", "replaced", "longer"):
                with pytest.raises(httpx.HTTPError):
                    await app.get(FILE, headers=RIGHT)
            else:
                answer = await app.get(FILE, headers=RIGHT)
                assert (answer.status_code, answer.headers["retry-after"]) == (503, "60")
        assert [(each["event"], each["log_level"]) for each in logs] == [("archive.failed", "warning")]
        assert (await app.client.head(FILE, headers=RIGHT)).headers["etag"] == f'"{file.sha256}"'
        part = {"range": "bytes=2999990-2999999"}
        if how in ("removed", "short", "empty"):
            assert (await app.get(FILE, headers=RIGHT | part)).status_code == 503


async def test_an_archive_that_was_taken_out_of_the_configuration(path, tmp_path):
    """What is recorded of results stays; the file is answered with 503."""
    async with served_application(path, archive=tmp_path / "results") as app:
        await archive(app, tmp_path / "results", output=b"{}\n")
        app.supervisor.config = app.supervisor.config.__class__(
            source=None, storage=app.supervisor.config.storage, http=app.supervisor.config.http, accounts=()
        )
        assert (await app.get(FILE, headers=RIGHT)).status_code == 503
        assert (await app.get(RESULTS, headers=RIGHT)).status_code == 200


async def test_a_client_that_leaves_ends_the_reading(path, tmp_path):
    """Reading stops once the client has gone, long before the end of the content, and the file is closed."""
    async with served_application(path, archive=tmp_path / "results") as app:
        await archive(app, tmp_path / "results", output=bytes(64_000_000))
        watched = app.daemon.archived_content = _Watched(app.daemon.archived_content)
        async with app.client.stream("GET", FILE, headers=RIGHT) as answer:
            await anext(answer.aiter_raw())
        with anyio.fail_after(30):
            await watched.closed.wait()
        assert 0 < watched.bytes < 48_000_000
        assert (await app.get(RESULTS, headers=RIGHT)).status_code == 200


async def test_only_so_many_files_at_once(path, tmp_path):
    """With the most downloads under way a further one is asked to come later; one that ends, or leaves, makes room."""
    async with served_application(path, archive=tmp_path / "results") as app:
        await archive(app, tmp_path / "results", output=bytes(64_000_000))
        async with AsyncExitStack() as stack:
            for _ in range(MOST_DOWNLOADS):
                await stack.enter_async_context(app.client.stream("GET", FILE, headers=RIGHT))
            refused = await app.get(FILE, headers=RIGHT)
            assert (refused.status_code, refused.headers["retry-after"]) == (503, "10")
            assert (await app.client.head(FILE, headers=RIGHT)).status_code == 200

        async def is_answered():
            return (await app.get(FILE, headers=RIGHT | {"range": "bytes=0-9"})).status_code == 206

        await until(is_answered)


class _Watched:
    """Opens content, and knows how much of it was read and whether it was closed."""

    def __init__(self, open_location):
        self.open = open_location
        self.bytes = 0
        self.closed = anyio.Event()

    @asynccontextmanager
    async def __call__(self, location):
        try:
            async with self.open(location) as parts:
                yield self.counted(parts)
        finally:
            self.closed.set()

    async def counted(self, parts):
        async for part in parts:
            self.bytes += len(part)
            yield part
