"""Old events move into segments: nothing is lost, doubled or changed, whatever fails in between."""

import contextlib
import json
import sqlite3
from contextlib import closing

import pytest
import zstandard
from job_changes import CHECKPOINT, SINCE, moved, seen
from outboxes import EVERYTHING, claimed

from tracker.core.deliveries.circuit import FAILURES_TO_OPEN
from tracker.core.errors.storage_error import StorageError
from tracker.core.events.event import encode_event, plain_event
from tracker.core.queries.filters import EventFilter
from tracker.core.queries.pagination import Span
from tracker.store.database_file_commands import back_up, read_segments, restore, verify
from tracker.store.opening import open_reader, open_store
from tracker.store.sqlite.segments import segment_writing
from tracker.store.sqlite.writing import event_mover

DAY = 86_400_000
LATE = SINCE + 45 * DAY
END = SINCE + 1000 * DAY


def directory_of(path):
    return path.with_name(path.name + ".segments")


def segments(path):
    """The rows of the database's list of segments."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        return connection.execute("SELECT * FROM segments ORDER BY first_seq").fetchall()


def content(path, name):
    return zstandard.ZstdDecompressor().decompressobj().decompress((directory_of(path) / name).read_bytes())


def archived(path):
    """The lines of all segments, in the order of the list."""
    return [line.decode() for each in segments(path) for line in content(path, each["name"]).splitlines()]


def rows(path, sql="SELECT seq, base FROM events ORDER BY seq"):
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute(sql).fetchall()


async def kept(path):
    async with open_reader(path) as reader:
        return [body for _, body in await reader.events(0, EventFilter(), limit=-1)]


def run_of(id_, start, *, progress=30, status="SUCCESS"):
    """A job's changes from `start` on, a day apart: it starts, moves on and, with a `status`, ends."""
    changes = [seen(id_, now=start, status="RUNNING", total_requests=100)]
    for number in range(1, progress + 1):
        changes.append(moved(changes[-1], now=start + number * DAY, completed_requests=number, succeeded_requests=number))
    if status:
        changes.append(moved(changes[-1], now=start + (progress + 1) * DAY, status=status))
    return changes


async def record(store, *runs):
    """Record the changes in the order of their observation."""
    await store.checkpoint("default", CHECKPOINT)
    for change in sorted((each for run in runs for each in run), key=lambda each: each.events[0].observed_at):
        await store.record("default", [change])


@pytest.fixture
async def log(path):
    """Four jobs that overlap, each for a month; and the events as they were reported."""
    logged = []
    async with open_store(path, notified=lambda event, _: logged.append(encode_event(event))) as store:
        await record(store, *(run_of(f"job-{number}", SINCE + number * 20 * DAY) for number in range(4)))
    return path, logged


async def move(path, before=LATE, step=0):
    async with open_store(path) as store:
        return await store.move_events(before, step)


async def test_the_log_goes_on_where_the_segments_end(log):
    """Segments and kept log together are what was reported, byte for byte, and each month has a file and a line in the list."""
    path, logged = log
    done = await move(path)
    assert (archived(path), await kept(path)) == (logged[: done.events], logged[done.events :])
    assert (done.events > 20, done.first_seq, done.held_by) == (True, done.events + 1, None)
    months = sorted({json.loads(line)["observed_at"][:7] for line in archived(path)})
    manifest = [json.loads(line) for line in (directory_of(path) / "manifest.jsonl").read_text().splitlines()]
    assert [each["name"] for each in manifest] == [f"{month}.jsonl.zst" for month in months]
    assert manifest == [dict(each) for each in segments(path)]
    assert len(months) > 1
    assert verify(path).differences == ()


async def test_another_move_goes_on_in_the_same_month(log):
    """What comes later of a month that has a file is its second part, chained to all before it; `verify` proves both."""
    path, logged = log
    first = await move(path, SINCE + 40 * DAY)
    second = await move(path, SINCE + 43 * DAY)
    assert 0 < first.events < first.events + second.events
    names = [each["name"] for each in segments(path)]
    assert names[-1] == names[-2].replace(".jsonl", ".2.jsonl")
    assert [*archived(path), *(await kept(path))] == logged
    assert verify(path).differences == ()


async def test_short_events_are_made_whole_when_their_base_goes(log):
    """Events after the cut that build on one before it are whole afterwards, the others stay short."""
    path, _ = log
    done = await move(path)
    bases = [base for _, base in rows(path)]
    assert all(base is None or base >= done.first_seq for base in bases)
    assert {None} < set(bases)


async def test_new_events_are_numbered_and_based_after_the_segments(log):
    """The next event has the next number, and a job that is seen again builds on no event that was moved."""
    path, logged = log
    await move(path, END)
    assert len(await kept(path)) == 1, "the last event always stays"
    async with open_store(path) as store:
        change = seen("new", now=END, status="RUNNING", total_requests=9)
        await store.record("default", [change])
        await store.record("default", [moved(change, now=END + 1, completed_requests=1)])
    assert [seq for seq, _ in rows(path)] == [len(logged) + number for number in range(4)]
    assert verify(path).differences == ()


async def test_the_step_keeps_small_moves_together(log):
    """Nothing moves before what is old enough spans the step."""
    path, _ = log
    assert (await move(path, LATE, 46 * DAY)).events == 0
    assert not directory_of(path).exists()
    assert (await move(path, LATE, 40 * DAY)).events > 0


async def test_an_active_job_holds_back_its_events_and_all_after(path):
    """The cut stops at the first event of a job that has not ended, and says which."""
    async with open_store(path) as store:
        await record(store, run_of("over", SINCE, progress=2), run_of("slow", SINCE + 10 * DAY, progress=2, status=None))
        done = await store.move_events(END, 0)
    assert (done.first_seq, done.held_by) == (6, "job slow of account default is active")


@pytest.mark.parametrize("state", ["pending", "dead", "superseded"])
async def test_a_delivery_holds_back_its_event(path, state):
    """An event stays as long as there is a delivery of it, whatever its state."""
    async with open_store(path, [EVERYTHING]) as store:
        await record(store, run_of("over", SINCE, progress=2))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM deliveries WHERE seq < 3")
        connection.execute("UPDATE deliveries SET state = ?", (state,))
    done = await move(path, END)
    assert (done.first_seq, done.held_by) == (3, "an event is kept as long as a delivery of it")


async def test_what_an_open_outage_needs_stays(path):
    """The last event of an account that is unreachable stays: what follows refers to it."""
    about = {"account": "default", "reason": "network", "detail": "", "since": "2025-06-15T00:00:00.000Z"}
    async with open_store(path) as store:
        await record(store, run_of("over", SINCE, progress=2))
        await store.append([plain_event("account.unreachable", "default", about, SINCE + 50 * DAY)])
        await record(store, run_of("later", SINCE + 60 * DAY, progress=2))
        done = await store.move_events(END, 0)
        assert (done.first_seq, done.held_by) == (6, "account default is unreachable")
        await store.append([plain_event("account.recovered", "default", about, SINCE + 90 * DAY)])
        assert (await store.move_events(END, 0)).held_by is None


BROKEN = """
INSERT INTO receivers (name, quiet_until, reason, detail, failures, disabled) VALUES ('pipeline', 0, '', '', ?, ?)"""


@pytest.mark.parametrize("receiver", [(FAILURES_TO_OPEN, False), (0, True)], ids=["failing", "disabled"])
async def test_what_a_receiver_that_gets_nothing_needs_stays(path, receiver):
    """The last event of a receiver that is failing or disabled stays, for reminders and its recovery; one of another goes."""
    async with open_store(path) as store:
        await record(store, run_of("over", SINCE, progress=2))
        for name in ("other", "pipeline"):
            await store.append([plain_event("receiver.failing", "", {"receiver": name}, SINCE + 50 * DAY)])
        await record(store, run_of("later", SINCE + 60 * DAY, progress=2))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(BROKEN, receiver)
    assert (await move(path, END))[1:] == (7, "receiver pipeline is failing")
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE receivers SET failures = 0, disabled = 0")
    assert (await move(path, END)).held_by is None


FAILURES = {
    "while a file is written": (segment_writing, "escape_json", None),
    "when a file is in its place": (segment_writing, "following", None),
    "before they are listed": (event_mover, "insert_segments", None),
    "while events are made whole": (event_mover, "_make_whole", None),
    "before the log begins later": (event_mover, "_MOVED", "SELECT no_such_column FROM events"),
    "while they are deleted": (event_mover, "_DELETE", "DELETE FROM events WHERE seq < 5 AND no_such_function(?)"),
}


def fails(after, function):
    """`function`, which fails when it was called so often."""
    calls = iter(range(after))

    def call(*arguments):
        if next(calls, None) is None:
            raise StorageError("planted")
        return function(*arguments)

    return call


@pytest.mark.parametrize("after", [0, 1])
@pytest.mark.parametrize("place", FAILURES)
async def test_a_failure_at_any_step_loses_and_doubles_nothing(log, place, after, monkeypatch):
    """Whatever was done, readers see each event once; the next move finishes it, and `verify` finds nothing in between."""
    path, logged = log
    with monkeypatch.context() as planted:
        module, name, statement = FAILURES[place]
        planted.setattr(module, name, statement or fails(after, getattr(module, name)))
        with contextlib.suppress(StorageError):  # there may be one call alone
            await move(path)
    before = await kept(path)
    assert before == logged[len(logged) - len(before) :]
    assert verify(path).differences == ()
    assert [body for _, body in read_segments(path, directory_of(path), 0)] == logged[: len(archived(path))]
    assert len(archived(path)) + len(before) >= len(logged)
    await move(path)
    assert [*archived(path), *(await kept(path))] == logged
    assert verify(path).differences == ()


GUARDED = {
    "an event of the kept log": "DELETE FROM events WHERE seq = {first}",
    "all events": "DELETE FROM events",
    "a body": "UPDATE events SET body = '{{}}' WHERE seq = {first}",
    "a short form": "UPDATE events SET base = NULL WHERE seq = {short}",
    "a short form by another body": "UPDATE events SET base = NULL, body = '{{}}' WHERE seq = {short}",
    "the start, beyond the segments": "UPDATE log_start SET moving_to = moving_to + 1",
    "the start, before it moves": "UPDATE log_start SET first_seq = first_seq + 1, moving_to = moving_to",
    "the start, back": "UPDATE log_start SET first_seq = 1",
    "the start, gone": "DELETE FROM log_start",
    "another start": "INSERT INTO log_start VALUES (1, 1)",
    "a segment that leaves a gap": "INSERT INTO segments VALUES (500, 600, 'x', 1, '', '')",
    "a segment, changed": "UPDATE segments SET sha256 = ''",
    "a segment, gone": "DELETE FROM segments",
}


@pytest.mark.parametrize("what", GUARDED)
async def test_nothing_but_what_was_moved_can_go(log, what):
    """By hand no statement removes or changes an event of the kept log, nor the list of segments."""
    path, _ = log
    done = await move(path)
    short = next(seq for seq, base in rows(path) if base)
    with (
        closing(sqlite3.connect(path, isolation_level=None)) as connection,
        pytest.raises(sqlite3.IntegrityError, match=r"append-only|begins after|one start|must begin|CHECK"),
    ):
        connection.execute(GUARDED[what].format(first=done.first_seq, short=short))


def damage(path, name, edit):
    file = directory_of(path) / name
    file.write_bytes(edit(file.read_bytes()))


def edited(old, new):
    """Compressed content in which one piece is replaced by another."""

    def edit(stored):
        text = zstandard.ZstdDecompressor().decompressobj().decompress(stored)
        assert old in text
        return zstandard.ZstdCompressor().compress(text.replace(old, new, 1))

    return edit


def without_first_line(stored):
    text = zstandard.ZstdDecompressor().decompressobj().decompress(stored)
    return zstandard.ZstdCompressor().compress(text.split(b"\n", 1)[1])


def without_last_line(stored):
    text = zstandard.ZstdDecompressor().decompressobj().decompress(stored)
    return zstandard.ZstdCompressor().compress(text[: text.rindex(b"\n", 0, -1) + 1])


DAMAGED = {
    "another value": (edited(b'"total_requests":100', b'"total_requests":900'), "SHA-256"),
    "a line that is no event": (edited(b'{"id"', b'["id"'), "no event"),
    "without its first line": (without_first_line, "expected seq 1, found 2"),
    "without its last line": (without_last_line, "it ends with seq"),
    "cut off": (lambda stored: stored[:-20], "ends in the middle"),
    "longer": (lambda stored: stored + b"more", "after its end"),
    "a flipped bit": (lambda stored: stored[:50] + bytes([stored[50] ^ 1]) + stored[51:], "damaged"),
    "empty": (lambda _: b"", "ends in the middle"),
}


@pytest.mark.parametrize("kind", DAMAGED)
async def test_verify_finds_a_damaged_segment(log, kind):
    """Each kind of damage is reported with the name of the file, and a listing of the archive fails by it."""
    path, _ = log
    await move(path)
    edit, message = DAMAGED[kind]
    name = segments(path)[0]["name"]
    damage(path, name, edit)
    first, *_ = verify(path).differences
    assert first.startswith(f"segment {name}: ")
    assert message in first
    with pytest.raises(StorageError, match=name):
        list(read_segments(path, directory_of(path), 0))


async def test_verify_finds_a_missing_segment_and_an_exchanged_one(log):
    """A file that is not there is named, and so is one whose hash the chain does not have."""
    path, _ = log
    await move(path)
    name = segments(path)[0]["name"]
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DROP TRIGGER segments_never_change")
        (chain,) = connection.execute("SELECT chain FROM segments").fetchone()
        connection.execute("UPDATE segments SET chain = 'another' WHERE name = ?", (name,))
        assert any("its chain is not" in each for each in verify(path).differences)
        connection.execute("UPDATE segments SET chain = ? WHERE name = ?", (chain, name))
    assert verify(path).differences == ()
    (directory_of(path) / name).unlink()
    assert "cannot be read" in verify(path).differences[0]


async def test_verify_compares_jobs_with_the_archive(log):
    """A job whose events were all moved is still proved: a change of its row is found."""
    path, _ = log
    await move(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("UPDATE jobs SET status = 'FAILED' WHERE id = 'job-0'")
    assert any("job-0" in each for each in verify(path).differences)


async def test_files_of_a_newer_state_are_not_replaced(log, tmp_path):
    """After a restore of an older state, files that it does not know are kept: nothing is moved over them, and it is said."""
    path, _ = log
    back_up(path, tmp_path / "older.db")
    async with open_store(path) as store:
        await record(store, run_of("newer", SINCE + 120 * DAY))
    await move(path, END)
    newer = {each.name: each.read_bytes() for each in directory_of(path).iterdir()}
    restore(tmp_path / "older.db", path, "now")
    async with open_store(path) as store:
        await record(store, run_of("other", SINCE + 120 * DAY))
    with pytest.raises(StorageError, match="newer state"):
        await move(path, END)
    assert {each.name: each.read_bytes() for each in directory_of(path).iterdir()} == newer
    assert verify(path).differences == ()


async def test_a_copy_needs_the_segments_for_its_proof(log, tmp_path):
    """A backup is proved with the segments of its database, and a restore with those at its place."""
    path, _ = log
    await move(path)
    assert back_up(path, tmp_path / "copy.db").events == len(rows(path)) + len(archived(path))
    with pytest.raises(StorageError, match=segments(path)[0]["name"]):
        restore(tmp_path / "copy.db", tmp_path / "elsewhere" / "tracker.db", "now")
    restored = restore(tmp_path / "copy.db", path, "now")
    assert restored.contents.jobs == 4


async def test_readers_begin_with_the_kept_log(log):
    """Pages in both directions, of a job and of a filter end where the kept log begins."""
    path, logged = log
    done = await move(path)
    async with open_reader(path) as reader:
        assert await reader.first_seq() == done.first_seq
        for which in (EventFilter(), EventFilter(job="job-1"), EventFilter(types=("batch.progress",)), EventFilter(model="*")):
            events = await reader.events(0, which, limit=-1)
            assert all(seq >= done.first_seq for seq, _ in events)
        page = await reader.events_page(Span(0, done.first_seq + 1, newest_first=True), EventFilter(), 5)
    assert [body for _, body in page.events] == [logged[done.events]]
    assert page.next is None


async def test_deliveries_go_on_after_a_move(path):
    """What is pending is delivered with the bytes that it always had."""
    logged = []
    async with open_store(path, [EVERYTHING], notified=lambda event, _: logged.append(encode_event(event))) as store:
        await record(store, run_of("over", SINCE, progress=3))
        await record(store, run_of("later", SINCE + 60 * DAY, progress=0))
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM deliveries WHERE seq <= 6")
    async with open_store(path, [EVERYTHING]) as store:
        assert (await store.move_events(END, 0)).events == 6
        assert [delivery.body for delivery in await claimed(store, now=END)] == [logged[6]]
