"""Owns Slack's bot: each job has one message, its card, which is updated in place, and its events in the thread below."""

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import anyio
import msgspec

from tracker.core.deliveries.delivery import Delivery, Outcome, Result
from tracker.core.deliveries.retry_schedule import requested_wait
from tracker.core.events.headline import EventJson, job_of
from tracker.core.ports.job_messages import JobMessages
from tracker.core.text.redaction import Redaction
from tracker.delivery.notifiers.event_of_delivery import event_of
from tracker.delivery.notifiers.http_outcome import outcome_of, shown
from tracker.delivery.notifiers.requested_pause import pause_as_asked
from tracker.delivery.notifiers.slack.block_limits_and_escaping import Payload
from tracker.delivery.notifiers.slack.digest import digest
from tracker.delivery.notifiers.slack.incoming_webhook import post
from tracker.delivery.notifiers.slack.link import with_link
from tracker.delivery.notifiers.slack.message_content import card, thread
from tracker.delivery.notifiers.slack.templated_message import templated
from tracker.delivery.notifiers.templates.wording import Wording
from tracker.http.client import Answer, HttpClient, NoAnswer
from tracker.http.rate_limiter import RateLimiter

API: Final = "https://slack.com/api"

_UNREADABLE: Final = "unreadable_answer"
_MAX_ERROR: Final = 100

_RESULTS: Final[Mapping[str, Result]] = {
    _UNREADABLE: Result.SERVER,
    "ratelimited": Result.RATE_LIMITED,
    "rate_limited": Result.RATE_LIMITED,
    "message_limit_exceeded": Result.RATE_LIMITED,
    "fatal_error": Result.SERVER,
    "internal_error": Result.SERVER,
    "request_timeout": Result.SERVER,
    "service_unavailable": Result.SERVER,
    "team_added_to_org": Result.SERVER,  # the workspace is being moved
}
"""Results by Slack's errors; all others mean that Slack refuses this message, or all of ours."""

_NO_CARD: Final = ("message_not_found", "channel_not_found", "cant_update_message", "edit_window_closed")
"""Errors after which a card is posted again, as it cannot be updated any more."""

_NOT_IN_UPDATES: Final = ("mrkdwn", "unfurl_links", "unfurl_media")


class Channel(msgspec.Struct, frozen=True, kw_only=True):
    """Where a bot posts: `name` is a channel's name or id, `token` the bot's, which no representation shows."""

    name: str
    token: str
    api: str = API
    wording: Wording = Wording()

    def __repr__(self) -> str:
        return f"Channel({self.name!r})"


class SlackBot:
    """The `Notifier` of a channel.

    Calls that can be repeated come first, and the one that adds a message comes last, so that repeating an attempt that
    failed half-way adds no second message. Slack's API also answers errors with 200 and names them in the body, so a 2xx is a
    success only by its whole body. One call is under way at a time, so that a job gets one card.
    """

    def __init__(
        self,
        http: HttpClient,
        channel: Channel,
        job_messages: JobMessages,
        *,
        rate_limiter: RateLimiter,
        timeout: float,
        now: Callable[[], int],
    ) -> None:
        """`timeout` (seconds) is for one call; `now` gives Unix milliseconds. Slack's limit is about one message a second."""
        self._http = http
        self._channel = channel
        self._job_messages = job_messages
        self._rate_limiter = rate_limiter
        self._timeout = timeout
        self._now = now
        self._sending = anyio.Lock()

    async def send(self, deliveries: Sequence[Delivery]) -> Outcome:
        async with self._sending:
            result = await self._deliver(deliveries)
        return result if isinstance(result, Outcome) else Outcome(result=Result.DELIVERED, status=200)

    async def _deliver(self, deliveries: Sequence[Delivery]) -> "_Message | Outcome":
        latest = {delivery.stream: delivery for delivery in deliveries}
        events = [event_of(delivery) for delivery in deliveries]
        if len(latest) == 1 and job_of(events[-1]):
            return await self._deliver_for_job(deliveries[-1], events)
        for delivery in latest.values():
            stored = await self._stored_card(delivery)
            if stored and isinstance(shown := await self._update_card(stored, delivery), Outcome):
                return shown
        message = templated(self._channel.wording, events) or digest(events, self._channel.wording.external_url)
        return await self._post(with_link(message, events, self._channel.wording.external_url))

    async def _deliver_for_job(self, latest: Delivery, events: Sequence[EventJson]) -> "_Message | Outcome":
        stored = await self._stored_card(latest)
        shown = await self._update_card(stored, latest)
        new_events = events if stored else events[1:]  # the new card shows the first event
        if isinstance(shown, Outcome) or not new_events:
            return shown
        replies = with_link(thread(new_events), new_events, self._channel.wording.external_url)
        return await self._call("chat.postMessage", {"channel": shown.channel, "thread_ts": shown.ts, **replies})

    async def _update_card(self, stored: "_Card | None", delivery: Delivery) -> "_Message | Outcome":
        """Update the job's card, or post it; a card that shows a later event stays as it is."""
        if stored and stored.seq > delivery.seq:
            return stored.message
        payload = self._card(delivery)
        result = await self._update_message(stored.message, payload) if stored else None
        if result is None:
            result = await self._post(payload)
        if isinstance(result, _Message):
            text = msgspec.json.encode(_Card(message=result, seq=delivery.seq)).decode()
            await self._job_messages.put(delivery.receiver, delivery.stream, text)
        return result

    async def _post(self, payload: Payload) -> "_Message | Outcome":
        return await self._call("chat.postMessage", {"channel": self._channel.name, **payload})

    async def _update_message(self, message: "_Message", payload: Payload) -> "_Message | Outcome | None":
        """Update a message; None if it does not exist any more."""
        update = {name: value for name, value in payload.items() if name not in _NOT_IN_UPDATES}
        result = await self._call("chat.update", {"channel": message.channel, "ts": message.ts, **update})
        return None if isinstance(result, Outcome) and result.detail in _NO_CARD else result

    async def _call(self, method: str, payload: Payload) -> "_Message | Outcome":
        await self._rate_limiter.acquire()
        url = f"{self._channel.api}/{method}"
        answer = await self._http.send(post(url, payload, self._timeout, authorization=f"Bearer {self._channel.token}"))
        result = self._read_answer(answer)
        return pause_as_asked(self._rate_limiter, result) if isinstance(result, Outcome) else result

    def _read_answer(self, answer: Answer | NoAnswer) -> "_Message | Outcome":
        secrets = (self._channel.token, *self._http.identity.secrets())
        outcome = outcome_of(answer, self._now(), secrets=secrets)
        if isinstance(answer, Answer) and outcome.delivered:
            parsed = _parse_answer(answer.body)
            if isinstance(parsed, _Message):
                return parsed
            outcome = Outcome(
                result=_RESULTS.get(parsed, Result.REFUSED),
                detail=Redaction(secrets)(parsed),
                status=answer.status,
                answer=shown(answer.body, "", secrets),
                retry_after=requested_wait(answer.headers, self._now()),
            )
        return outcome

    async def _stored_card(self, delivery: Delivery) -> "_Card | None":
        stored = await self._job_messages.get(delivery.receiver, delivery.stream)
        return None if stored is None else msgspec.json.decode(stored, type=_Card)

    def _card(self, delivery: Delivery) -> Payload:
        event = event_of(delivery)
        shown = templated(self._channel.wording, [event]) or card(event, now_ms=self._now())
        return with_link(shown, [event], self._channel.wording.external_url)


class _Message(msgspec.Struct, frozen=True, kw_only=True):
    """Where a message is. `channel` is the channel's id, which updates need instead of its name."""

    channel: str
    ts: str


class _Card(msgspec.Struct, frozen=True, kw_only=True):
    """A job's card, and the `seq` of the event that it shows."""

    message: _Message
    seq: int


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    ok: bool
    error: str = _UNREADABLE
    ts: str = ""
    channel: str = ""


def _parse_answer(body: bytes) -> _Message | str:
    """The message that was posted or updated, or Slack's name of the error."""
    try:
        answer = msgspec.json.decode(body, type=_Answer)
    except (msgspec.MsgspecError, ValueError):
        return _UNREADABLE
    if answer.ok and answer.ts and answer.channel:
        return _Message(channel=answer.channel, ts=answer.ts)
    return answer.error[:_MAX_ERROR]
