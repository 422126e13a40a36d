"""Owns Mistral's batch API: its list and get calls as pages and jobs, its errors as typed failures."""

from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import anyio
import msgspec

from tracker.config.model import Secret
from tracker.config.secrets_in_use import Credentials
from tracker.core.deliveries.retry_schedule import requested_wait, server_time
from tracker.core.errors.api_error import explained, may_be_html, message_of, no_json
from tracker.core.errors.provider_failure import Failure, Reason, reason_of
from tracker.core.events.event import iso
from tracker.core.jobs.job import Job, Malformed, MalformedJob, Page, parse_job, parse_page
from tracker.core.ports.provider import ListQuery
from tracker.core.text.redaction import Redaction
from tracker.http.client import Answer, HttpClient, NoAnswer, Request
from tracker.http.rate_limiter import RateLimiter

PAUSE_UNASKED: Final = 1.0
"""Seconds that the whole account waits after a 429 that does not say how long."""

SHOWN_OF_AN_ERROR: Final = 200
"""Characters of an error's body that go into its detail."""

LONGEST_DETAIL: Final = 500
"""Characters."""

_LATE: Final = "; is it reachable from here, by a proxy perhaps, and is `request_timeout` long enough?"

_READ_OF_AN_ERROR: Final = 4096
"""Bytes of it that are looked at: the key is taken out before the text is cut, or a part of it might stay."""


class Mistral:
    """The `Provider` of one account. Every request waits for its turn; `answered` gets call, code and seconds."""

    def __init__(  # noqa: PLR0913 - each is used as it is
        self,
        http: HttpClient,
        base_url: str,
        api_key: str | Credentials,
        *,
        rate_limiter: RateLimiter,
        deadline: float,
        now: Callable[[], int],
        answered: Callable[[str, str, float], None] = lambda _call, _code, _seconds: None,
    ) -> None:
        self._http = http
        self._base_url = base_url
        self._jobs_url = base_url.rstrip("/") + "/v1/batch/jobs"
        self._credentials = Credentials({"api_key": Secret(api_key)}) if isinstance(api_key, str) else api_key
        self._identify()
        self._rate_limiter = rate_limiter
        self._deadline = deadline
        self._now = now
        self._answered = answered

    async def list_jobs(self, query: ListQuery, page: int, page_size: int) -> Page | Failure:
        params = [("page", str(page)), ("page_size", str(page_size)), ("order_by", "created")]
        if query.created_after is not None:
            params.append(("created_after", iso(query.created_after * 1000)))
        params += [("status", status) for status in query.statuses]
        answer = await self._get("list", self._jobs_url, tuple(params))
        if isinstance(answer, Failure):
            return answer
        parsed = parse_page(answer.body)
        if isinstance(parsed, Malformed):
            return Failure(Reason.MALFORMED, parsed.reason)
        return msgspec.structs.replace(parsed, provider_time=server_time(answer.headers))

    async def get_job(self, job_id: str) -> Job | MalformedJob | Failure:
        segment = quote(job_id, safe="").replace(".", "%2E")  # dots alone would lead to another path
        answer = await self._get("get", f"{self._jobs_url}/{segment}")
        if isinstance(answer, Failure):
            return answer
        job = parse_job(answer.body)
        if isinstance(job, MalformedJob) and job.id is None:
            return Failure(Reason.MALFORMED, job.reason)
        if job.id != job_id:
            return Failure(Reason.MALFORMED, f"asked for job {job_id}, was answered {job.id!r:.60}")
        return job

    def _identify(self) -> None:
        """Ask with the key as it is now."""
        self._generation = self._credentials.generation
        self._headers = {"authorization": f"Bearer {self._credentials['api_key']}", "accept": "application/json"}
        self._redact = Redaction(self._credentials.secrets())

    async def _get(self, call: str, url: str, params: tuple[tuple[str, str], ...] = ()) -> Answer | Failure:
        """Ask, and ask again where the key is refused and has been replaced."""
        generation = self._generation
        answer = await self._ask(call, url, params)
        refused = isinstance(answer, Failure) and answer.reason is Reason.UNAUTHORISED
        if not refused or not await self._credentials.renewed(generation):
            return answer
        self._identify()
        return await self._ask(call, url, params)

    async def _ask(self, call: str, url: str, params: tuple[tuple[str, str], ...]) -> Answer | Failure:
        await self._rate_limiter.acquire()
        began = anyio.current_time()
        answer = await self._http.send(
            Request(method="GET", url=url, params=params, headers=self._headers, deadline=self._deadline)
        )
        code = "none" if isinstance(answer, NoAnswer) else str(answer.status)
        self._answered(call, code, anyio.current_time() - began)
        read = self._read(answer, listing=call == "list")
        if isinstance(read, Failure) and read.reason is Reason.RATE_LIMITED:
            self._rate_limiter.pause(PAUSE_UNASKED if read.retry_after is None else read.retry_after)
        return read

    def _read(self, answer: Answer | NoAnswer, *, listing: bool) -> Answer | Failure:
        if isinstance(answer, NoAnswer):
            return Failure(Reason.NETWORK, f"{self._base_url}: {answer.detail}{_LATE if answer.late else ''}")
        if answer.status != 200:
            return self._refusal(answer, listing=listing)
        if answer.truncated:
            return Failure(Reason.MALFORMED, f"expected at most {len(answer.body)} bytes, found more")
        encoding = answer.headers.get("content-encoding", "").lower()
        if encoding not in ("", "identity"):
            return Failure(Reason.MALFORMED, f"expected no content encoding, found {encoding!r:.40}")
        if may_be_html(answer.body) and (problem := no_json(self._text(answer), self._base_url)):
            return Failure(Reason.MALFORMED, problem[:LONGEST_DETAIL])
        return answer

    def _text(self, answer: Answer) -> str:
        """The beginning of a body, without secrets."""
        return self._redact(answer.body[:_READ_OF_AN_ERROR].decode("utf-8", "replace"))

    def _refusal(self, answer: Answer, *, listing: bool) -> Failure:
        message = message_of(self._text(answer))[:SHOWN_OF_AN_ERROR]
        location = self._redact(answer.headers.get("location", ""))[:SHOWN_OF_AN_ERROR]
        detail = explained(answer.status, message, self._base_url, listing=listing, location=location)
        wait = requested_wait(answer.headers, self._now())
        return Failure(reason_of(answer.status), detail, wait, answer.status)
