"""The simulated files API, held to Mistral's contract by the official client and a schema of the file object."""

import json
import tracemalloc
from pathlib import Path

import anyio
import anyio.lowlevel
import httpx
import jsonschema
import pytest
from file_worlds import BEGAN, FILES, World, content, files_of, plan
from mistralai.client import errors

from tracker.simulator.files.job_files import content_of
from tracker.simulator.files.multipart import parse_form
from tracker.simulator.random_job_plans import Population
from tracker.simulator.workspace import Workspace

SCHEMA = json.loads((Path(__file__).parents[1] / "data" / "file.schema.json").read_text("utf-8"))
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA, format_checker=jsonschema.Draft202012Validator.FORMAT_CHECKER)
REQUESTS = b'{"custom_id": "first", "body": {"max_tokens": 8}}\n\n{"body": {}}\n{"custom_id": "\xc3\xa4", "body": {}}'
HOUR = 3600.0


@pytest.fixture(scope="module")
async def served():
    async with World().running() as world:
        yield world


@pytest.fixture
def world(served):
    """Three ended jobs: a partial success, a success, and one of which every request failed."""
    plans = [plan(1), plan(2, failures=0), plan(3, failures=40, input_files=("98765432-0000-4000-8000-000000000003",))]
    return served.begin(plans)


def uploaded(content=REQUESTS, name="requests.jsonl"):
    return {"file_name": name, "content": content}


async def refusal_of(call, **arguments):
    with pytest.raises(errors.SDKError) as refused:
        await call(**arguments)
    return refused.value.status_code


async def test_official_client_uploads_retrieves_downloads_and_deletes(world):
    """What is uploaded is described, shown and downloaded as it was; once it is deleted it is not found by any call."""
    files = world.files
    file = await files.upload_async(file=uploaded(), purpose="batch", expiry=2, visibility="user")
    assert (file.size_bytes, file.num_lines, file.filename) == (len(REQUESTS), 3, "requests.jsonl")
    assert (file.purpose, file.sample_type, file.source, file.visibility) == ("batch", "batch_request", "upload", "user")
    assert (file.created_at, file.expires_at) == (BEGAN, BEGAN + 2 * HOUR)
    got = await files.retrieve_async(file_id=file.id)
    assert got.model_dump() == file.model_dump() | {"deleted": False}
    assert await (await files.download_async(file_id=file.id)).aread() == REQUESTS
    assert (await files.delete_async(file_id=file.id)).deleted
    for call in (files.retrieve_async, files.download_async, files.get_signed_url_async, files.delete_async):
        assert await refusal_of(call, file_id=file.id) == 404
    assert file.id not in [each.id for each in (await files.list_async()).data]


async def test_upload_is_gone_after_its_expiry(world):
    """A file that was to expire after an hour is there until then, and not found from then on."""
    file = await world.files.upload_async(file=uploaded(), purpose="batch", expiry=1)
    world.at += HOUR - 1
    assert (await world.files.retrieve_async(file_id=file.id)).id == file.id
    world.at += 1
    assert await refusal_of(world.files.retrieve_async, file_id=file.id) == 404


async def test_job_takes_the_requests_of_its_uploaded_file(world):
    """It has as many requests as the file has lines, and the results carry the lines' custom IDs, or their numbers."""
    file = await world.files.upload_async(file=uploaded(), purpose="batch")
    job = await world.jobs.create_async(
        input_files=[file.id], endpoint="/v1/chat/completions", model="m", metadata={"simulate": "success"}
    )
    world.at += HOUR
    job = await world.jobs.get_async(job_id=job.id)
    assert (job.status, job.total_requests, job.input_files) == ("SUCCESS", 3, [file.id])
    output = (await world.raw.get(f"{FILES}/{job.output_file}/content")).text
    assert {json.loads(line)["custom_id"] for line in output.splitlines() if line} == {"first", "1", "ä"}


async def test_official_client_lists_by_every_filter(world):
    """Sample types, source, purpose, kind of content and a part of the name choose the files; total counts them all."""
    files = world.files
    notes = await files.upload_async(file=uploaded(b"x", "Notes.pdf"), purpose="ocr")
    (output_1, error_1), (output_2, _), (_, error_3) = (files_of(each) for each in world.simulator.workspace.plans.values())
    results = await files.list_async(sample_type=["batch_result", "batch_error"])
    assert {each.id for each in results.data} == {output_1, error_1, output_2, error_3}
    assert results.total == 4
    for query, ids in (
        ({"sample_type": ["batch_error"]}, {error_1, error_3}),
        ({"sample_type": ["batch_request"]}, {"98765432-0000-4000-8000-000000000003"}),
        ({"source": ["upload"], "search": "NOTES"}, {notes.id}),
        ({"purpose": "ocr"}, {notes.id}),
        ({"purpose": "fine-tune"}, set()),
        ({"source": ["repository"]}, set()),
        ({"mimetypes": ["application/x-unknown"]}, set()),
    ):
        assert {each.id for each in (await files.list_async(**query)).data} == ids, query


async def test_list_has_pages_and_a_total_if_asked(world):
    """Pages count from 0 and together have each file once, the newest first; the total is left out on demand."""
    newest = await world.files.upload_async(file=uploaded(), purpose="batch")
    whole = (await world.files.list_async()).data
    assert whole[0].id == newest.id
    assert [each.created_at for each in whole] == sorted((each.created_at for each in whole), reverse=True)
    pages = [await world.files.list_async(page=page, page_size=4, include_total=False) for page in range(3)]
    assert [each.id for page in pages for each in page.data] == [each.id for each in whole]
    assert [len(page.data) for page in pages] == [4, 2, 0]
    assert "total" not in (await world.raw.get(FILES, params={"include_total": "false"})).json()
    named = await world.raw.get(FILES, params={"sample_type[]": "batch_error"})
    assert named.json()["total"] == 2, "as some clients write a list"


async def test_every_file_validates_against_the_schema_and_measures_what_is_in_it(world):
    """Each file of a population's jobs, listed and got, is a File; its bytes and lines are those of its content."""
    world.simulator.workspace = Workspace(arrivals=Population(4).arrivals(10, BEGAN))
    listed = (await world.raw.get(FILES)).json()["data"]
    assert {each["sample_type"] for each in listed} == {"batch_request", "batch_result", "batch_error"}
    for file in listed:
        VALIDATOR.validate(file)
        got = (await world.raw.get(f"{FILES}/{file['id']}")).json()
        VALIDATOR.validate(got)
        assert got == file | {"deleted": False}
    for file in listed[:30]:
        answer = await world.raw.get(f"{FILES}/{file['id']}/content")
        assert answer.headers["content-type"] == "application/octet-stream"
        assert int(answer.headers["content-length"]) == len(answer.content) == file["bytes"]
        assert sum(1 for line in answer.content.split(b"\n") if line.strip()) == file["num_lines"]
    assert not VALIDATOR.is_valid(listed[0] | {"bytes": None}), "the schema would tell"


async def test_files_of_a_job_appear_with_its_end_and_outlive_it(world):
    """Before a job ends its result files are not found; they stay when the job is deleted."""
    running = plan(7, created=BEGAN, requests=10, failures=3)
    world.simulator.workspace.add(running)
    output, error = files_of(running, BEGAN + 10)
    world.at = BEGAN + 9
    assert [(await world.raw.get(f"{FILES}/{each}")).status_code for each in (output, error)] == [404, 404]
    world.at = BEGAN + 10
    assert (await world.raw.delete(f"/v1/batch/jobs/{running.id}")).status_code == 200
    for each, kind in ((output, "output"), (error, "error")):
        assert (await world.raw.get(f"{FILES}/{each}/content")).content == content(running, kind)


async def test_files_follow_the_job_where_a_test_changes_it(world):
    """A job that is given another course has the files of that course, and their sizes."""
    output, _ = files_of(plan(1))
    await world.raw.get(f"{FILES}/{output}")
    other = world.simulator.workspace.plans[plan(1).id] = plan(1, failures=20)
    assert (await world.raw.get(f"{FILES}/{output}/content")).content == content(other, "output")
    assert (await world.raw.get(f"{FILES}/{output}")).json()["bytes"] == len(content(other, "output"))


async def test_signed_link_works_without_the_key_until_it_expires(world):
    """The link of the official client shows the content to anyone; one that expired, or was changed, shows nothing."""
    output, error = files_of(plan(1))
    whole = content(plan(1), "output")
    url = (await world.files.get_signed_url_async(file_id=output, expiry=2)).url
    async with httpx.AsyncClient() as anyone:
        answer = await anyone.get(url)
        assert (answer.status_code, answer.content) == (200, whole)
        for changed in (
            url.replace(output, error),
            url.replace("sig=", "sig=A"),
            url.replace("se=2", "se=3"),
            url.split("?")[0],
        ):
            assert (await anyone.get(changed)).status_code == 403
        world.at += 2 * HOUR - 1
        assert (await anyone.get(url)).status_code == 200
        world.at += 1
        assert (await anyone.get(url)).status_code == 403


@pytest.mark.parametrize(
    ("header", "first", "stop"),
    [("bytes=0-99", 0, 100), ("bytes=100-", 100, None), ("bytes=-50", -50, None), ("bytes=500-999999999", 500, None)],
)
async def test_signed_link_honors_a_range(world, header, first, stop):
    """A part of the content is sent as such, and says which; it is what the whole has at that place."""
    whole = content(plan(1), "output")
    url = (await world.files.get_signed_url_async(file_id=files_of(plan(1))[0])).url
    answer = await world.raw.get(url, headers={"range": header})
    expected = whole[first:stop]
    start = whole.index(expected)
    assert (answer.status_code, answer.content) == (206, expected)
    assert answer.headers["content-range"] == f"bytes {start}-{start + len(expected) - 1}/{len(whole)}"


async def test_signed_link_without_a_sensible_range_is_whole_or_refused(world):
    """A range behind the end is 416 with the size; several ranges, another unit or an outdated If-Range give the whole."""
    whole = content(plan(1), "output")
    url = (await world.files.get_signed_url_async(file_id=files_of(plan(1))[0])).url
    behind = await world.raw.get(url, headers={"range": f"bytes={len(whole)}-"})
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{len(whole)}")
    etag = behind.request and (await world.raw.get(url)).headers["etag"]
    for headers in (
        {"range": "bytes=0-1,4-5"},
        {"range": "lines=0-1"},
        {"range": "bytes=5-2"},
        {"range": "bytes=x"},
        {"range": "bytes=0-1", "if-range": '"another"'},
    ):
        answer = await world.raw.get(url, headers=headers)
        assert (answer.status_code, answer.content) == (200, whole), headers
    assert (await world.raw.get(url, headers={"range": "bytes=0-1", "if-range": etag})).status_code == 206


async def test_head_of_content_has_its_length_alone(world):
    """HEAD announces the length and sends nothing."""
    output, _ = files_of(plan(1))
    answer = await world.raw.head(f"{FILES}/{output}/content")
    assert int(answer.headers["content-length"]) == len(content(plan(1), "output"))
    assert answer.content == b""


@pytest.mark.parametrize(
    ("path", "parameters"),
    [("", {"page": "-1"}), ("", {"page_size": "0"}), ("", {"include_total": "maybe"}), ("/{}/url", {"expiry": "0"}),
     ("/{}/url", {"expiry": "169"})],
    ids=str,
)  # fmt: skip
async def test_bad_parameter_is_422_and_named(world, path, parameters):
    """A parameter that makes no sense is refused, with its name in the answer."""
    answer = await world.raw.get(FILES + path.format(files_of(plan(1))[0]), params=parameters)
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", *parameters]


@pytest.mark.parametrize(
    ("name", "value"),
    [("purpose", "party"), ("expiry", "0"), ("expiry", "x"), ("visibility", "all")],
)
async def test_bad_upload_is_422_and_says_what_is_wrong(world, name, value):
    """A field that makes no sense is named, and nothing is stored."""
    before = (await world.files.list_async()).total
    answer = await world.raw.post(FILES, files={"file": ("a.jsonl", b"{}")}, data={name: value})
    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["body", name]
    assert (await world.files.list_async()).total == before


async def test_upload_needs_a_form_with_a_file(world):
    """JSON, a form without a file, and a form that is cut short are refused."""
    form = b'--b\r\ncontent-disposition: form-data; name="file"; filename="a"\r\n\r\nx'
    kind = "multipart/form-data; boundary=b"
    for body, content_type in ((b"{}", "application/json"), (form, kind), (b"--b--\r\n", kind), (b"", kind), (form, "x/y")):
        answer = await world.raw.post(FILES, content=body, headers={"content-type": content_type})
        assert answer.status_code == 422, (body, content_type)


def test_form_keeps_bytes_as_they_are():
    """Line ends, boundaries' look-alikes and any bytes survive in a file's content; names may have any characters."""
    data = b"\r\n--b \x00\xff\r\n--bb\n\r\n\r\n"
    request = httpx.Request("POST", "http://a", files={"file": ('q"ö.jsonl', data, "text/x")}, data={"purpose": "batch"})
    form = parse_form(request.headers["content-type"], request.read())
    assert (form["file"].content, form["file"].filename, form["file"].mimetype) == (data, 'q"ö.jsonl', "text/x")
    assert (form["purpose"].content, form["purpose"].filename) == (b"batch", None)


def test_form_that_is_cut_short_is_refused():
    """Where the closing boundary is missing, the last part may be incomplete, and none is taken."""
    request = httpx.Request("POST", "http://a", files={"file": ("a", b"12345")}, data={"purpose": "batch"})
    with pytest.raises(ValueError, match="cut short"):
        parse_form(request.headers["content-type"], request.read()[:-60])


async def test_key_is_asked_for_by_every_call_but_links(world):
    """Without a key each call of the files API is 401."""
    output, _ = files_of(plan(1))
    async with httpx.AsyncClient(base_url=world.url) as stranger:
        for method, path in (("GET", ""), ("POST", ""), *(("GET", f"/{output}{end}") for end in ("", "/content", "/url"))):
            assert (await stranger.request(method, FILES + path)).status_code == 401
        assert (await stranger.delete(f"{FILES}/{output}")).status_code == 401


async def test_large_file_is_made_while_it_is_sent(world):
    """A file of 60 MB is sent whole, while server and client together hold less than a sixth of it."""
    large = plan(9, requests=3000, failures=0, answer_length=20_000)
    world.simulator.workspace.add(large)
    output, _ = files_of(large)
    size = content_of(large, "output").size
    assert size > 60_000_000
    tracemalloc.start()
    received = 0
    async with world.raw.stream("GET", f"{FILES}/{output}/content") as answer:
        assert int(answer.headers["content-length"]) == size
        async for chunk in answer.aiter_raw():
            received += len(chunk)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert received == size
    assert peak < size / 6


async def test_others_are_answered_while_a_large_file_is_measured(world):
    """A list of jobs that is asked for after the size of a large file comes before it."""
    large = plan(9, requests=200_000, failures=0)
    world.simulator.workspace.add(large)
    answered = []

    async def ask(path):
        assert (await world.raw.get(path)).status_code == 200
        answered.append(path)

    paths = [f"{FILES}/{files_of(large)[0]}", "/v1/batch/jobs"]
    async with anyio.create_task_group() as group:
        group.start_soon(ask, paths[0])
        while not world.simulator.requests["files.get"]:
            await anyio.lowlevel.checkpoint()
        group.start_soon(ask, paths[1])
    assert answered == paths[::-1]


def test_range_of_a_generated_file_is_that_of_the_whole():
    """Chunks from any place up to any other are the bytes between, also over the ends of chunks."""
    large = content_of(plan(9, requests=500, failures=0, answer_length=1000), "output")
    whole = b"".join(large.chunks(0, large.size))
    assert len(whole) == large.size > 4 * 128 * 1024
    for start, stop in ((0, 1), (131_000, 140_000), (1, large.size - 1), (large.size - 5, large.size), (7, 7)):
        assert b"".join(large.chunks(start, stop)) == whole[start:stop]
