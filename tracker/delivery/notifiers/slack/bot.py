"""Owns Slack's bot: one message for each job, its card, that is updated in place, and what happened to it in its thread."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import anyio
import msgspec

from tracker.core.deliveries.delivery import Delivery, Outcome, Result
from tracker.core.deliveries.retry_schedule import requested_wait
from tracker.core.ports.cards import Cards
from tracker.core.text.redaction import Redaction
from tracker.delivery.notifiers.http_outcome import outcome_of, shown
from tracker.delivery.notifiers.slack.blocks import Payload
from tracker.delivery.notifiers.slack.digest import digest
from tracker.delivery.notifiers.slack.incoming_webhook import event_of, pause_as_asked, post
from tracker.delivery.notifiers.slack.link import with_link
from tracker.delivery.notifiers.slack.messages import EventJson, card, job_of, thread
from tracker.http.client import Answer, HttpClient, NoAnswer
from tracker.http.rate_limiter import RateLimiter

API: Final = "https://slack.com/api"

_UNREADABLE: Final = "unreadable_answer"
_LONGEST_ERROR: Final = 100

_RESULTS: Final[Mapping[str, Result]] = {
    _UNREADABLE: Result.SERVER,
    "ratelimited": Result.RATE_LIMITED,
    "rate_limited": Result.RATE_LIMITED,
    "message_limit_exceeded": Result.RATE_LIMITED,
    "fatal_error": Result.SERVER,
    "internal_error": Result.SERVER,
    "request_timeout": Result.SERVER,
    "service_unavailable": Result.SERVER,
    "team_added_to_org": Result.SERVER,  # it moves just now
}
"""What Slack's errors mean; all others say that it does not take this message, or none from us."""

_NO_CARD: Final = ("message_not_found", "channel_not_found", "cant_update_message", "edit_window_closed")
"""A card that cannot be updated any more is posted anew."""

_NOT_OF_AN_UPDATE: Final = ("mrkdwn", "unfurl_links", "unfurl_media")


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bot posts: `name` is a channel's name or id, `token` the bot's, which no representation shows.

    `external_url` is where the pages are that its messages link to.
    """

    name: str
    token: str
    api: str = API
    external_url: str | None = None

    def __repr__(self) -> str:
        return f"Channel({self.name!r})"


class SlackBot:
    """The `Notifier` of a channel.

    Calls that can be repeated come first, and the one that adds a message comes last, so that an attempt which fails half-way
    leaves no copy when it is made again. Slack's API answers 200 to what it does not take, too, and says so in the body: here a
    2xx is success only by its whole body. One call is under way at a time: the pace allows no more, and a job gets one card.
    """

    def __init__(
        self,
        http: HttpClient,
        channel: Channel,
        cards: Cards,
        *,
        rate_limiter: RateLimiter,
        timeout: float,
        now: Callable[[], int],
    ) -> None:
        """Slack takes about one message a second; `timeout` (seconds) spans a call; `now` gives Unix milliseconds."""
        self._http = http
        self._channel = channel
        self._cards = cards
        self._rate_limiter = rate_limiter
        self._timeout = timeout
        self._now = now
        self._sending = anyio.Lock()

    async def send(self, deliveries: Sequence[Delivery]) -> Outcome:
        async with self._sending:
            said = await self._tell(deliveries)
        return said if isinstance(said, Outcome) else Outcome(result=Result.DELIVERED, status=200)

    async def _tell(self, deliveries: Sequence[Delivery]) -> "_Message | Outcome":
        latest = {delivery.stream: delivery for delivery in deliveries}
        events = [event_of(delivery) for delivery in deliveries]
        if len(latest) == 1 and job_of(events[-1]):
            return await self._tell_of_job(deliveries[-1], events)
        for delivery in latest.values():
            kept = await self._kept(delivery)
            if kept and isinstance(shown := await self._show(kept, delivery), Outcome):
                return shown
        return await self._post(with_link(digest(events), events, self._channel.external_url))

    async def _tell_of_job(self, latest: Delivery, events: Sequence[EventJson]) -> "_Message | Outcome":
        kept = await self._kept(latest)
        shown = await self._show(kept, latest)
        news = events if kept else events[1:]  # the card itself tells what came first
        if isinstance(shown, Outcome) or not news:
            return shown
        return await self._call("chat.postMessage", {"channel": shown.channel, "thread_ts": shown.ts, **thread(news)})

    async def _show(self, kept: "_Card | None", delivery: Delivery) -> "_Message | Outcome":
        """Have the job's card show what `delivery` tells; one that shows something later stays as it is."""
        if kept and kept.seq > delivery.seq:
            return kept.message
        payload = self._card(delivery)
        said = await self._update(kept.message, payload) if kept else None
        if said is None:
            said = await self._post(payload)
        if isinstance(said, _Message):
            text = msgspec.json.encode(_Card(message=said, seq=delivery.seq)).decode()
            await self._cards.put(delivery.receiver, delivery.stream, text)
        return said

    async def _post(self, payload: Payload) -> "_Message | Outcome":
        return await self._call("chat.postMessage", {"channel": self._channel.name, **payload})

    async def _update(self, message: "_Message", payload: Payload) -> "_Message | Outcome | None":
        """Update a message; None where it is there no more."""
        update = {name: value for name, value in payload.items() if name not in _NOT_OF_AN_UPDATE}
        said = await self._call("chat.update", {"channel": message.channel, "ts": message.ts, **update})
        return None if isinstance(said, Outcome) and said.detail in _NO_CARD else said

    async def _call(self, method: str, payload: Payload) -> "_Message | Outcome":
        await self._rate_limiter.acquire()
        url = f"{self._channel.api}/{method}"
        answer = await self._http.send(post(url, payload, self._timeout, authorization=f"Bearer {self._channel.token}"))
        said = self._read(answer)
        return pause_as_asked(self._rate_limiter, said) if isinstance(said, Outcome) else said

    def _read(self, answer: Answer | NoAnswer) -> "_Message | Outcome":
        secrets = (self._channel.token, *self._http.identity.secrets())
        outcome = outcome_of(answer, self._now(), secrets=secrets)
        if isinstance(answer, Answer) and outcome.delivered:
            said = _said(answer.body)
            if isinstance(said, _Message):
                return said
            outcome = Outcome(
                result=_RESULTS.get(said, Result.REFUSED),
                detail=Redaction(secrets)(said),
                status=answer.status,
                answer=shown(answer.body, "", secrets),
                retry_after=requested_wait(answer.headers, self._now()),
            )
        return outcome

    async def _kept(self, delivery: Delivery) -> "_Card | None":
        kept = await self._cards.get(delivery.receiver, delivery.stream)
        return None if kept is None else msgspec.json.decode(kept, type=_Card)

    def _card(self, delivery: Delivery) -> Payload:
        event = event_of(delivery)
        shown = card(event["data"], now_ms=self._now(), eta=event.get("eta"), deleted=event["type"] == "batch.deleted")
        return with_link(shown, [event], self._channel.external_url)


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message is. The channel is its id, whatever name it was posted to: updates take no other."""

    channel: str
    ts: str


class _Card(msgspec.Struct, frozen=True, kw_only=True):
    """A job's card, and the seq of the event that it shows."""

    message: _Message
    seq: int


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    ok: bool
    error: str = _UNREADABLE
    ts: str = ""
    channel: str = ""


def _said(body: bytes) -> _Message | str:
    """The message that was posted or updated, or Slack's name for what is wrong."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, ValueError):
        return _UNREADABLE
    if answer.ok and answer.ts and answer.channel:
        return _Message(channel=answer.channel, ts=answer.ts)
    return answer.error[:_LONGEST_ERROR]
