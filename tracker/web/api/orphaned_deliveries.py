"""Owns the endpoints that move and drop deliveries of receivers that were removed from the configuration."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from tracker.core.deliveries.replay import unknown_receiver
from tracker.core.ports.reader import Reader
from tracker.core.queries.orphaned_deliveries import (
    Drop,
    Dropped,
    Move,
    Moved,
    Orphans,
    nothing_left,
    refusal,
    refusal_of_holder,
)
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.endpoint import Endpoint, Inputs, ResponseSpec, json_response
from tracker.web.endpoints.problem_details import Refusal


class OrphanedPath(msgspec.Struct, frozen=True):
    """The receiver's name, as the deliveries have it."""

    name: Annotated[str, Meta(max_length=256, description="The receiver, as its deliveries name it")]


async def orphans_of(daemon: Daemon, reader: Reader) -> Orphans:
    """What the configuration in force leaves behind."""
    config = daemon.config
    return await reader.orphans([each.name for each in config.receivers], [each.name for each in config.accounts])


def endpoints(daemon: Daemon) -> list[Endpoint]:
    async def move(path: OrphanedPath, body: Move) -> Response:
        known = [receiver.name for receiver in daemon.config.receivers]
        if body.to not in known:
            raise Refusal(404, unknown_receiver(body.to, known))
        if wrong := refusal(path.name, known) or await refused_by_holder(path.name):
            raise Refusal(409, wrong)
        moved = await daemon.move(path.name, body.to)
        if not moved.moved + moved.already:
            raise await nothing(path.name)
        return json_response(moved)

    async def drop(path: OrphanedPath, body: Drop) -> Response:
        known = [receiver.name for receiver in daemon.config.receivers]
        wrong = refusal(path.name, known, dead=body.dead)
        if wrong := wrong or (None if body.dead else await refused_by_holder(path.name)):
            raise Refusal(409, wrong)
        dropped = await daemon.drop(path.name, dead=body.dead)
        if not dropped.dropped:
            raise await nothing(path.name)
        return json_response(dropped)

    async def refused_by_holder(name: str) -> str | None:
        async with daemon.reader() as reader:
            return refusal_of_holder(name, await reader.leases(), daemon.health.replica)

    async def nothing(name: str) -> Refusal:
        async with daemon.reader() as reader:
            return Refusal(404, nothing_left(name, await orphans_of(daemon, reader)))

    moved = ResponseSpec(Moved, "The deliveries belong to the other receiver")
    dropped = ResponseSpec(Dropped, "The deliveries are deleted")
    to_move: Inputs = {"path": OrphanedPath, "body": Move}
    to_drop: Inputs = {"path": OrphanedPath, "body": Drop}
    return [
        Endpoint("POST", "/api/receivers/{name}/move", "move", move, moved, to_move, (404, 409)),
        Endpoint("POST", "/api/receivers/{name}/drop", "drop", drop, dropped, to_drop, (404, 409)),
    ]
