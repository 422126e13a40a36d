"""What an engine hands over in memory: the new deliveries of a commit, to the dispatcher of their receiver."""

import pytest
from job_changes import CHECKPOINT, SINCE, moved, seen, seen_many, with_the_id_of
from outboxes import DELIVERED, EVERYTHING, OTHER, attempt, claimed

from tracker.core.errors.storage_error import StorageError
from tracker.core.silences.silence import Scope, SilenceRequest, requested_silence


@pytest.fixture
def store(with_receivers):
    return with_receivers


class Dispatcher:
    """Takes what it is given, where it `takes`."""

    def __init__(self, *, takes=True):
        self.takes = takes
        self.taken = []

    def __call__(self, new):
        self.taken.append([*new])
        return self.takes

    @property
    def deliveries(self):
        return [delivery for new in self.taken for delivery, _ in new]


async def test_what_is_handed_over_is_what_a_claim_would_read(store):
    """Each commit hands over its deliveries in the log's order: the same values as claimed ones, and when they are due."""
    dispatcher, change = Dispatcher(), seen("a", status="RUNNING")
    with store.wakeups.dispatch_to("pipeline", dispatcher):
        await store.record("default", [seen("b"), seen("c")])
        await store.record("default", [change])
    assert [len(new) for new in dispatcher.taken] == [2, 2]
    by_stream = {delivery.stream: delivery for delivery in await claimed(store)}
    assert {delivery.stream: delivery for delivery in reversed(dispatcher.deliveries)} == by_stream
    assert {due_at for new in dispatcher.taken for _, due_at in new} == {SINCE}


async def test_progress_in_its_short_form_is_handed_over_whole(store):
    """An event that is stored as what differs from another one is handed over with the same bytes as a claim reads."""
    change, dispatcher = seen("a", total_requests=9), Dispatcher()
    await store.record("default", [change])
    await attempt(store, 1, DELIVERED)
    with store.wakeups.dispatch_to("pipeline", dispatcher):
        await store.record("default", [moved(change, completed_requests=1)])
    assert dispatcher.deliveries == await claimed(store)
    assert dispatcher.deliveries[0].type == "batch.progress"


async def test_taken_deliveries_wake_no_deliverer(store):
    """The signal of a receiver is set, and its number grows, only where its dispatcher takes nothing or there is none."""
    wakeups = store.wakeups
    for number, takes in enumerate((True, False, None)):
        changed, news = wakeups.deliveries_changed("pipeline"), wakeups.deliveries_news("pipeline")
        if takes is None:
            await store.record("default", [seen(f"job-{number}")])
        else:
            with wakeups.dispatch_to("pipeline", Dispatcher(takes=takes)):
                await store.record("default", [seen(f"job-{number}")])
        assert changed.is_set() == (not takes)
        assert wakeups.deliveries_news("pipeline") == news + (not takes)


async def test_each_receiver_has_a_dispatcher_of_its_own(store):
    """A delivery is handed to its receiver's dispatcher alone, and a successor's stays when the one before it goes."""
    first, second, other = Dispatcher(), Dispatcher(), Dispatcher()
    with store.wakeups.dispatch_to("other", other):
        before = store.wakeups.dispatch_to("pipeline", first)
        before.__enter__()
        with store.wakeups.dispatch_to("pipeline", second):
            before.__exit__(None, None, None)
            await store.record("default", [seen("a")])
    assert [len(each.taken) for each in (first, second, other)] == [0, 1, 0]


async def test_nothing_is_handed_over_of_a_commit_that_failed(store):
    """What is not in the log is not sent."""
    first, dispatcher = seen("a"), Dispatcher()
    await store.record("default", [first])
    with store.wakeups.dispatch_to("pipeline", dispatcher), pytest.raises(StorageError):
        await store.record("default", [with_the_id_of(seen("bad"), first)])
    assert dispatcher.taken == []


async def test_silenced_deliveries_are_not_handed_over(engine):
    """A silence keeps a delivery from the dispatcher as it does from a claim."""
    async with engine.store([EVERYTHING, OTHER]) as store:
        await store.checkpoint("default", CHECKPOINT)
        request = SilenceRequest(scope=Scope(), reason="a deployment", seconds=3600.0)
        await store.silences.add(requested_silence(request, store.now(), "command"), store.now())
        dispatcher = Dispatcher()
        with store.wakeups.dispatch_to("pipeline", dispatcher):
            await store.record("default", seen_many(2))
    assert dispatcher.taken == []


async def test_news_is_what_may_be_due(store):
    """Its number grows for the receivers that are woken, or for all; what is only settled is no news, but a signal."""
    wakeups = store.wakeups

    def news():
        return [wakeups.deliveries_news(receiver) for receiver in ("pipeline", "other")]

    assert news() == [0, 0]
    wakeups.wake_deliverers(["other"])
    assert news() == [0, 1]
    wakeups.wake_all_deliverers()
    assert news() == [1, 2]
    changed, other = wakeups.deliveries_changed("pipeline"), wakeups.deliveries_changed("other")
    wakeups.attempts_changed("pipeline")
    assert (news(), changed.is_set(), other.is_set()) == ([1, 2], True, False)


async def test_dispatcher_that_is_not_asked_for_anything_makes_nothing(store):
    """Deliveries are made one by one, as they are asked for: a commit of thousands costs a busy receiver nothing."""
    made = []

    def first_only(new):
        made.append(next(new))
        return False

    with store.wakeups.dispatch_to("pipeline", first_only):
        store.wakeups.deliveries_added("pipeline", (made.append(number) or number for number in range(3)))
    assert made == [0, 0]
