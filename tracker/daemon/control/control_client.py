"""The control client: how a command sends requests to the running daemon, which it finds by the control file."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Final, Literal, TypeVar
from urllib.parse import quote

import msgspec

from tracker.core.deliveries.replay import Replay, ReplayResult
from tracker.core.queries.orphaned_deliveries import Drop, Dropped, Move, Moved
from tracker.core.silences.shown_silence import Lifted, SilenceAnswer
from tracker.core.silences.silence import SilenceRequest
from tracker.daemon.control.control_file import Unreachable, read_control_file
from tracker.http.client import HttpClient, NoAnswer, Request, http_client, tls_context

REPLAY: Final = "/api/replay"
RECEIVERS: Final = "/api/receivers"
SILENCES: Final = "/api/silences"

Result = TypeVar("Result", bound=msgspec.Struct)

_REQUEST_TIMEOUT: Final = 60.0
"""Seconds; the replay of a range of a long log takes some of them."""

_HEALTH_PATH: Final = "/healthz"
_HEALTH_TIMEOUT: Final = 5.0
"""Seconds."""

_BODY_LIMIT: Final = 64 * 1024
_LOOPBACK_FOR: Final = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - addresses to listen on, not to connect to


class Refused(msgspec.Struct, frozen=True):
    """The daemon refused the request: the detail of its problem document, and whether a name is unknown (404, 422)."""

    error: str
    is_unknown: bool = False


class _Problem(msgspec.Struct, frozen=True):
    type: Literal["about:blank"]
    status: int
    detail: str


async def is_running(database: Path, http: HttpClient) -> bool:
    """Whether a daemon has `database`: the process of the control file exists, and its URL answers."""
    control = read_control_file(database)
    if isinstance(control, Unreachable) or not _process_exists(control.process):
        return False
    url = _connectable(control.url) + _HEALTH_PATH
    answer = await http.send(Request(method="GET", url=url, deadline=_HEALTH_TIMEOUT, body_limit=_BODY_LIMIT))
    return not isinstance(answer, NoAnswer) and answer.status == 200


async def request_replay(database: Path, which: Replay) -> ReplayResult | Refused | Unreachable:
    """Request a replay from the daemon that has `database`."""
    return await _post(database, REPLAY, which, ReplayResult)


async def request_move(database: Path, receiver: str, move: Move) -> Moved | Refused | Unreachable:
    """Request that the daemon that has `database` moves the deliveries of `receiver`."""
    return await _post(database, f"{RECEIVERS}/{quote(receiver, safe='')}/move", move, Moved)


async def request_drop(database: Path, receiver: str, drop: Drop) -> Dropped | Refused | Unreachable:
    """Request that the daemon that has `database` drops the deliveries of `receiver`."""
    return await _post(database, f"{RECEIVERS}/{quote(receiver, safe='')}/drop", drop, Dropped)


async def request_silence(database: Path, silence: SilenceRequest) -> SilenceAnswer | Refused | Unreachable:
    """Request that the daemon that has `database` silences something."""
    return await _send(database, "POST", SILENCES, SilenceAnswer, silence)


async def request_lift(database: Path, silence_id: str) -> Lifted | Refused | Unreachable:
    """Request that the daemon that has `database` ends a silence."""
    return await _send(database, "DELETE", f"{SILENCES}/{quote(silence_id, safe='')}", Lifted)


async def _post(database: Path, path: str, content: msgspec.Struct, type_: type[Result]) -> Result | Refused | Unreachable:
    return await _send(database, "POST", path, type_, content)


async def _send(
    database: Path, method: str, path: str, type_: type[Result], content: msgspec.Struct | None = None
) -> Result | Refused | Unreachable:
    control = read_control_file(database)
    if isinstance(control, Unreachable):
        return control
    request = Request(
        method=method,
        url=_connectable(control.url) + path,
        headers={"authorization": f"Bearer {control.token}", "content-type": "application/json"},
        content=b"" if content is None else msgspec.json.encode(content),
        deadline=_REQUEST_TIMEOUT,
        body_limit=_BODY_LIMIT,
    )
    async with http_client(tls_context()) as http:
        answer = await http.send(request)
    if isinstance(answer, NoAnswer):
        return Unreachable(f"asked {control.url}: {answer.detail}")
    return _parse_answer(answer.status, answer.body, type_) or Unreachable(f"asked {control.url}: HTTP {answer.status}")


def _parse_answer(status: int, body: bytes, type_: type[Result]) -> Result | Refused | None:
    """None if the answer is not this daemon's: another program may have its port, or another daemon another token."""
    with suppress(msgspec.MsgspecError, ValueError):
        if status == 200:
            return msgspec.json.decode(body, type=type_)
        if status not in (401, 421):
            return Refused(msgspec.json.decode(body, type=_Problem).detail, is_unknown=status in (404, 422))
    return None


def _process_exists(process: int) -> bool:
    """Whether the process exists, or its ID is unknown. A killed daemon leaves its file, and its port to others."""
    if process > 0:  # a signal to 0 would go to this process's own group
        with suppress(PermissionError):  # the process of another user
            try:
                os.kill(process, 0)
            except ProcessLookupError:
                return False
    return True


def _connectable(url: str) -> str:
    """The URL with a loopback address in place of "every address"."""
    scheme, _, rest = url.partition("://")
    host, _, port = rest.rpartition(":")
    return f"{scheme}://{_LOOPBACK_FOR.get(host, host)}:{port}"
