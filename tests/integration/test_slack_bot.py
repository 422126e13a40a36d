"""A bot over real HTTP keeps one message for each job: posted once, updated in place, its transitions in the thread."""

import anyio
import pytest
from slack_events import NOW, delivery, of_account
from slack_rules import shown
from slack_standin import TOKEN, error, slack
from starlette.responses import PlainTextResponse
from storage_engines import open_any_store

from tracker.core.deliveries.delivery import Result
from tracker.core.errors.storage_error import StorageError
from tracker.delivery.notifiers.slack.bot import Channel, SlackBot
from tracker.delivery.notifiers.templates.message_template import MessageTemplate
from tracker.delivery.notifiers.templates.wording import Wording
from tracker.http.client import http_client
from tracker.http.rate_limiter import RateLimiter

LIFE = [
    delivery(1, "batch.created"),
    delivery(2, "batch.started", was="QUEUED"),
    delivery(3, "batch.progress", done=40, eta="2025-06-25T15:20:10.000Z"),
    delivery(4, "batch.completed", done=100, was="RUNNING"),
]


class Unreachable:
    """A store that cannot be read."""

    async def get(self, _receiver, _stream):
        raise StorageError("on purpose")


@pytest.fixture
async def standin():
    async with slack() as started:
        yield started


@pytest.fixture
async def job_messages(database):
    async with open_any_store(database) as store:
        yield store.job_messages


@pytest.fixture
async def make_bot(tls, standin, job_messages):
    """A bot of the stand-in's channel, with the cards that there are: `make_bot()` is what a restart gives."""
    async with http_client(tls) as http:

        def make(*, job_messages=job_messages, rate_limiter=1000.0, external_url=None, template=None):
            channel = Channel(name="#batches", token=TOKEN, api=standin.api, wording=Wording("team", template, external_url))
            return SlackBot(http, channel, job_messages, rate_limiter=RateLimiter(rate_limiter), timeout=5.0, now=lambda: NOW)

        yield make


@pytest.fixture
def bot(make_bot):
    return make_bot()


async def test_the_life_of_a_job(bot, standin):
    """The first event posts the card, each later one updates it and adds a line to its thread; the channel has one message."""
    cards_seen = []
    for each in LIFE:
        assert (await bot.send([each])).delivered
        cards_seen.append(shown(standin.posted()[0][1]))
    ((ts, last),) = standin.posted()
    assert standin.methods == ["chat.postMessage", *["chat.update", "chat.postMessage"] * 3]
    assert [text.splitlines()[0] for text in cards_seen] == [
        *("Batch waiting", "Batch running", "Batch running", "Batch completed: all 100 requests succeeded")
    ]
    assert ["Expected to end" in text for text in cards_seen] == [False, False, True, False]
    assert last["text"].splitlines()[0] == "Batch completed: all 100 requests succeeded (small)"
    assert standin.thread_of(ts) == [
        "Batch started: 0 of 100 requests done (it was QUEUED)",
        "Batch in progress: 40 of 100 requests done",
        "Batch completed: all 100 requests succeeded (it was RUNNING)",
    ]


async def test_a_restart_goes_on_with_the_card(make_bot, standin):
    """After a restart a bot updates the card that was posted before."""
    for each in LIFE:
        assert (await make_bot().send([each])).delivered
    ((ts, _),) = standin.posted()
    assert len(standin.thread_of(ts)) == 3


async def test_each_job_has_its_card(bot, standin):
    """Jobs do not share a card, and neither do their threads."""
    for number in range(3):
        for type_ in ("batch.created", "batch.completed"):
            assert (await bot.send([delivery(number, type_, f"job-{number}", 100)])).delivered
    assert [len(standin.thread_of(ts)) for ts, _ in standin.posted()] == [1, 1, 1]


@pytest.mark.parametrize("reason", ["message_not_found", "channel_not_found", "cant_update_message", "edit_window_closed"])
async def test_a_deleted_card_is_posted_again(bot, standin, reason):
    """Where a card cannot be updated another one takes its place, and the thread goes on below that."""
    await bot.send([LIFE[0]])
    standin.orders = [error(reason)]
    assert (await bot.send([LIFE[1]])).delivered
    assert (await bot.send([LIFE[3]])).delivered
    (_, _), (ts, new) = standin.posted()
    assert new["text"].startswith("Batch completed")
    assert len(standin.thread_of(ts)) == 2


async def test_a_card_that_a_user_deleted_comes_back(bot, standin):
    """Deleting the message of a job does not keep its end from anyone."""
    await bot.send([LIFE[0]])
    standin.delete(standin.posted()[0][0])
    assert (await bot.send([LIFE[3]])).delivered
    ((_, card),) = standin.posted()
    assert card["text"].startswith("Batch completed")


async def test_a_late_event_does_not_turn_the_card_back(bot, standin):
    """An event that arrives after a newer one gets its line in the thread, and the card stays as it is."""
    for each in (LIFE[0], LIFE[3], LIFE[1]):
        assert (await bot.send([each])).delivered
    ((ts, card),) = standin.posted()
    assert card["text"].startswith("Batch completed")
    assert standin.thread_of(ts)[-1] == "Batch started: 0 of 100 requests done (it was QUEUED)"


async def test_an_attempt_that_failed_half_way_leaves_no_copy(bot, standin):
    """The card was updated and the thread refused: the next attempt writes to the thread once."""
    await bot.send([LIFE[0]])
    standin.orders = [None, PlainTextResponse("", 500)]
    assert (await bot.send([LIFE[3]])).result is Result.SERVER
    assert (await bot.send([LIFE[3]])).delivered
    ((ts, _),) = standin.posted()
    assert len(standin.thread_of(ts)) == 1


async def test_a_burst_updates_cards_and_adds_one_message(bot, standin, job_messages):
    """If many jobs end together, their cards are updated and one digest names all of them; no thread does."""
    await bot.send([LIFE[0]])
    await bot.send([delivery(2, "batch.created", "job-2")])
    standin.calls.clear()
    burst = [delivery(10 + number, "batch.completed", f"job-{number}", 100) for number in range(50)]
    assert (await bot.send([delivery(9, "batch.progress", "job-1", 50), *burst, of_account(99)])).delivered
    assert standin.methods == ["chat.update", "chat.update", "chat.postMessage"]
    texts = standin.titles()
    assert texts[:2] == ["Batch completed: all 100 requests succeeded (small)"] * 2
    assert texts[2] == "50 batches ended and 1 other event: 1 out of reach, 50 succeeded"
    assert len(texts) == 3
    kept = [await job_messages.get("channel", each.stream) is not None for each in burst]
    assert [number for number, has_card in enumerate(kept) if has_card] == [1, 2]


@pytest.mark.parametrize("fails_at", [0, 1, 2])
async def test_a_digest_comes_once_however_often_it_is_tried(bot, standin, fails_at):
    """Whatever fails of a burst, the attempt fails, and the next one adds the one digest."""
    await bot.send([LIFE[0]])
    await bot.send([delivery(2, "batch.created", "job-2")])
    burst = [delivery(10 + number, "batch.completed", f"job-{number}", 100) for number in range(5)]
    standin.orders = [*[None] * fails_at, error("internal_error")]
    assert (await bot.send(burst)).result is Result.SERVER
    assert (await bot.send(burst)).delivered
    assert [payload["text"][:15] for _, payload in standin.posted()] == [
        "Batch completed",
        "Batch completed",
        "5 batches ended",
    ]


async def test_several_events_of_one_job(bot, standin):
    """They are one card that shows the last of them, and one message in its thread; a new card needs none for the first."""
    assert (await bot.send(LIFE[:1])).delivered
    assert (await bot.send(LIFE[1:])).delivered
    ((ts, card),) = standin.posted()
    assert card["text"].startswith("Batch completed")
    (lines,) = standin.thread_of(ts)
    assert len(lines.splitlines()) == 3
    assert (await bot.send([delivery(8, "batch.created", "job-2"), delivery(9, "batch.failed", "job-2")])).delivered
    assert standin.thread_of(standin.posted()[1][0]) == ["Batch failed: 0 of 100 requests done"]


async def test_card_and_thread_link_to_the_page(make_bot, standin):
    """Each message of the bot links to the job's page, in its blocks and in its text."""
    bot = make_bot(external_url="https://ops.example.com/tracker")
    for each in LIFE[:2]:
        assert (await bot.send([each])).delivered
    page = "https://ops.example.com/tracker/jobs/job-1?account=default"
    assert len(standin.messages) == 2
    for payload in standin.messages.values():
        assert payload["text"].endswith(f"\n{page}")
        assert payload["blocks"][-1]["elements"][0]["text"] == f"<{page}|Open in batch-tracker>"


async def test_card_has_the_words_of_a_template(make_bot, standin):
    """The card is the template's text about the last event, and is updated as any; the thread has the events as always."""
    bot = make_bot(template=MessageTemplate("{{ event.type }} *{{ job.model }}*"))
    for each in LIFE[:2]:
        assert (await bot.send([each])).delivered
    ((ts, card),) = standin.posted()
    assert card["text"] == card["blocks"][0]["text"]["text"] == "batch.started *small*"
    assert standin.thread_of(ts) == ["Batch started: 0 of 100 requests done (it was QUEUED)"]


async def test_what_is_about_no_job_has_no_card(bot, standin, job_messages):
    """An account's event is a message in the channel, each time."""
    for seq, type_ in enumerate(("account.unreachable", "account.recovered")):
        assert (await bot.send([of_account(seq, type_)])).delivered
    assert standin.titles() == [
        "Account default cannot be reached: it does not answer",
        "Account default can be reached again",
    ]
    assert await job_messages.get("channel", of_account(0).stream) is None


async def test_a_deleted_job_is_shown_as_deleted(bot, standin):
    """The last status of a job that the API no longer has is not shown as if it went on."""
    for each in (LIFE[0], LIFE[1], delivery(5, "batch.deleted")):
        await bot.send([each])
    assert standin.posted()[0][1]["text"].startswith("Batch deleted")


async def test_events_that_come_together_make_one_card(bot, standin):
    """Attempts side by side for the same job post one card."""
    async with anyio.create_task_group() as group:
        for each in LIFE:
            group.start_soon(bot.send, [each])
    assert len(standin.posted()) == 1


async def test_every_call_has_its_turn(make_bot, standin):
    """An update and its line in the thread are two calls, and a channel takes one a second."""
    bot = make_bot(rate_limiter=1.0)
    began = anyio.current_time()
    for each in LIFE[:2]:
        assert (await bot.send([each])).delivered
    assert len(standin.calls) == 3
    assert anyio.current_time() - began >= 1.999


async def test_an_unreachable_store_is_no_outcome(make_bot, standin):
    """If the place of the card cannot be read, no attempt sends anything, and each raises the error."""
    bot = make_bot(job_messages=Unreachable())
    for _ in range(2):
        with pytest.raises(StorageError):
            await bot.send([LIFE[1]])
    assert standin.calls == []
