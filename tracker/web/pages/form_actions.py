"""Owns what a page may have done without scripts: deliveries made again, a receiver enabled. The guard lets in who may."""

from urllib.parse import urlencode

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tracker.core.deliveries.replay import Replay
from tracker.web.daemon_interface import Tracker
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.endpoints.request_parsing import form
from tracker.web.pages.formatting import number


def form_routes(tracker: Tracker) -> list[Route]:
    def known(request: Request) -> str:
        name = str(request.path_params["name"])
        if name not in (receiver.name for receiver in tracker.config.receivers):
            raise Refusal(404, f"The configuration has no receiver {name!r}.")
        return name

    async def replay(request: Request) -> Response:
        """Of the event `seq`, or of all that are dead."""
        name, seq = known(request), (await form(request)).get("seq")
        wanted = {"dead": True} if seq is None else {"seq": seq}
        try:
            which = msgspec.convert({"receiver": name} | wanted, Replay, strict=False)
        except msgspec.ValidationError as error:
            raise Refusal(422, f"seq: {error}") from None
        return _back(again=(await tracker.replay(which)).deliveries)

    async def enable(request: Request) -> Response:
        await form(request)
        await tracker.enable(known(request))
        return _back(enabled="")

    return [
        Route("/receivers/{name}/replay", replay, methods=["POST"]),
        Route("/receivers/{name}/enable", enable, methods=["POST"]),
    ]


def what_was_done(query: QueryParams) -> str:
    """What the page says after one of these; nothing where none was."""
    count = query.get("again", "")
    if count.isdecimal() and len(count) < 12:
        return "1 delivery is under way again." if count == "1" else f"{number(int(count))} deliveries are under way again."
    return "The receiver is enabled." if "enabled" in query else ""


def _back(**said: object) -> Response:
    return RedirectResponse(f"/receivers?{urlencode(said)}", 303)
