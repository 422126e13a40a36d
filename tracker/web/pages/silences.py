"""Owns the page `/silences`: what is silenced and until when, what was, and the form that silences something."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec
from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from tracker.core.deliveries.fan_out import WEBHOOK
from tracker.core.events.event_type_table import EVENT_TYPES, TYPES
from tracker.core.events.summary import format_duration
from tracker.core.ports.reader import Reader
from tracker.core.silences.shown_silence import ShownSilence, shown_silence
from tracker.core.silences.silence import LONGEST, SilenceRequest
from tracker.web.api.silences import add_silence, end_silence
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.endpoints.request_parsing import form
from tracker.web.pages.rendering.status_labels import StatusLabel

_MOST_ENDED: Final = 50

_DURATIONS: Final = (900, 1800, 3600, 7200, 14_400, 28_800, 86_400, 172_800, 604_800)
"""Seconds that the form offers; the command and the API take any."""

_CHOSEN: Final = 3600

_PLACE: Final = re.compile(r"`\$\.(?:scope\.)?(\w+)")
"""Where msgspec found what it refuses."""

_FIELDS: Final[Mapping[str, str]] = {"seconds": "for", "events": "event", "receivers": "receiver"}
"""The fields of the form whose names are not those of the request."""

_EXPECTED: Final[Mapping[str, str]] = {
    "reason": "a text of 1 to 500 characters",
    "for": f"a number of seconds, more than 0 and at most {LONGEST} (366 days)",
}

_MOST_SHOWN: Final = 100
"""Characters."""

_LABELS: Final[Mapping[str, StatusLabel]] = {
    "active": StatusLabel("cancelling", "silent", "warn"),
    "scheduled": StatusLabel("queued", "scheduled", "run"),
    "ended": StatusLabel("ok", "ended", "mute"),
}


async def silences_page(reader: Reader, daemon: Daemon, query: QueryParams) -> dict[str, Any]:
    """The variables of `silences.html`."""
    found = [shown_silence(each, daemon.now()) for each in await reader.silences(_MOST_ENDED)]
    config = daemon.config
    return {
        "open_silences": _rows(each for each in found if each.ended_at is None),
        "ended_silences": _rows(each for each in found if each.ended_at is not None),
        "durations": [(seconds, format_duration(seconds).removesuffix(" 0m"), seconds == _CHOSEN) for seconds in _DURATIONS],
        "event_globs": [*dict.fromkeys(f"{each.subject}.*" for each in EVENT_TYPES), *TYPES],
        "silenceable": [each.name for each in config.receivers if each.kind != WEBHOOK],
        "webhooks": [each.name for each in config.receivers if each.kind == WEBHOOK],
        "done": "The silence has ended. What was missed is on its way." if "ended" in query else "",
    }


async def active_silences(reader: Reader, daemon: Daemon) -> list[ShownSilence]:
    """The silences that are in force, for the top of every page."""
    shown = (shown_silence(each, daemon.now()) for each in await reader.silences())
    return [each for each in shown if each.state == "active"]


def silence_routes(daemon: Daemon) -> list[Route]:
    async def silence(request: Request) -> Response:
        """Silence what the form says, from now on."""
        await add_silence(daemon, _request(await form(request)), "page")
        return RedirectResponse("/silences", 303)

    async def end(request: Request) -> Response:
        await form(request)
        await end_silence(daemon, str(request.path_params["id"]))
        return RedirectResponse("/silences?ended=", 303)

    return [
        Route("/silences", silence, methods=["POST"]),
        Route("/silences/{id}/end", end, methods=["POST"]),
    ]


def _request(fields: Mapping[str, str]) -> SilenceRequest:
    """What the form asks for. Raises `Refusal` for what it cannot have sent."""
    given = {name: value.strip() for name, value in fields.items() if value.strip()}
    scope: dict[str, Any] = {name: given[name] for name in ("account", "model") if name in given}
    scope |= {plural: [given[name]] for name, plural in (("event", "events"), ("receiver", "receivers")) if name in given}
    if "metadata" in given:
        key, sign, glob = given["metadata"].partition("=")
        if not (key and sign and glob):
            raise Refusal(422, f"metadata: found {given['metadata']!r}, expected such as team=research")
        scope["metadata"] = {key: glob}
    asked = {
        "scope": scope | {"webhooks": "webhooks" in given},
        "reason": given.get("reason", ""),
        "seconds": given.get("for", 0),
    }
    try:
        return msgspec.convert(asked, SilenceRequest, strict=False)
    except msgspec.ValidationError as error:
        raise Refusal(422, _mistake(str(error), given)) from None


def _mistake(error: str, given: Mapping[str, str]) -> str:
    """The sentence for a field of the form that msgspec refuses with `error`."""
    found = _PLACE.search(error)
    place = found[1] if found else "reason"
    name = _FIELDS.get(place, place)
    value = given.get(name, "")
    shown = "nothing" if not value else repr(value) if len(value) <= _MOST_SHOWN else f"{len(value)} characters"
    return f"{name}: found {shown}, expected {_EXPECTED.get(name, 'a glob of at most 256 characters')}"


def _rows(silences: Iterable[ShownSilence]) -> Sequence[dict[str, Any]]:
    return [{**msgspec.structs.asdict(each), "label": _LABELS[each.state], "words": each.scope.words()} for each in silences]
