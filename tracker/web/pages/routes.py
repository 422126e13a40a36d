"""Owns the routes of the pages; each request uses one reader."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.core.ports.reader import Reader
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.overview_cache import OverviewCache
from tracker.web.pages.accounts import accounts_page
from tracker.web.pages.events import events_page
from tracker.web.pages.form_actions import form_routes, result_message
from tracker.web.pages.job import job_page
from tracker.web.pages.jobs import jobs_page
from tracker.web.pages.layout.delivery_banners import delivery_warnings
from tracker.web.pages.layout.layout import Context, PageLayout, has_session
from tracker.web.pages.layout.replica_banners import read_cluster
from tracker.web.pages.overview import overview_section
from tracker.web.pages.receivers import receiver_page, receivers_page
from tracker.web.pages.rendering.template_rendering import job_path
from tracker.web.pages.replicas import replicas_page
from tracker.web.pages.silences import active_silences, silence_routes, silences_page

View = Callable[[Reader, Request], Awaitable[Context | Response]]


def page_routes(daemon: Daemon, layout: PageLayout, overviews: OverviewCache) -> list[Route]:
    pages = _Pages(daemon, layout, overviews)
    return [
        Route("/", pages.endpoint("jobs.html", pages.jobs)),
        Route("/jobs/{id:path}", pages.endpoint("job.html", pages.job)),
        Route("/events", pages.endpoint("events.html", pages.events)),
        Route("/receivers", pages.endpoint("receivers.html", pages.receivers)),
        Route("/receivers/{name}", pages.endpoint("receiver.html", pages.receiver)),
        Route("/accounts", pages.endpoint("accounts.html", pages.accounts)),
        Route("/replicas", pages.endpoint("replicas.html", pages.replicas)),
        Route("/silences", pages.endpoint("silences.html", pages.silences), methods=["GET"]),
        *form_routes(daemon),
        *silence_routes(daemon),
    ]


class _Pages:
    def __init__(self, daemon: Daemon, layout: PageLayout, overviews: OverviewCache) -> None:
        self._daemon = daemon
        self._overviews = overviews
        self._layout = layout

    def endpoint(self, template: str, view: View) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            async with self._daemon.reader() as reader:
                seq = await reader.last_seq()  # first: the stream repeats what is logged while the rest is read
                context = await view(reader, request)
                warnings = await delivery_warnings(self._daemon, reader)
                cluster = await read_cluster(self._daemon, reader)
                silences = await active_silences(reader, self._daemon)
            if isinstance(context, Response):
                return context
            common = {"seq": seq, "may_write": has_session(request), "delivery_warnings": warnings, "cluster": cluster}
            common["silences"] = silences
            return self._layout.page(request, template, common | context)

        return answer

    async def jobs(self, reader: Reader, request: Request) -> Context:
        """All jobs below the overview; a filter, or a further page, stands alone."""
        found = await jobs_page(reader, self._daemon, request.query_params)
        shown = {"overview": None} if request.query_params else overview_section(await self._overviews.read(reader))
        return found | shown

    async def job(self, reader: Reader, request: Request) -> Context | Response:
        job_id, account = request.path_params["id"], request.query_params.get("account")
        found = list(await reader.jobs_by_id(job_id))
        matching = [job for job in found if account in (None, "", job["account"])]
        if not matching:
            raise Refusal(404, f"No known job has the ID {job_id!r}.")
        if len(matching) > 1:
            return self._choose_account(request, matching)
        return await job_page(reader, self._daemon, found, matching[0]["account"])

    def _choose_account(self, request: Request, jobs: list[Context]) -> Response:
        links = [(job_path(job["account"], job["id"]), f"The one of {job['account']}") for job in jobs]
        context = {
            "title": "Which job?",
            "text": "Several accounts have a job of this ID.",
            "icon_name": "unknown",
            "links": links,
        }
        return self._layout.page(request, "message.html", context, 409)

    async def events(self, reader: Reader, request: Request) -> Context:
        return await events_page(reader, request.query_params)

    async def receivers(self, reader: Reader, request: Request) -> Context:
        return {"done": result_message(request.query_params), **await receivers_page(reader, self._daemon)}

    async def receiver(self, reader: Reader, request: Request) -> Context:
        name = request.path_params["name"]
        receiver = next((each for each in self._daemon.config.receivers if each.name == name), None)
        if receiver is None:
            raise Refusal(404, f"The configuration has no receiver {name!r}.")
        return await receiver_page(reader, receiver, request.query_params)

    async def silences(self, reader: Reader, request: Request) -> Context:
        return await silences_page(reader, self._daemon, request.query_params)

    async def accounts(self, reader: Reader, _: Request) -> Context:
        return await accounts_page(reader, self._daemon)

    async def replicas(self, reader: Reader, request: Request) -> Context:
        return replicas_page(await read_cluster(self._daemon, reader, needs_leases=True), request.query_params)
