"""Owns the forms of the pages, which work without scripts: replay deliveries, enable a receiver."""

from urllib.parse import urlencode

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tracker.core.deliveries.replay import Replay
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.endpoints.request_parsing import form
from tracker.web.pages.rendering.formatting import number


def form_routes(daemon: Daemon) -> list[Route]:
    def receiver_name(request: Request) -> str:
        name = str(request.path_params["name"])
        if name not in (receiver.name for receiver in daemon.config.receivers):
            raise Refusal(404, f"The configuration has no receiver {name!r}.")
        return name

    async def replay(request: Request) -> Response:
        """Replay the delivery of the event `seq`, or all dead ones."""
        name, seq = receiver_name(request), (await form(request)).get("seq")
        wanted = {"dead": True} if seq is None else {"seq": seq}
        try:
            which = msgspec.convert({"receiver": name} | wanted, Replay, strict=False)
        except msgspec.ValidationError as error:
            raise Refusal(422, f"seq: {error}") from None
        return _redirect(again=(await daemon.replay(which)).deliveries)

    async def enable(request: Request) -> Response:
        await form(request)
        await daemon.enable(receiver_name(request))
        return _redirect(enabled="")

    return [
        Route("/receivers/{name}/replay", replay, methods=["POST"]),
        Route("/receivers/{name}/enable", enable, methods=["POST"]),
    ]


def result_message(query: QueryParams) -> str:
    """The message of the page after an action; "" without one."""
    count = query.get("again", "")
    if count.isdecimal() and len(count) < 12:
        return "1 delivery is under way again." if count == "1" else f"{number(int(count))} deliveries are under way again."
    return "The receiver is enabled." if "enabled" in query else ""


def _redirect(**result: object) -> Response:
    return RedirectResponse(f"/receivers?{urlencode(result)}", 303)
