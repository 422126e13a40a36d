"""The archive in an object store: the real obstore against a server that speaks S3."""

import os
import subprocess
import sys
from contextlib import asynccontextmanager

import anyio
import boto3
import httpx
import obstore
import pytest
from anyio.abc import SocketAttribute
from archive_world import archive_world
from files_api import File, content, sha256
from simulated_jobs import begin, end
from tracking import Installation, simulated

from tracker.results.file_retention import FileRetention
from tracker.results.locations.location import LocationError
from tracker.results.locations.location_factory import open_location
from tracker.results.locations.object_store import UPLOADED_AT_ONCE
from tracker.runtime.heartbeat import Heartbeat

pytestmark = pytest.mark.xdist_group("object store")

BUCKET = "archive"
URL = f"s3://{BUCKET}/team/results"
NAME = "default/job/out.jsonl.zst"
DATA = content(3)
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "canary-access-key",
    "AWS_SECRET_ACCESS_KEY": "canary-secret-key",
    "AWS_REGION": "us-east-1",
    "AWS_ALLOW_HTTP": "true",
}
SERVE = """
from werkzeug.serving import make_server
from moto.server import DomainDispatcherApplication, create_backend_app
server = make_server("127.0.0.1", 0, DomainDispatcherApplication(create_backend_app), threaded=True)
print(server.port, flush=True)
server.serve_forever()
"""


@pytest.fixture(scope="module")
async def endpoint():
    """The URL of an S3 server of its own process."""
    async with await anyio.open_process([sys.executable, "-W", "ignore", "-c", SERVE], stderr=subprocess.DEVNULL) as server:
        try:
            yield f"http://127.0.0.1:{int(await server.stdout.receive())}"
        finally:
            server.kill()


@pytest.fixture
def s3(endpoint, monkeypatch):
    """An empty bucket of the server that the environment names: its objects by their key, as another client has them."""
    httpx.post(f"{endpoint}/moto-api/reset").raise_for_status()
    client = boto3.client(
        "s3", endpoint_url=endpoint, aws_access_key_id="a", aws_secret_access_key="b", region_name="us-east-1"
    )
    client.create_bucket(Bucket=BUCKET)
    for name, value in {**ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}.items():
        monkeypatch.setenv(name, value)

    def objects():
        found = client.list_objects_v2(Bucket=BUCKET).get("Contents", [])
        return {each["Key"]: client.get_object(Bucket=BUCKET, Key=each["Key"])["Body"].read() for each in found}

    return objects


@pytest.fixture
def place(s3, tmp_path):  # noqa: ARG001 - which is there then
    return open_location(URL, tmp_path / "spool")


async def stored(place, data=b"content", name=NAME):
    new = place.create(name)
    new.write(data)
    try:
        return await new.publish()
    finally:
        new.discard()


def names_of(folder):
    return [path.name for path in folder.rglob("*") if path.is_file()]


async def test_object_appears_when_it_is_whole(place, s3, tmp_path):
    """Until it is published there is a local part alone, and then the object alone; it can be found, read and removed."""
    new = place.create(NAME)
    new.write(b"content")
    assert await place.find(NAME) is None
    assert names_of(tmp_path) == ["default+job+out.jsonl.zst.part"]
    location = await new.publish()
    new.discard()
    assert names_of(tmp_path) == []
    assert await place.find(NAME) == location == f"{URL}/{NAME}"
    assert s3() == {f"team/results/{NAME}": b"content"}
    opened = place.open(location)
    assert opened.read(100) + opened.read(100) == b"content"
    opened.close()
    await place.remove(location)
    await place.remove(location)  # it need not be there
    assert await place.find(NAME) is None
    with pytest.raises(LocationError, match="does not exist"):
        place.open(location)


async def test_large_object_is_uploaded_in_parts(place):
    """An object larger than one part arrives whole, and takes the place of one of that name."""
    await stored(place, b"earlier")
    data = os.urandom(1024) * (UPLOADED_AT_ONCE // 1024 * 2 + 5)
    opened = place.open(await stored(place, data))
    read = b"".join(iter(lambda: opened.read(1024 * 1024), b""))
    opened.close()
    assert sha256(read) == sha256(data)


async def test_job_is_archived_in_the_object_store(s3, tmp_path):
    """A job's file is archived there, found there after a crash, and removed when it has been kept long enough."""
    async with archive_world(tmp_path, out=File(DATA)) as world:
        place = open_location(URL, tmp_path / "spool")
        task = await world.ended(output_file="out")
        await world.archiver(place=place)._jobs.archive(task)  # and the process dies
        del world.api.files["out"]
        await world.archiver(place=place).archive_once(task)
        archived = world.observed.results[0].files[0]
        assert (archived.sha256, archived.location) == (sha256(DATA), f"{URL}/{NAME}")
        assert [*s3()] == [f"team/results/{NAME}"]
        world.clock.now += 1000
        await FileRetention(world.store.archive, place, 0.5, world.clock, Heartbeat()).expire_once()
        assert (await world.results())["expired_at"] is not None
    assert s3() == {}
    assert names_of(tmp_path / "spool") == []


@asynccontextmanager
async def refusing():
    """The URL of a server that denies everything."""

    async def deny(stream):
        async with stream:
            await stream.receive()
            body = b"<Error><Code>AccessDenied</Code><AWSAccessKeyId>canary-access-key</AWSAccessKeyId></Error>"
            await stream.send(b"HTTP/1.1 403 Forbidden\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body))

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, deny)
        yield f"http://127.0.0.1:{listener.extra(SocketAttribute.local_port)}"  # noqa: S610 - it is not Django's
        group.cancel_scope.cancel()


async def test_refusal_is_reported_without_a_secret(s3, monkeypatch, tmp_path):  # noqa: ARG001 - sets the environment
    """What the store refuses says what to do, and quotes nothing that it sent; nothing is left in the spool."""
    async with refusing() as url:
        monkeypatch.setenv("AWS_ENDPOINT_URL", url)
        place = open_location(URL, tmp_path / "spool")
        for attempt in (stored(place), place.find(NAME), place.remove(f"{URL}/{NAME}")):
            with pytest.raises(LocationError) as raised:
                await attempt
            assert "access is denied" in str(raised.value)
            assert "canary" not in repr(raised.value)
            assert raised.value.__suppress_context__, "a traceback would show the store's own words"
            assert raised.value.__cause__ is None
    assert names_of(tmp_path) == []


async def test_bucket_that_does_not_exist(s3, tmp_path):  # noqa: ARG001 - sets the environment
    """A bucket that is not there is an error of the archive, not a missing file."""
    place = open_location("s3://another-bucket/x", tmp_path / "spool")
    with pytest.raises(LocationError, match=r"cannot be written: it does not exist; is the bucket's name right\?"):
        await stored(place)


async def test_upload_that_is_cancelled_leaves_nothing(place, tmp_path, s3):
    """An upload that is given up leaves no object, and no part of it here."""
    new = place.create(NAME)
    new.write(bytes(UPLOADED_AT_ONCE * 3))
    with anyio.CancelScope() as scope:
        scope.cancel()
        await new.publish()
    new.discard()
    assert names_of(tmp_path) == []
    assert s3() == {}


async def test_object_that_is_not_what_was_written(place, monkeypatch):
    """An upload after which the store has another size is no success."""
    head = obstore.head_async

    async def shorter(*of):
        return {**await head(*of), "size": 3}

    monkeypatch.setattr(obstore, "head_async", shorter)
    with pytest.raises(LocationError, match="7 bytes were written, but the object has 3"):
        await stored(place)


async def test_leftovers_in_the_spool_are_removed(place, tmp_path):
    """What a killed process left in the spool is removed, and what is being written is not."""
    left, being_written = place.create(NAME), place.create("default/job/err.jsonl.zst")
    os.close(left._part._descriptor)  # as if it were killed
    assert place.remove_leftovers() == 1
    assert names_of(tmp_path) == ["default+job+err.jsonl.zst.part"]
    being_written.discard()


@pytest.mark.parametrize("location", [f"s3://other/{NAME}", f"{URL}-x/{NAME}", f"file:///{NAME}"])
async def test_location_elsewhere_is_refused(place, location):
    """Only what is within the configured prefix is read or removed, whatever a record says."""
    with pytest.raises(LocationError, match="is not within"):
        place.open(location)
    with pytest.raises(LocationError, match="is not within"):
        await place.remove(location)


def test_without_the_extra(monkeypatch, tmp_path):
    """Without obstore the error says what to install."""
    monkeypatch.delitem(sys.modules, "tracker.results.locations.object_store", raising=False)
    monkeypatch.setitem(sys.modules, "obstore", None)
    with pytest.raises(LocationError, match=r"pip install 'batch-tracker\[object-store\]'"):
        open_location(URL, tmp_path)


@pytest.mark.parametrize("url", ["s3://", "az://"])
def test_url_that_names_nothing(url, tmp_path):
    """A URL without a bucket is refused when it is opened."""
    with pytest.raises(LocationError, match="cannot be used"):
        open_location(url, tmp_path)


@pytest.mark.slow
async def test_archived_files_are_downloaded_from_the_bucket(s3, endpoint, tmp_path):
    """What the daemon has archived in a bucket `download` gets from there, verified, without asking the API."""
    async with simulated() as simulator:
        (job_id,) = begin(simulator, requests=30)
        installation = Installation(tmp_path, simulator.url, poll_interval="100ms")
        with installation.config.open("a") as config:
            config.write(f'[results]\narchive = "{URL}"\nmin_free = "0B"\n')
        installation.environment |= {**ENVIRONMENT, "AWS_ENDPOINT_URL": endpoint}
        async with installation.running() as daemon:
            end(simulator, job_id)
            await daemon.says("results.archived")
        requests = simulator.requests.total()
        done = await installation.command("download", job_id, "--output", str(tmp_path / "made"))
        assert (done.returncode, simulator.requests.total()) == (0, requests), done.stderr
    (stored,) = s3()
    assert stored.startswith("team/results/default/")
    assert "from the archive" in done.stderr
    assert len((tmp_path / "made" / f"{job_id}-output.jsonl").read_bytes().splitlines()) == 30
