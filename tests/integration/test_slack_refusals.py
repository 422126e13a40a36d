"""What Slack's API refuses a bot: each of its errors with its result, the token in none of them."""

import anyio
import pytest
from loopback import answer, drips, loopback, resets, sends, unreachable_url
from slack_events import NOW, delivery
from slack_standin import TOKEN, error, slack, slow_down
from starlette.responses import PlainTextResponse

from tracker.core.deliveries.delivery import Result
from tracker.delivery.notifiers.slack.bot import Channel, SlackBot
from tracker.http.client import http_client
from tracker.http.rate_limiter import RateLimiter

CLOCK = 1e-3
"""Seconds that the loop's clock may round away."""

CREATED = delivery(1, "batch.created")


class Nowhere:
    """No job has a card."""

    async def get(self, _receiver, _stream):
        return None

    async def put(self, _receiver, _stream, card):
        self.card = card


@pytest.fixture
async def bot(tls):
    """A bot of an API at a URL: `bot(api)`."""
    async with http_client(tls) as http:

        def make(api, *, token=TOKEN, name="#batches", timeout=5.0):
            channel = Channel(name=name, token=token, api=api)
            return SlackBot(http, channel, Nowhere(), rate_limiter=RateLimiter(1000), timeout=timeout, now=lambda: NOW)

        yield make


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("invalid_auth", Result.REFUSED),
        ("token_revoked", Result.REFUSED),
        ("account_inactive", Result.REFUSED),
        ("missing_scope", Result.REFUSED),
        ("channel_not_found", Result.REFUSED),
        ("not_in_channel", Result.REFUSED),
        ("is_archived", Result.REFUSED),
        ("msg_too_long", Result.REFUSED),
        ("invalid_blocks", Result.REFUSED),
        ("something_new", Result.REFUSED),
        ("ratelimited", Result.RATE_LIMITED),
        ("rate_limited", Result.RATE_LIMITED),
        ("message_limit_exceeded", Result.RATE_LIMITED),
        ("internal_error", Result.SERVER),
        ("fatal_error", Result.SERVER),
        ("service_unavailable", Result.SERVER),
        ("request_timeout", Result.SERVER),
        ("team_added_to_org", Result.SERVER),
    ],
)
async def test_every_error_has_its_result(bot, name, result):
    """An error of Slack with status 200 is no success: the outcome has its name, and all that Slack said."""
    async with slack() as standin:
        standin.orders = [error(name, needed="chat:write")]
        outcome = await bot(standin.api).send([CREATED])
        assert standin.posted() == []
    assert (outcome.result, outcome.detail, outcome.status) == (result, name, 200)
    assert '"needed":"chat:write"' in outcome.answer


@pytest.mark.parametrize(
    ("token", "channel", "detail"), [("xoxb-wrong", "#batches", "invalid_auth"), (TOKEN, "#unknown", "channel_not_found")]
)
async def test_a_wrong_configuration_is_refused(bot, token, channel, detail):
    """A wrong token and an unknown channel are reported by Slack's names, and nothing is posted."""
    async with slack() as standin:
        outcome = await bot(standin.api, token=token, name=channel).send([CREATED])
        assert standin.posted() == []
    assert (outcome.result, outcome.detail) == (Result.REFUSED, detail)


@pytest.mark.parametrize(("asked", "wait"), [("0.4", 0.4), (None, 1.0)])
async def test_a_429_holds_the_next_call_back(bot, asked, wait):
    """The next call waits as long as Slack asked for, or a second if Slack did not say how long."""
    async with slack() as standin:
        sender = bot(standin.api)
        standin.orders = [slow_down(asked)]
        began = anyio.current_time()
        outcome = await sender.send([CREATED])
        assert (outcome.result, outcome.retry_after) == (Result.RATE_LIMITED, None if asked is None else wait)
        until = sender._rate_limiter._paused_until
        assert began + wait <= until <= anyio.current_time() + wait
        assert (await sender.send([CREATED])).delivered
        assert anyio.current_time() >= until - CLOCK


@pytest.mark.parametrize("status", [301, 400, 401, 410, 500, 503])
async def test_what_is_not_200_is_what_its_status_says(bot, status):
    """A status of HTTP is no success either, and is kept."""
    async with slack() as standin:
        standin.orders = [PlainTextResponse("no", status)]
        outcome = await bot(standin.api).send([CREATED])
    results = {301: Result.REDIRECTED, 400: Result.REFUSED, 401: Result.REFUSED, 410: Result.GONE}
    assert (outcome.result, outcome.status, outcome.answer) == (results.get(status, Result.SERVER), status, "no")


@pytest.mark.parametrize(
    "body",
    [b"", b"ok", b"<html>", b"[]", b"null", b'{"ok": "yes"}', b"\xff", b'{"ok": true}', b'{"ok": true, "ts": "1.2"}', b"{}"],
)
async def test_an_answer_that_cannot_be_read_is_no_success(bot, body):
    """What is not Slack's, or does not say where the message is, is a fault of the server."""
    async with loopback(sends(answer(body))) as server:
        outcome = await bot(server.url).send([CREATED])
    assert (outcome.result, outcome.detail) == (Result.SERVER, "unreadable_answer")


@pytest.mark.parametrize(
    "scene",
    [resets(), resets(answer(b'{"ok": true}')[:-1]), drips(answer(b'{"ok": true}'), 0.05)],
    ids=["reset", "reset within the answer", "too slow"],
)
async def test_no_answer_is_the_networks(bot, scene):
    """An answer that does not come, or not whole, or not in time, is no success."""
    async with loopback(scene) as server:
        outcome = await bot(server.url, timeout=0.3).send([CREATED])
    assert outcome.result is Result.NETWORK


async def test_nothing_listens(bot):
    """A refused connection is the network's."""
    with unreachable_url() as url:
        assert (await bot(url).send([CREATED])).result is Result.NETWORK


@pytest.mark.parametrize("status", [200, 400])
async def test_the_token_is_in_no_outcome(bot, status):
    """A server that repeats the token does not bring it into what is kept of its answer, nor does the channel show it."""
    async with loopback(sends(answer(f'{{"ok": false, "error": "odd", "token": "{TOKEN}"}}'.encode(), status))) as server:
        outcome = await bot(server.url).send([CREATED])
    assert "[redacted]" in outcome.answer
    assert TOKEN not in str(outcome)
    assert TOKEN not in repr(Channel(name="#batches", token=TOKEN))


async def test_a_long_error_is_cut(bot):
    """A server's name for an error is reported, up to a hundred characters of it."""
    async with slack() as standin:
        standin.orders = [error("x" * 1000)]
        assert (await bot(standin.api).send([CREATED])).detail == "x" * 100
