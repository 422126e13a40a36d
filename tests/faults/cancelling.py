"""Owns cancelling: work that is stopped at its n-th await, wherever in it and in the tasks that it starts that is.

An await counts where it really waits: where control goes back to the loop. A wait in a task that the work did not
start, such as a server's, does not.
"""

import asyncio
from collections import Counter
from contextlib import contextmanager
from contextvars import ContextVar

import anyio

WITHIN = 30
"""Seconds after which what was cancelled counts as hanging; nothing that is cancelled here takes as long."""


class Awaits:
    """Counts them, and cancels at one; where they are is kept, by the line of the product that waits."""

    def __init__(self, at, cancel):
        self.count = 0
        self.hit = None
        self._at, self._cancel = at, cancel

    def one_more(self, coroutine):
        self.count += 1
        if self.count == self._at:
            self.hit = _place(coroutine)
            self._cancel()


class _Counted:
    """A coroutine whose awaits are counted while it runs as it would."""

    def __init__(self, coroutine, awaits):
        self._coroutine, self._awaits = coroutine, awaits

    def __await__(self):
        resume, value = self._coroutine.send, None
        while True:
            try:
                waited_for = resume(value)
            except StopIteration as end:
                return end.value
            self._awaits.one_more(self._coroutine)
            try:
                value = yield waited_for
                resume = self._coroutine.send
            except BaseException as error:  # noqa: BLE001 - for the coroutine, whatever it is
                resume, value = self._coroutine.throw, error


async def by_its_scope(at, work):
    """Cancel the scope round `work` at its await number `at`, as the product does it: the awaits that there were until then."""
    with anyio.fail_after(WITHIN), anyio.CancelScope() as scope:
        awaits = Awaits(at, scope.cancel)
        with _counting(awaits):
            await _Counted(work(), awaits)
    return awaits


async def by_its_task(at, work):
    """Cancel the task itself, as asyncio does it: no scope shields from that."""
    awaits = Awaits(at, lambda: asyncio.current_task().cancel())

    async def counted():
        await _Counted(work(), awaits)

    task = asyncio.create_task(counted())
    done, _ = await asyncio.wait([task], timeout=WITHIN)
    assert done, f"it hangs, cancelled at {awaits.hit}"
    if not task.cancelled():
        task.result()
    return awaits


async def at_every_await(attempt):
    """Have `attempt(at)` cancel its work at its first await, at its second, … until it comes to none: where that was."""
    places = Counter()
    while (awaits := await attempt(places.total() + 1)).hit:
        places[awaits.hit] += 1
    return places


_AWAITS = ContextVar("_AWAITS", default=None)


@contextmanager
def _counting(awaits):
    """Count the awaits of the tasks too that are started while the context lasts, by who is counted already."""
    loop = asyncio.get_running_loop()
    before, token = loop.get_task_factory(), _AWAITS.set(awaits)
    loop.set_task_factory(_counted_task)
    try:
        yield
    finally:
        loop.set_task_factory(before)
        _AWAITS.reset(token)


def _counted_task(loop, coroutine, **how):
    async def counted():
        return await _Counted(coroutine, awaits)

    awaits = _AWAITS.get()
    return asyncio.Task(counted() if awaits else coroutine, loop=loop, **how)


def _place(coroutine):
    """Where in the product it waits: file and line of its innermost frame there, and the function."""
    place = "outside"
    while coroutine is not None:
        frame = getattr(coroutine, "cr_frame", None) or getattr(coroutine, "ag_frame", None)
        if frame and "/tracker/" in frame.f_code.co_filename:
            place = f"{frame.f_code.co_filename.rpartition('/tracker/')[2]}:{frame.f_lineno} {frame.f_code.co_name}"
        coroutine = getattr(coroutine, "cr_await", None) or getattr(coroutine, "ag_await", None)
    return place
