"""The faults of files and of downloads, as a client on a socket meets them."""

import httpx
import pytest
from file_worlds import BEGAN, FILES, World, content, files_of, lines, plan

from tracker.simulator.faults.fault_options import DOWNLOAD_FAULTS, FILE_FAULTS, PLAN_FAULTS, READ_FAULTS, Fault, Faults, parse
from tracker.simulator.faults.job_and_file_faults import EXPIRY, with_fault
from tracker.simulator.job_timeline import job_at

SOUND = plan(1, requests=2000, failures=0)
OUTPUT, _ = files_of(SOUND)
WHOLE = content(SOUND, "output")
CONTENT = f"{FILES}/{OUTPUT}/content"


@pytest.fixture(scope="module")
async def served():
    async with World().running() as world:
        yield world


@pytest.fixture
def world(served):
    """A simulated API with one job that succeeded."""
    return served.begin([SOUND])


def order(world, kind):
    world.simulator.faults = Faults(parse(f"{kind}:1"), seed=1)


def add_to_job(world, kind):
    """Let the job have the fault."""
    world.simulator.workspace.plans[SOUND.id] = with_fault(SOUND, kind)


async def both_ways(world):
    """The path of the content, and a signed link to it."""
    return CONTENT, (await world.raw.get(f"{FILES}/{OUTPUT}/url")).json()["url"]


async def received(client, url):
    """The headers of a download, what came of it, and whether it came to an end in order."""
    data = b""
    async with client.stream("GET", url) as answer:
        try:
            async for chunk in answer.aiter_raw():
                data += chunk
        except httpx.RemoteProtocolError:
            return answer.headers, data, False
    return answer.headers, data, True


@pytest.mark.parametrize("cause", [order, add_to_job])
@pytest.mark.parametrize(
    ("kind", "is_announced", "ends"),
    [("download-cut", True, False), ("download-cut-chunked", False, False), ("download-short", False, True)],
    ids=str,
)
async def test_download_ends_halfway(world, cause, kind, is_announced, ends):
    """Half of the content arrives, with or without its whole length before it, and the connection closes or all seems well."""
    ways = await both_ways(world)
    cause(world, kind)
    for way in ways:
        headers, data, has_ended = await received(world.raw, way)
        assert headers.get("content-length") == (str(len(WHOLE)) if is_announced else None)
        assert data == WHOLE[: len(WHOLE) // 2]
        assert has_ended == ends
    assert world.simulator.faulted == {kind: 2}


@pytest.mark.parametrize("kind", ["download-slow", "drip"])
async def test_download_is_slow(world, kind):
    """A little comes at a time, from the beginning on, with the whole length before it."""
    order(world, kind)
    async with world.raw.stream("GET", CONTENT) as answer:
        assert int(answer.headers["content-length"]) == len(WHOLE)
        first = await anext(answer.aiter_raw())
    assert first == WHOLE[:1024]


@pytest.mark.parametrize("cause", [order, add_to_job])
@pytest.mark.parametrize("status", [403, 404, 500, 503])
async def test_download_is_refused(world, cause, status):
    """It is refused with the status, and so is the signed link; what is said of the file, and its link, are not."""
    ways = await both_ways(world)
    cause(world, f"download-{status}")
    answers = [await world.raw.get(way) for way in ways]
    assert [answer.status_code for answer in answers] == [status] * 2
    assert all(("retry-after" in answer.headers) == (status == 503) for answer in answers)
    assert "job" not in answers[0].text.lower(), "a file is what is not found"
    assert [(await world.raw.get(f"{FILES}/{OUTPUT}{end}")).status_code for end in ("", "/url")] == [200, 200]


@pytest.mark.parametrize("kind", ["429", "500", "401", "html", "cut"])
async def test_faults_of_any_request_strike_downloads_too(world, kind):
    """A refusal of any request refuses a download, and the cut of any read cuts it."""
    order(world, kind)
    if kind == "cut":
        assert (await received(world.raw, CONTENT))[1] == WHOLE[: len(WHOLE) // 2]
    else:
        assert (await world.raw.get(CONTENT)).status_code == {"html": 502}.get(kind, int(kind) if kind.isdigit() else 0)


@pytest.mark.parametrize("kind", [kind for kind in READ_FAULTS if kind not in ("cut", "drip", "truncated", "malformed")])
async def test_read_faults_of_jobs_do_not_touch_files(world, kind):
    """What spoils lists of jobs leaves the files API as it is, and is not counted."""
    order(world, kind)
    assert (await world.raw.get(CONTENT)).content == WHOLE
    assert (await world.raw.get(FILES)).json()["total"] == 1
    assert not world.simulator.faulted


@pytest.mark.parametrize("kind", DOWNLOAD_FAULTS)
async def test_faults_of_downloads_touch_nothing_else(world, kind):
    """Lists and jobs, and descriptions of files, are answered as ever."""
    order(world, kind)
    for path in ("/v1/batch/jobs", f"/v1/batch/jobs/{SOUND.id}", FILES, f"{FILES}/{OUTPUT}"):
        assert (await world.raw.get(path)).status_code == 200
    assert not world.simulator.faulted


@pytest.mark.parametrize(("kind", "status"), [("malformed", 200), ("truncated", 200), ("500", 500)])
async def test_faults_of_reads_strike_descriptions_of_files(world, kind, status):
    """JSON of another shape, half of it, and an error occur here as with jobs."""
    honest = (await world.raw.get(FILES)).content
    order(world, kind)
    answer = await world.raw.get(FILES)
    assert answer.status_code == status
    assert answer.content != honest


async def test_file_is_gone_at_once(world):
    """The content is not found from the beginning on; the description says that it was deleted; no list has it."""
    ways = await both_ways(world)
    add_to_job(world, "file-gone")
    assert [(await world.raw.get(way)).status_code for way in (*ways, f"{FILES}/{OUTPUT}/url")] == [404] * 3
    described = await world.raw.get(f"{FILES}/{OUTPUT}")
    assert (described.status_code, described.json()["deleted"]) == (200, True)
    assert (await world.raw.get(FILES)).json()["total"] == 0
    assert job_at(world.simulator.workspace.plans[SOUND.id], BEGAN).output_file == OUTPUT, "the job still names it"


async def test_file_expires_after_some_seconds(world):
    """It says when it expires, is there until then, and not found by any call from then on."""
    add_to_job(world, "file-expires")
    world.at = SOUND.ended + EXPIRY - 0.1
    described = (await world.raw.get(f"{FILES}/{OUTPUT}")).json()
    assert described["expires_at"] == int(SOUND.ended + EXPIRY)
    ways = await both_ways(world)
    assert [(await world.raw.get(way)).content for way in ways] == [WHOLE] * 2
    world.at = SOUND.ended + EXPIRY
    assert [(await world.raw.get(way)).status_code for way in (*ways, f"{FILES}/{OUTPUT}")] == [404] * 3
    assert (await world.raw.get(FILES)).json()["total"] == 0


async def test_file_is_forbidden(world):
    """Every call of the file is 403, as with a colleague's private one, and no list has it."""
    add_to_job(world, "file-forbidden")
    for path in (CONTENT, f"{FILES}/{OUTPUT}", f"{FILES}/{OUTPUT}/url"):
        assert (await world.raw.get(path)).status_code == 403
    assert (await world.raw.get(FILES)).json()["total"] == 0


@pytest.mark.parametrize(
    ("kind", "size", "number"),
    [("file-wrong-bytes", len(WHOLE) + 7, 2000), ("file-wrong-lines", len(WHOLE), 2001), ("file-unmeasured", None, None)],
    ids=str,
)
async def test_description_of_the_file_is_wrong(world, kind, size, number):
    """Its bytes or its lines are not those of the content, or both are null; the content is whole."""
    add_to_job(world, kind)
    described, (listed,) = (await world.raw.get(f"{FILES}/{OUTPUT}")).json(), (await world.raw.get(FILES)).json()["data"]
    for file in (described, listed):
        assert (file["bytes"], file["num_lines"]) == (size, number)
    assert (await world.raw.get(CONTENT)).content == WHOLE


async def test_file_ends_amid_its_last_line(world):
    """The content is a little short, and its description agrees with that in bytes, not in lines; the last line is no JSON."""
    add_to_job(world, "file-truncated")
    data, described = (await world.raw.get(CONTENT)).content, (await world.raw.get(f"{FILES}/{OUTPUT}")).json()
    assert (described["bytes"], described["num_lines"]) == (len(data), 2000)
    assert data == WHOLE[: len(data)]
    *whole, last = data.split(b"\n")
    assert len(lines(b"\n".join(whole))) == 1999
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        lines(last)


@pytest.mark.parametrize("kind", [*FILE_FAULTS, *DOWNLOAD_FAULTS])
async def test_fault_is_what_the_metadata_asks_for(world, kind):
    """A created job whose metadata names an end and a fault ends so, and has it."""
    submitted = {
        "endpoint": "/v1/ocr",
        "model": "m",
        "requests": [{"body": {}}] * 9,
        "metadata": {"simulate": f"all_failed,{kind}"},
    }
    created = (await world.raw.post("/v1/batch/jobs", json=submitted)).json()
    made = world.simulator.workspace.plans[created["id"]]
    assert (made.failures, made.requests) == (9, 9)
    assert with_fault(plan(), kind).file_faults == made.file_faults != plan().file_faults


@pytest.mark.parametrize("value", ["later", "partial,later", "partial,", ""])
async def test_unknown_value_is_422(world, value):
    """Each part of `metadata.simulate` has to be an end or a fault."""
    submitted = {"endpoint": "/v1/ocr", "model": "m", "requests": [{"body": {}}], "metadata": {"simulate": value}}
    assert (await world.raw.post("/v1/batch/jobs", json=submitted)).status_code == 422


def test_faults_of_downloads_are_drawn_and_may_last():
    """A fault of downloads may be ordered for some seconds, one of files may not; their sum is limited with the others."""
    (fault,) = parse("download-cut:0.5@1-2")
    assert fault == Fault("download-cut", 0.5, 1.0, 2.0)
    with pytest.raises(ValueError, match="a fault of requests"):
        parse("file-gone:0.5@1-2")
    with pytest.raises(ValueError, match="expected at most 1"):
        Faults([*parse("download-cut:0.6"), *parse("500:0.6")])
    assert not {*FILE_FAULTS, *DOWNLOAD_FAULTS} & {fault.kind for fault in parse("any:1")}
    assert not {*DOWNLOAD_FAULTS} & {*PLAN_FAULTS}
