"""Archives files as the archiver does, for tests of what reads them."""

import hashlib

from archiving import ended, missing_file, results_of

from tracker.core.results.result_file import ArchivedFile
from tracker.results.compression import SUFFIX, zstd
from tracker.results.locations.archived_file_names import name_of
from tracker.results.locations.local_directory import LocalDirectory


async def put(root, content, *, job="job-1", kind="output", account="one"):
    """Store the content compressed below `root`; what is recorded of it."""
    new = LocalDirectory(root).create(name_of(account, job, kind) + SUFFIX)
    compressor = zstd()
    new.write(compressor.compress(content) + compressor.flush())
    digest = hashlib.sha256(content).hexdigest()
    lines = content.count(b"\n")
    return ArchivedFile(kind=kind, file_id=kind, bytes=len(content), sha256=digest, lines=lines, location=await new.publish())


async def archive(app, root, *, job="job-1", output=None, missing=(), said=None, **properties):
    """Let the job have ended with its files archived: `output` is the content of the output file, None for none."""
    error = "error" if any(each.kind == "error" for each in missing) else None
    change = ended(job, account="one", output="output", error=error, **properties)
    await app.store.record("one", [change])
    files = () if output is None else (await put(root, output, job=job),)
    await app.store.archive.record(results_of(change, files=files, missing=missing, **(said or {})))
    return files[0] if files else None


def missing(kind="error", reason="gone"):
    return missing_file(kind, kind, reason)
