"""Owns the requests to one account's API: its key, its turn in the rate limiter, and its errors as typed failures."""

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final, TypeVar
from urllib.parse import quote

import anyio

from tracker.config.secrets.credentials import Credentials
from tracker.core.deliveries.retry_schedule import requested_wait
from tracker.core.errors.api_error_messages import explained, may_be_html, message_of, no_json
from tracker.core.errors.provider_failure import Failure, Reason, reason_of
from tracker.core.text.redaction import Redaction
from tracker.core.text.signed_links import without_link_values
from tracker.http.client import Answer, HttpClient, NoAnswer, Request
from tracker.http.rate_limiter import RateLimiter
from tracker.http.streaming import StreamedAnswer

T = TypeVar("T")

DEFAULT_PAUSE: Final = 1.0
"""Seconds that the whole account waits after a 429 that does not say how long."""

SHOWN_OF_AN_ERROR: Final = 200
"""Characters of an error's body that go into its detail."""

LONGEST_DETAIL: Final = 500
"""Characters."""

_LATE: Final = "; is it reachable from here, by a proxy perhaps, and is `request_timeout` long enough?"

_READ_OF_AN_ERROR: Final = 4096
"""Bytes of it that are looked at: the key is taken out before the text is cut, or a part of it might stay."""

_TOO_LARGE: Final = "expected at most {} bytes, found more"

_KEY_REFUSED: Final = b"API_KEY_INVALID"
"""With it Google refuses a key, and with the status 400."""

KeyHeaders = Callable[[str], Mapping[str, str]]
"""The headers of each request, by the API key."""


def is_too_large(failure: Failure) -> bool:
    """Whether the answer has more bytes than are read."""
    beginning, _, end = _TOO_LARGE.partition("{}")
    return failure.detail.startswith(beginning) and failure.detail.endswith(end)


def path_segment(name: str) -> str:
    """A name from outside as one segment of a path: dots alone would lead to another path."""
    return quote(name, safe="").replace(".", "%2E")


class AuthorizedRequests:
    """GET requests of one account, and no others. Each waits for its turn; `on_response` is given call, code and seconds.

    The call "list" is the first that an API gets: where it is not found, `base_url` is likely to be wrong.
    """

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        http: HttpClient,
        base_url: str,
        credentials: Credentials,
        *,
        rate_limiter: RateLimiter,
        deadline: float,
        now: Callable[[], int],
        key_headers: KeyHeaders,
        on_response: Callable[[str, str, float], None] = lambda _call, _code, _seconds: None,
    ) -> None:
        """`deadline` is seconds, for a whole answer or for the head of a streamed one; `now` gives Unix milliseconds."""
        self._http = http
        self._base_url = base_url
        self._credentials = credentials
        self._key_headers = key_headers
        self._apply_credentials()
        self._rate_limiter = rate_limiter
        self._deadline = deadline
        self.now = now
        self._on_response = on_response

    def url(self, path: str) -> str:
        """The URL of `path`, which begins with a slash."""
        return self._base_url.rstrip("/") + path

    async def get(
        self, call: str, url: str, params: tuple[tuple[str, str], ...] = (), *, first: bool = False
    ) -> Answer | Failure:
        """The answer, which is JSON. The request is repeated where the key is refused and has been replaced.

        `first`: it goes before those that are not.
        """
        generation = self._generation
        answer = await self._get_once(call, url, params, first=first)
        return await self._get_once(call, url, params, first=first) if await self._renewed(answer, generation) else answer

    @asynccontextmanager
    async def stream(self, call: str, url: str, idle: float) -> AsyncIterator[StreamedAnswer | Failure]:
        """The answer of status 200 while it comes, each part within `idle` seconds; these requests go first."""
        generation = self._generation
        async with self._stream_once(call, url, idle) as answer:
            if not await self._renewed(answer, generation):
                yield answer
                return
        async with self._stream_once(call, url, idle) as answer:
            yield answer

    def _apply_credentials(self) -> None:
        """Use the key as it is now."""
        self._generation = self._credentials.generation
        self._headers = {**self._key_headers(self._credentials["api_key"]), "accept": "application/json"}
        self._redact = Redaction(self._credentials.secrets())

    async def _renewed(self, answer: object, generation: int) -> bool:
        """Whether the key was refused and has been replaced since `generation`."""
        refused = isinstance(answer, Failure) and answer.reason is Reason.UNAUTHORISED
        if not refused or not await self._credentials.renewed(generation):
            return False
        self._apply_credentials()
        return True

    async def _get_once(self, call: str, url: str, params: tuple[tuple[str, str], ...], *, first: bool) -> Answer | Failure:
        await (self._rate_limiter.acquire_first() if first else self._rate_limiter.acquire())
        began = anyio.current_time()
        answer = await self._http.send(
            Request(method="GET", url=url, params=params, headers=self._headers, deadline=self._deadline)
        )
        self._count(call, answer, began)
        return self._paused_by(self._read(answer, list_path=url.removeprefix(self.url("")) if call == "list" else None))

    @asynccontextmanager
    async def _stream_once(self, call: str, url: str, idle: float) -> AsyncIterator[StreamedAnswer | Failure]:
        await self._rate_limiter.acquire_first()
        began = anyio.current_time()
        headers = {**self._headers, "accept": "application/octet-stream"}
        request = Request(method="GET", url=url, headers=headers, deadline=self._deadline)
        async with self._http.stream(request, idle) as answer:
            self._count(call, answer, began)
            if isinstance(answer, StreamedAnswer) and answer.status == 200:
                yield self._wrong_encoding(answer.headers) or answer
                return
            whole = await answer.beginning(_READ_OF_AN_ERROR) if isinstance(answer, StreamedAnswer) else answer
            yield self._paused_by(self._refused(whole))

    def _count(self, call: str, answer: Answer | StreamedAnswer | NoAnswer, began: float) -> None:
        code = "none" if isinstance(answer, NoAnswer) else str(answer.status)
        self._on_response(call, code, anyio.current_time() - began)

    def _paused_by(self, answer: T) -> T:
        """Pause the whole account if the API asks for it."""
        if isinstance(answer, Failure) and answer.reason is Reason.RATE_LIMITED:
            self._rate_limiter.pause(DEFAULT_PAUSE if answer.retry_after is None else answer.retry_after)
        return answer

    def _read(self, answer: Answer | NoAnswer, *, list_path: str | None) -> Answer | Failure:
        if isinstance(answer, NoAnswer) or answer.status != 200:
            return self._refused(answer, list_path=list_path)
        if answer.truncated:
            return Failure(Reason.MALFORMED, _TOO_LARGE.format(len(answer.body)))
        if failure := self._wrong_encoding(answer.headers):
            return failure
        if may_be_html(answer.body) and (problem := no_json(self._text(answer), self._base_url)):
            return Failure(Reason.MALFORMED, problem[:LONGEST_DETAIL])
        return answer

    def _wrong_encoding(self, headers: Mapping[str, str]) -> Failure | None:
        encoding = headers.get("content-encoding", "").lower()
        if encoding in ("", "identity"):
            return None
        return Failure(Reason.MALFORMED, f"expected no content encoding, found {encoding!r:.40}")

    def _text(self, answer: Answer) -> str:
        """The beginning of a body, without secrets."""
        return self._redact(answer.body[:_READ_OF_AN_ERROR].decode("utf-8", "replace"))

    def _refused(self, answer: Answer | NoAnswer, *, list_path: str | None = None) -> Failure:
        if isinstance(answer, NoAnswer):
            return Failure(Reason.NETWORK, f"{self._base_url}: {answer.detail}{_LATE if answer.late else ''}")
        message = without_link_values(message_of(self._text(answer)))[:SHOWN_OF_AN_ERROR]
        location = without_link_values(self._redact(answer.headers.get("location", "")))[:SHOWN_OF_AN_ERROR]
        detail = explained(answer.status, message, self._base_url, list_path=list_path, location=location)
        wait = requested_wait(answer.headers, self.now())
        return Failure(self._reason(answer), detail, wait, answer.status)

    def _reason(self, answer: Answer) -> Reason:
        is_refused_key = answer.status == 400 and _KEY_REFUSED in answer.body[:_READ_OF_AN_ERROR]
        return Reason.UNAUTHORISED if is_refused_key else reason_of(answer.status)
