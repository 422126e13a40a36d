"""Archiving one job, against a files API that does whatever such APIs do: what is stored is the whole file, or nothing is."""

import json
import logging
import stat

import anyio
import pytest
import zstandard
from archive_world import LONG_AGO, archive_world
from files_api import CANARY, File, content, line, sha256

from tracker.core.results.archive_task import GIVE_UP_AFTER
from tracker.results.file_archiver import EQUAL_DOWNLOADS
from tracker.results.locations.location import LocationError

DATA = content(3)


def read(path):
    data = path.read_bytes()
    return zstandard.ZstdDecompressor().stream_reader(data).read() if path.suffix == ".zst" else data


@pytest.mark.parametrize("compress", [True, False])
async def test_job_is_archived(tmp_path, compress):
    """Both files are stored whole, for their owner alone, and recorded with size, digest, lines and what they say."""
    errors = content(2, failed="the model is overloaded")
    async with archive_world(tmp_path, out=File(DATA), err=File(errors)) as world:
        task = await world.ended(output_file="out", error_file="err", succeeded_requests=3, failed_requests=2)
        await world.archiver(compress=compress).archive_once(task)
        results, after = world.observed.results[0], await world.task()
    suffix = ".jsonl.zst" if compress else ".jsonl"
    assert world.stored() == [f"default/job/err{suffix}", f"default/job/out{suffix}"]
    for name, data, lines, archived in (("out", DATA, 3, results.files[0]), ("err", errors, 2, results.files[1])):
        path = world.root / f"default/job/{name}{suffix}"
        assert read(path) == data
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert (archived.bytes, archived.sha256, archived.lines) == (len(data), sha256(data), lines)
        assert archived.location == f"file://{path}"
    assert stat.S_IMODE(world.root.stat().st_mode) == 0o700
    assert results.missing == ()
    assert (results.digest.failed, results.digest.groups[0].message) == (2, "the model is overloaded")
    assert results.digest.mismatch is None
    assert results.usage.total.total_tokens == 21
    assert after is None


async def test_results_are_recorded(tmp_path):
    """What was archived can be read from the log, with its event."""
    async with archive_world(tmp_path, out=File(DATA)) as world:
        await world.archiver().archive_once(await world.ended(output_file="out"))
        found = await world.results()
    assert found["state"] == "archived"
    assert found["files"][0]["sha256"] == sha256(DATA)


@pytest.mark.parametrize("way", ["cut", "chunked-cut", "chunked-short", 500, 503, 429, 401])
async def test_failed_attempt_is_repeated(tmp_path, way):
    """A download that is cut, refused for now, or shorter than the file leaves nothing; the next one is archived."""
    async with archive_world(tmp_path, out=File(DATA, way, "whole")) as world:
        task, archiver = await world.ended(output_file="out"), world.archiver()
        await archiver.archive_once(task)
        assert world.observed.results == []
        assert world.stored() == []
        postponed = await world.task()
        assert postponed.attempts == 1
        assert postponed.due_at > world.clock.now
        world.source._requests._rate_limiter._paused_until = 0.0
        await archiver.archive_once(postponed)
        assert world.observed.results[0].files[0].sha256 == sha256(DATA)
    assert world.stored() == ["default/job/out.jsonl.zst"]


@pytest.mark.parametrize("facts", [{"bytes": len(DATA) + 7}, {"num_lines": 4}], ids=["bytes", "lines"])
async def test_contradiction_is_doubted_and_then_believed(tmp_path, facts):
    """A whole download that the API contradicts is repeated; what comes the same each time is archived, with a warning."""
    file = File(DATA, **facts)
    async with archive_world(tmp_path, out=file) as world:
        archiver, task = world.archiver(), await world.ended(output_file="out")
        for _ in range(EQUAL_DOWNLOADS - 1):
            await archiver.archive_once(task)
            assert world.stored() == []
        await archiver.archive_once(task)
    assert world.observed.postpones == [("default", "contradicted")] * (EQUAL_DOWNLOADS - 1)
    assert world.observed.results[0].files[0].sha256 == sha256(DATA)
    assert file.downloads == EQUAL_DOWNLOADS


@pytest.mark.parametrize(
    ("data", "way", "facts"),
    [
        pytest.param(DATA, "chunked-short", {}, id="shorter than the API says"),
        pytest.param(DATA, "chunked-short", {"bytes": None, "num_lines": None}, id="cut within a line"),
        pytest.param(DATA, "chunked", {"facts": 500}, id="of unknown length"),
    ],
)
async def test_what_may_be_a_part_is_never_archived(tmp_path, data, way, facts):
    """Where nothing proves that all came, what comes the same each time is no proof either."""
    async with archive_world(tmp_path, out=File(data, way, **facts)) as world:
        archiver, task = world.archiver(), await world.ended(output_file="out")
        for _ in range(EQUAL_DOWNLOADS + 1):
            await archiver.archive_once(task)
    assert len(world.observed.postpones) == EQUAL_DOWNLOADS + 1
    assert world.stored() == []


@pytest.mark.parametrize(
    ("data", "way", "facts"),
    [
        pytest.param(DATA, "chunked", {}, id="chunked"),
        pytest.param(DATA, "chunked", {"facts": 404}, id="deleted meanwhile"),
        pytest.param(DATA, "whole", {"facts": 500}, id="facts fail"),
        pytest.param(DATA, "whole", {"bytes": None, "num_lines": None}, id="unmeasured"),
        pytest.param(DATA.replace(b"\n", b"\n\n"), "whole", {"num_lines": 6}, id="blank lines counted"),
        pytest.param(DATA.replace(b"\n", b"\n\n"), "whole", {"num_lines": 3}, id="blank lines not counted"),
        pytest.param(DATA[:-1], "whole", {"num_lines": 3}, id="no final line feed"),
        pytest.param(b"", "whole", {"num_lines": 0}, id="empty"),
    ],
)
async def test_what_nothing_contradicts_is_archived_at_once(tmp_path, data, way, facts):
    """A whole file is archived by its first download."""
    async with archive_world(tmp_path, out=File(data, way, **facts)) as world:
        await world.archiver().archive_once(await world.ended(output_file="out"))
    assert [file.sha256 for file in world.observed.results[0].files] == [sha256(data)]
    assert world.observed.results[0].files[0].lines == (3 if data else 0)


@pytest.mark.parametrize(
    ("file", "reason", "detail"),
    [
        pytest.param(None, "gone", "HTTP 404: File not found", id="gone"),
        pytest.param(File(DATA, 404, deleted=True), "gone", "it was deleted", id="deleted"),
        pytest.param(File(DATA, 403), "forbidden", "HTTP 403: no can", id="forbidden"),
    ],
)
async def test_file_that_cannot_be_had_is_reported_to_be_missing(tmp_path, file, reason, detail):
    """A file that is gone, deleted, or not for this key is recorded as that, and never asked for again."""
    async with archive_world(tmp_path, **({"out": file} if file else {})) as world:
        task = await world.ended(output_file="out")
        world.clock.now += LONG_AGO
        await world.archiver().archive_once(task)
        results, found = world.observed.results[0], await world.results()
        assert await world.task() is None
    assert (results.files, results.digest) == ((), None)
    assert (results.missing[0].reason, results.missing[0].detail[: len(detail)]) == (reason, detail)
    assert found["state"] == reason
    assert world.stored() == []


@pytest.mark.parametrize("way", [404, 403])
async def test_refusal_right_after_the_end_is_not_believed(tmp_path, way):
    """A replica may not know the file yet: a file that is not found or refused at first is asked for again."""
    async with archive_world(tmp_path, out=File(DATA, way, "whole", facts=404)) as world:
        archiver, task = world.archiver(), await world.ended(output_file="out")
        await archiver.archive_once(task)
        assert world.observed.results == []
        await archiver.archive_once(task)
    assert world.observed.results[0].files[0].sha256 == sha256(DATA)


@pytest.mark.parametrize("facts", [{}, {"facts": 500}], ids=["the API has it", "the API does not say"])
async def test_content_that_is_missing_of_a_file_that_may_not_be(tmp_path, facts):
    """Unless the API says that it has no such file, a content that is not found is tried again."""
    async with archive_world(tmp_path, out=File(DATA, 404, **facts)) as world:
        task = await world.ended(output_file="out")
        world.clock.now += LONG_AGO
        await world.archiver().archive_once(task)
    assert world.observed.postpones == [("default", "not_found")]


@pytest.mark.parametrize("way", ["whole", "chunked"])
async def test_too_large_file(tmp_path, way):
    """A file over `max_file` is not archived, whether its length is announced or not; one that is as large is."""
    async with archive_world(tmp_path, out=File(DATA, way)) as world:
        await world.archiver(max_file=len(DATA) - 1).archive_once(await world.ended(output_file="out"))
        await world.archiver(max_file=len(DATA)).archive_once(await world.ended("other", output_file="out"))
    assert world.observed.results[0].missing[0].reason == "too_large"
    assert world.observed.results[1].files[0].sha256 == sha256(DATA)
    assert world.stored() == ["default/other/out.jsonl.zst"]


async def test_too_large_file_is_not_downloaded(tmp_path):
    """Where the announced length is over `max_file` no byte of the content is awaited."""
    async with archive_world(tmp_path, out=File(DATA, "waits")) as world:
        await world.archiver(max_file=len(DATA) - 1).archive_once(await world.ended(output_file="out"))
        assert not world.api.files["out"].goes_on.is_set(), "half of it is still to come"
    assert world.observed.results[0].missing[0].reason == "too_large"


async def test_one_file_of_two(tmp_path):
    """A file that can be had is archived at once though the other fails; the next attempt does not download it again."""
    out = File(DATA)
    async with archive_world(tmp_path, out=out, err=File(DATA, "cut", "whole")) as world:
        archiver, task = world.archiver(), await world.ended(output_file="out", error_file="err")
        await archiver.archive_once(task)
        assert world.stored() == ["default/job/out.jsonl.zst"]
        await archiver.archive_once(task)
    assert [file.kind for file in world.observed.results[0].files] == ["output", "error"]
    assert world.observed.results[0].usage.total.requests == 6
    assert out.downloads == 1


async def test_given_up_after_two_days(tmp_path):
    """What fails until then is missing, and what of the job is archived stays."""
    async with archive_world(tmp_path, out=File(DATA), err=File(DATA, 500)) as world:
        archiver = world.archiver()
        task = await world.failed_often(await world.ended(output_file="out", error_file="err"))
        world.clock.now += round(GIVE_UP_AFTER * 1000) - 1
        await archiver.archive_once(task)
        assert world.observed.results == []
        world.clock.now += 1
        await archiver.archive_once(task)
    results = world.observed.results[0]
    assert (results.state, results.missing[0].reason, results.missing[0].detail) == ("partial", "failed", "HTTP 500: no can")


@pytest.mark.parametrize(("ways", "mismatch"), [(("whole", "whole"), True), (("whole", 404), False)])
async def test_lines_are_compared_with_the_counters(tmp_path, ways, mismatch):
    """Where all files are there and their lines are not what the job counted, the digest says so; else nothing can be said."""
    files = {name: File(DATA, way, deleted=way == 404) for name, way in zip(("out", "err"), ways, strict=True)}
    async with archive_world(tmp_path, **files) as world:
        task = await world.ended(output_file="out", error_file="err", succeeded_requests=90, failed_requests=10)
        await world.archiver().archive_once(task)
    assert (world.observed.results[0].digest.mismatch is not None) is mismatch


async def test_published_file_is_not_downloaded_again(tmp_path):
    """A file that was published before its process died is read from the archive, also where the API has lost it since."""
    async with archive_world(tmp_path, out=File(DATA)) as world:
        task = await world.ended(output_file="out")
        await world.archiver(compress=False)._jobs.archive(task)  # and the process dies
        del world.api.files["out"]
        world.clock.now += LONG_AGO
        await world.archiver().archive_once(task)
    results = world.observed.results[0]
    assert (results.files[0].sha256, results.files[0].lines, results.usage.total.requests) == (sha256(DATA), 3, 3)
    assert world.stored() == ["default/job/out.jsonl"]


async def test_corrupt_file_is_downloaded_again(tmp_path):
    """A stored file that cannot be decompressed, or is another one by its checksum, is replaced."""
    async with archive_world(tmp_path, out=File(DATA)) as world:
        task = await world.ended(output_file="out")
        await world.archiver()._jobs.archive(task)
        path = world.root / "default/job/out.jsonl.zst"
        path.write_bytes(path.read_bytes()[:-1] + b"x")
        await world.archiver(compress=False).archive_once(task)
        assert world.stored() == ["default/job/out.jsonl"]
        assert read(world.root / "default/job/out.jsonl") == DATA
    assert world.observed.results[0].files[0].sha256 == sha256(DATA)


async def test_earlier_archive_is_kept_in_mind(tmp_path):
    """A file that was archived where another archive was configured stays recorded, where the API has it no longer."""
    async with archive_world(tmp_path, out=File(DATA), err=File(DATA)) as world:
        await world.archiver().archive_once(await world.ended(output_file="out"))
        first = world.observed.results[0].files[0]
        del world.api.files["out"]
        task = await world.ended(output_file="out", error_file="err")
        world.clock.now += LONG_AGO
        assert task.archived == (first,)
        world.root = tmp_path / "elsewhere"
        await world.archiver(place=type(world.place)(world.root)).archive_once(task)
    results = world.observed.results[1]
    assert [file.location for file in results.files] == [first.location, f"file://{world.root}/default/job/err.jsonl.zst"]
    assert results.missing == ()


async def test_file_that_the_job_names_no_longer(tmp_path):
    """If a job names another file than the one that is archived, both are in the archive and recorded, the new one first."""
    async with archive_world(tmp_path, out=File(DATA), new=File(DATA * 2)) as world:
        await world.archiver().archive_once(await world.ended(output_file="out"))
        await world.archiver().archive_once(await world.ended(output_file="new"))
    assert [file.file_id for file in world.observed.results[1].files] == ["new", "out"]
    assert world.stored() == ["default/job/new.jsonl.zst", "default/job/out.jsonl.zst"]


async def test_nothing_of_the_content_is_shown(tmp_path, caplog, capfd):
    """Database, event and log hold nothing of what a file says but messages of failed requests; no sample if so configured."""
    caplog.set_level(logging.DEBUG)
    failed = f'{{"secret": "{CANARY}"'
    data = DATA + line(9, failed="quota of team 17 is used up").encode() + b"\n" + failed.encode()
    async with archive_world(tmp_path, out=File(data)) as world:
        archiver, task = world.archiver(compress=False, samples=False), await world.ended(output_file="out")
        for _ in range(EQUAL_DOWNLOADS):
            await archiver.archive_once(task)
        results = await world.results()
    assert world.observed.results
    database = b"".join(path.read_bytes() for path in tmp_path.glob("tracker.db*"))
    said = database.decode("latin-1") + json.dumps(results) + caplog.text + "".join(capfd.readouterr())
    assert "quota of team" in said
    assert "team 17" not in said
    assert CANARY not in said
    assert CANARY in read(world.root / "default/job/out.jsonl").decode()


async def test_full_disk(tmp_path):
    """Where less than `min_free` would be left nothing is written, and the attempt is repeated."""
    async with archive_world(tmp_path, out=File(DATA)) as world:
        task = await world.ended(output_file="out")
        await world.archiver(min_free=10**18).archive_once(task)
        assert world.observed.postpones == [("default", "disk_full")]
        assert world.stored() == []
        await world.archiver().archive_once(task)
    assert world.observed.results[0].files


async def test_archive_that_cannot_be_written(tmp_path):
    """Where the archive's folder cannot be made the attempt is repeated."""
    (tmp_path / "results").write_text("a file in its place")
    async with archive_world(tmp_path, out=File(DATA)) as world:
        await world.archiver().archive_once(await world.ended(output_file="out"))
    assert world.observed.postpones == [("default", "archive")]


async def test_cancelled_download_leaves_nothing(tmp_path):
    """An archiver that is cancelled in the middle of a file leaves no part of it, and the task."""
    async with archive_world(tmp_path, out=File(DATA, "waits")) as world:
        task = await world.ended(output_file="out")
        with anyio.fail_after(30):
            async with anyio.create_task_group() as group:
                group.start_soon(world.archiver().archive_once, task)
                await world.api.began.wait()
                group.cancel_scope.cancel()
        assert world.stored() == []
        assert await world.task() == task


async def test_file_that_another_process_writes(tmp_path):
    """Two processes never write the same file at once: the second one waits for its turn."""
    async with archive_world(tmp_path, out=File(DATA)) as world:
        task = await world.ended(output_file="out")
        other = world.place.create("default/job/out.jsonl.zst")
        with pytest.raises(LocationError, match="another process is writing it"):
            world.place.create("default/job/out.jsonl.zst")
        await world.archiver().archive_once(task)
        assert world.observed.postpones == [("default", "archive")]
        other.discard()
        await world.archiver().archive_once(task)
    assert world.stored() == ["default/job/out.jsonl.zst"]
