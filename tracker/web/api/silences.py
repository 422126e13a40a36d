"""Owns /api/silences: the silences and maintenance windows, making one, and ending one."""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta
from starlette.responses import Response

from tracker.core.silences.scope_mistakes import scope_mistakes
from tracker.core.silences.shown_silence import Lifted, ShownSilence, SilenceAnswer, answer_to, shown_silence
from tracker.core.silences.silence import MOST_OPEN, AddedSilence, Scope, SilenceRequest
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.endpoint import Endpoint, ResponseSpec, json_response
from tracker.web.endpoints.problem_details import Refusal


class SilencesQuery(msgspec.Struct, frozen=True, kw_only=True):
    """How many silences that ended to add to the open ones."""

    ended: Annotated[int, Meta(ge=0, le=1000, description="The most silences that have ended")] = 0


class SilencePath(msgspec.Struct, frozen=True):
    """The silence's id."""

    id: Annotated[str, Meta(max_length=100, description="The ID of the silence: `sil_…`")]


class Silences(msgspec.Struct, frozen=True, kw_only=True):
    """The open silences by their start; then those that ended, the last one first."""

    object: Literal["list"] = "list"
    data: list[ShownSilence]


def endpoints(daemon: Daemon) -> list[Endpoint]:
    async def silences(query: SilencesQuery) -> Response:
        async with daemon.reader() as reader:
            found = await reader.silences(query.ended)
        now = daemon.now()
        return json_response(Silences(data=[shown_silence(each, now) for each in found]))

    async def silence(request: SilenceRequest) -> Response:
        added = await add_silence(daemon, request, "api")
        return json_response(answer_to(added, added.silence.created_at))

    async def lift(path: SilencePath) -> Response:
        await end_silence(daemon, path.id)
        return json_response(Lifted(lifted=True))

    page = ResponseSpec(Silences, "The silences")
    made = ResponseSpec(SilenceAnswer, "What matches is silenced")
    ended = ResponseSpec(Lifted, "The silence has ended, and what was missed is on its way")
    return [
        Endpoint("GET", "/api/silences", "silences", silences, page, {"query": SilencesQuery}),
        Endpoint("POST", "/api/silences", "silence", silence, made, {"body": SilenceRequest}, (404, 409)),
        Endpoint("DELETE", "/api/silences/{id}", "lift", lift, ended, {"path": SilencePath}, (404,)),
    ]


async def add_silence(daemon: Daemon, request: SilenceRequest, way: str) -> AddedSilence:
    """Make the silence, which was asked for in this `way`; raises `Refusal` if something is wrong with it."""
    refuse_mistakes(daemon, request.scope)
    try:
        added = await daemon.silence(request, way)
    except ValueError as wrong:
        raise Refusal(409, str(wrong)) from None
    if added is None:
        raise Refusal(409, f"there are {MOST_OPEN} silences that have not ended, which is the limit")
    return added


async def end_silence(daemon: Daemon, silence_id: str) -> None:
    """End the silence; raises `Refusal` if it is not open."""
    if not await daemon.lift(silence_id):
        raise Refusal(404, f"no silence {silence_id!r} is open")


def refuse_mistakes(daemon: Daemon, scope: Scope) -> None:
    """Raise `Refusal` for a scope that matches nothing there is."""
    config = daemon.config
    accounts, receivers = [each.name for each in config.accounts], {each.name: each.kind for each in config.receivers}
    if wrong := [*scope_mistakes(scope, accounts, receivers)]:
        raise Refusal(404, "; ".join(wrong))
