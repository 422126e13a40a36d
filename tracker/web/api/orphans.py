"""Owns what is asked about deliveries of receivers that are not in the configuration any more: moving and dropping them."""

from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.responses import Response

from tracker.core.deliveries.replay import unknown_receiver
from tracker.core.ports.reader import Reader
from tracker.core.queries.orphans import Drop, Dropped, Move, Moved, Orphans, nothing_left, refusal
from tracker.web.daemon_interface import Tracker
from tracker.web.endpoints.endpoint import Answer, Operation, Takes, json_response
from tracker.web.endpoints.problem_details import Refusal


class OrphanedPath(msgspec.Struct, frozen=True):
    """The receiver's name, as the deliveries have it."""

    name: Annotated[str, Meta(max_length=256)]


async def orphans_of(tracker: Tracker, reader: Reader) -> Orphans:
    """What the configuration in force leaves behind."""
    config = tracker.config
    return await reader.orphans([each.name for each in config.receivers], [each.name for each in config.accounts])


def operations(tracker: Tracker) -> list[Operation]:
    async def move(path: OrphanedPath, asked: Move) -> Response:
        known = [receiver.name for receiver in tracker.config.receivers]
        if asked.to not in known:
            raise Refusal(404, unknown_receiver(asked.to, known))
        if wrong := refusal(path.name, known):
            raise Refusal(409, wrong)
        moved = await tracker.move(path.name, asked.to)
        if not moved.moved + moved.already:
            raise await nothing(path.name)
        return json_response(moved)

    async def drop(path: OrphanedPath, asked: Drop) -> Response:
        if wrong := refusal(path.name, [receiver.name for receiver in tracker.config.receivers], dead=asked.dead):
            raise Refusal(409, wrong)
        dropped = await tracker.drop(path.name, dead=asked.dead)
        if not dropped.dropped:
            raise await nothing(path.name)
        return json_response(dropped)

    async def nothing(name: str) -> Refusal:
        async with tracker.reader() as reader:
            return Refusal(404, nothing_left(name, await orphans_of(tracker, reader)))

    other, forgotten = Answer(Moved, "They are on their way to another receiver"), Answer(Dropped, "They are forgotten")
    to_move: Takes = {"path": OrphanedPath, "body": Move}
    to_drop: Takes = {"path": OrphanedPath, "body": Drop}
    return [
        Operation("POST", "/api/receivers/{name}/move", "move", move, other, to_move, (404, 409)),
        Operation("POST", "/api/receivers/{name}/drop", "drop", drop, forgotten, to_drop, (404, 409)),
    ]
