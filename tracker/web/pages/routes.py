"""Owns the routes of the pages: from a request to HTML, in one look of a reader each."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.core.ports.reader import Reader
from tracker.web.daemon_interface import Tracker
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.pages.accounts import accounts_page
from tracker.web.pages.delivery_warnings import delivery_trouble
from tracker.web.pages.events import events_page
from tracker.web.pages.form_actions import form_routes, what_was_done
from tracker.web.pages.job import job_page
from tracker.web.pages.jobs import jobs_page
from tracker.web.pages.layout import About, Frame, has_session
from tracker.web.pages.receivers import receiver_page, receivers_page
from tracker.web.pages.rendering import job_path

View = Callable[[Reader, Request], Awaitable[About | Response]]


def page_routes(tracker: Tracker, frame: Frame) -> list[Route]:
    pages = _Pages(tracker, frame)
    return [
        Route("/", pages.of("jobs.html", pages.jobs)),
        Route("/jobs/{id:path}", pages.of("job.html", pages.job)),
        Route("/events", pages.of("events.html", pages.events)),
        Route("/receivers", pages.of("receivers.html", pages.receivers)),
        Route("/receivers/{name}", pages.of("receiver.html", pages.receiver)),
        Route("/accounts", pages.of("accounts.html", pages.accounts)),
        *form_routes(tracker),
    ]


class _Pages:
    def __init__(self, tracker: Tracker, frame: Frame) -> None:
        self._tracker = tracker
        self._frame = frame

    def of(self, template: str, view: View) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            async with self._tracker.reader() as reader:
                seq = await reader.last_seq()  # first: what happens while the rest is read the stream tells again
                about = await view(reader, request)
                trouble = await delivery_trouble(self._tracker, reader)
            if isinstance(about, Response):
                return about
            return self._frame.page(
                request, template, {"seq": seq, "may_write": has_session(request), "delivery_trouble": trouble} | about
            )

        return answer

    async def jobs(self, reader: Reader, request: Request) -> About:
        return await jobs_page(reader, self._tracker, request.query_params)

    async def job(self, reader: Reader, request: Request) -> About | Response:
        job_id, account = request.path_params["id"], request.query_params.get("account")
        found = list(await reader.jobs_by_id(job_id))
        matching = [job for job in found if account in (None, "", job["account"])]
        if not matching:
            raise Refusal(404, f"No job that is known has the ID {job_id!r}.")
        if len(matching) > 1:
            return self._which(request, matching)
        return await job_page(reader, self._tracker, found, matching[0]["account"])

    def _which(self, request: Request, jobs: list[About]) -> Response:
        links = [(job_path(job["account"], job["id"]), f"The one of {job['account']}") for job in jobs]
        about = {"title": "Which job?", "text": "Several accounts have a job of this ID.", "sign": "unknown", "links": links}
        return self._frame.page(request, "message.html", about, 409)

    async def events(self, reader: Reader, request: Request) -> About:
        return await events_page(reader, request.query_params)

    async def receivers(self, reader: Reader, request: Request) -> About:
        return {"done": what_was_done(request.query_params), **await receivers_page(reader, self._tracker)}

    async def receiver(self, reader: Reader, request: Request) -> About:
        name = request.path_params["name"]
        receiver = next((each for each in self._tracker.config.receivers if each.name == name), None)
        if receiver is None:
            raise Refusal(404, f"The configuration has no receiver {name!r}.")
        return await receiver_page(reader, receiver, request.query_params)

    async def accounts(self, reader: Reader, _: Request) -> About:
        return await accounts_page(reader, self._tracker)
