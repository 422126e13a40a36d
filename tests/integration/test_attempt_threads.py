"""The threads of a library that blocks: their places."""

from threading import Thread

import pytest

from tracker.delivery.notifiers.apprise.attempt_thread import MOST_THREADS, AttemptThreads


async def test_a_thread_that_does_not_start_keeps_no_place(monkeypatch):
    """Where the system has no more threads each attempt fails at once, and once it has some the next attempt goes on."""

    def refuse(_thread):
        raise RuntimeError("can't start new thread")

    threads = AttemptThreads()
    with monkeypatch.context() as full:
        full.setattr(Thread, "start", refuse)
        for _ in range(MOST_THREADS + 1):
            with pytest.raises(RuntimeError, match="new thread"):
                await threads.run(lambda: "sent", 5.0)
    assert await threads.run(lambda: "sent", 5.0) == "sent"
