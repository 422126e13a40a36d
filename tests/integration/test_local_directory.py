"""The archive in a directory: a file is there whole or not at all, and only its owner can read it."""

import errno
import fcntl
import os
import stat
import sys
from pathlib import Path

import anyio
import pytest

from tracker.results.locations.local_directory import LocalDirectory
from tracker.results.locations.location import LocationError
from tracker.results.locations.location_factory import open_location

NAME = "default/job/out.jsonl"


@pytest.fixture
def place(tmp_path):
    return LocalDirectory(tmp_path / "deep" / "results")


async def stored(place, data=b"content", name=NAME):
    new = place.create(name)
    new.write(data)
    return await new.publish()


def descriptors():
    """How many this process has open."""
    return len([*Path("/proc/self/fd").iterdir()])


def files_of(folder):
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


async def test_file_appears_when_it_is_whole(place, tmp_path):
    """Before it is published there is a part of another name, and then the file alone; it can be found, read and removed."""
    new = place.create(NAME)
    new.write(b"con")
    assert await place.find(NAME) is None
    assert files_of(tmp_path) == ["out.jsonl.part"]
    new.write(b"tent")
    location = await new.publish()
    new.discard()  # as one does in any case
    assert files_of(tmp_path) == ["out.jsonl"]
    assert await place.find(NAME) == location == f"file://{tmp_path}/deep/results/{NAME}"
    opened = place.open(location)
    assert opened.read(100) + opened.read(100) == b"content"
    opened.close()
    await place.remove(location)
    await place.remove(location)  # it need not be there
    assert await place.find(NAME) is None
    assert [path.name for path in tmp_path.rglob("*")] == ["deep", "results"]


async def test_only_its_owner_can_read_it(place, tmp_path):
    """Files and folders are the owner's alone, whatever the process's mask allows; so is the part that is being written."""
    before = os.umask(0)
    try:
        new = place.create(NAME)
        modes = [stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "deep").rglob("*")]
        new.discard()
    finally:
        os.umask(before)
    assert sorted(modes) == [0o600, 0o700, 0o700, 0o700]


async def test_file_takes_the_place_of_another(place):
    """A name that is written again has the new content."""
    await stored(place, b"longer than the other one")
    opened = place.open(await stored(place, b"other"))
    assert opened.read(100) == b"other"
    opened.close()


async def test_what_is_not_published_is_removed(place, tmp_path):
    """A part that is discarded leaves no file, and one that was published is not removed by that."""
    new = place.create(NAME)
    new.write(b"part")
    new.discard()
    new.discard()
    assert files_of(tmp_path) == []


async def test_leftovers_of_a_killed_process_are_removed(place, tmp_path):
    """A part whose writer was killed is removed, and one that is being written is not."""
    script = (
        "import os, sys; from pathlib import Path\n"
        "from tracker.results.locations.local_directory import LocalDirectory\n"
        "LocalDirectory(Path(sys.argv[1])).create('default/job/killed.jsonl').write(b'x')\n"
        "os.kill(os.getpid(), 9)"
    )
    root = tmp_path / "deep" / "results"
    killed = await anyio.run_process([sys.executable, "-c", script, str(root)], check=False)
    assert killed.returncode == -9
    being_written = place.create(NAME)
    assert files_of(tmp_path) == ["killed.jsonl.part", "out.jsonl.part"]
    opened = descriptors()
    assert place.remove_leftovers() == 1
    assert descriptors() == opened
    assert files_of(tmp_path) == ["out.jsonl.part"]
    being_written.discard()


async def test_leftover_is_overwritten(place):
    """What a killed writer left is no hindrance, and no part of the next file."""
    new = place.create(NAME)
    new.write(b"a long part of an earlier attempt")
    os.close(new._part._descriptor)  # as if it were killed
    opened = place.open(await stored(place))
    assert opened.read(100) == b"content"
    opened.close()


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "/etc/passwd", "s3://bucket/x", "file://{root}/../x", "file://{root}"]
)
async def test_location_elsewhere_is_refused(place, tmp_path, location):
    """Only what is within the directory is read or removed, whatever a record says."""
    location = location.format(root=tmp_path / "deep" / "results")
    with pytest.raises(LocationError, match="is not within"):
        place.open(location)
    with pytest.raises(LocationError, match="is not within"):
        await place.remove(location)


async def test_links_are_not_followed(place, tmp_path):
    """A link in the place of a part or of a file leads to nothing that is written or read."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"secret")
    await stored(place, name="default/job/other.jsonl")
    folder = tmp_path / "deep/results/default/job"
    (folder / "out.jsonl.part").symlink_to(victim)
    (folder / "link.jsonl").symlink_to(victim)
    with pytest.raises(LocationError):
        place.create(NAME)
    with pytest.raises(LocationError):
        place.open(f"file://{folder}/link.jsonl")
    assert place.remove_leftovers() == 0
    assert victim.read_bytes() == b"secret"


async def test_link_is_no_archived_file(place, tmp_path):
    """A link in the place of a file is not found as one that was archived; the file takes its place, not that of its target."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"theirs")
    await stored(place, name="default/job/other.jsonl")
    (tmp_path / "deep/results" / NAME).symlink_to(victim)
    assert await place.find(NAME) is None
    opened = place.open(await stored(place))
    assert (opened.read(100), victim.read_bytes()) == (b"content", b"theirs")
    opened.close()


async def test_fifo_is_not_waited_for(place, tmp_path):
    """A FIFO in the place of a part or of a file holds up no thread: nothing is found, and writing it is an error."""
    await stored(place, name="default/job/other.jsonl")
    folder = tmp_path / "deep/results/default/job"
    for name in ("out.jsonl.part", "fifo.jsonl"):
        os.mkfifo(folder / name)
    with pytest.raises(LocationError, match="cannot be written"):
        place.create(NAME)
    reader = os.open(folder / "out.jsonl.part", os.O_RDONLY | os.O_NONBLOCK)
    with pytest.raises(LocationError, match="cannot be written"):
        place.create(NAME)
    os.close(reader)
    assert await place.find("default/job/fifo.jsonl") is None
    place.open(f"file://{folder}/fifo.jsonl").close()
    assert place.remove_leftovers() == 0


async def test_part_that_is_published_meanwhile(place, monkeypatch):
    """A second writer that opened the part before the first one gave it its name does not touch the file."""
    first, lock = place.create(NAME), fcntl.flock
    first.write(b"content")

    def publish_first(descriptor, operation):
        first._part.rename()
        lock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", publish_first)
    with pytest.raises(LocationError, match="another process is writing it"):
        place.create(NAME)
    opened = place.open(await place.find(NAME))
    assert opened.read(100) == b"content"
    opened.close()


async def test_file_that_is_gone(place):
    """A file that is not there is an error of the archive that says which."""
    location = await stored(place)
    await place.remove(location)
    with pytest.raises(LocationError, match=r"out\.jsonl: cannot be read: No such file"):
        place.open(location)


@pytest.mark.parametrize(("error", "full"), [(errno.ENOSPC, True), (errno.EDQUOT, True), (errno.EIO, False)])
async def test_failing_disk(place, monkeypatch, error, full):
    """What the file system refuses is an error of the archive, which says whether the disk is full."""

    def refuse(*_):
        raise OSError(error, os.strerror(error))

    new = place.create(NAME)
    monkeypatch.setattr(os, "write", refuse)
    with pytest.raises(LocationError) as raised:
        new.write(b"content")
    new.discard()
    assert raised.value.full is full
    assert raised.value.args[0].endswith(f"cannot be written: {os.strerror(error)}")


@pytest.mark.parametrize("error", [errno.EACCES, errno.EIO, errno.ESTALE])
async def test_archive_that_cannot_be_looked_into(place, monkeypatch, error):
    """A folder that may not be entered, or whose disk or server is gone, is an error of the archive, not of the program."""

    def refuse(*_, **__):
        raise OSError(error, os.strerror(error))

    with monkeypatch.context() as patched:
        patched.setattr(os, "stat", refuse)
        patched.setattr(os, "lstat", refuse)
        with pytest.raises(LocationError, match=f"cannot be read: {os.strerror(error)}"):
            await place.find(NAME)


def test_file_that_cannot_be_read():
    """A disk that fails while a file is read is an error of the archive."""
    opened = LocalDirectory(Path("/proc/self")).open("file:///proc/self/mem")  # whose first page is never there
    with pytest.raises(LocationError, match="mem: cannot be read: Input/output error"):
        opened.read(100)
    opened.close()


def test_failing_close_of_what_is_discarded(place, monkeypatch):
    """A server that refuses the last blocks only when the file is closed, as NFS does, does not stop the clean-up."""
    new, close = place.create(NAME), os.close

    def refuse(descriptor):
        close(descriptor)
        raise OSError(errno.EDQUOT, "Disk quota exceeded")

    with monkeypatch.context() as patched:
        patched.setattr(os, "close", refuse)
        new.discard()


async def test_failing_sync_publishes_nothing(place, tmp_path, monkeypatch):
    """A file that may not be on the disk is not published."""

    def refuse(_):
        raise OSError(errno.EIO, "Input/output error")

    new = place.create(NAME)
    new.write(b"content")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(LocationError):
        await new.publish()
    new.discard()
    assert files_of(tmp_path) == []


@pytest.mark.parametrize("archive", ["{}", "file://{}"])
async def test_path_or_url(tmp_path, archive):
    """A path is a directory, and so is its URL."""
    place = open_location(archive.format(tmp_path), tmp_path / "spool")
    assert await stored(place) == f"file://{tmp_path}/{NAME}"
    assert place.free_bytes() > 0


async def test_relative_path(tmp_path, monkeypatch):
    """Files below a relative path have an absolute location, by which one in another directory finds them."""
    monkeypatch.chdir(tmp_path)
    place = open_location("deep/../results", tmp_path / "spool")
    location = await stored(place)
    assert location == f"file://{tmp_path}/results/{NAME}"
    monkeypatch.chdir("/")
    opened = place.open(location)
    assert opened.read(100) == b"content"
    opened.close()
