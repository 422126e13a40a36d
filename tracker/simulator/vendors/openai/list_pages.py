"""Owns the pages of OpenAI's lists, by `after` and `limit`, and what gateways and faults make of them."""

from collections.abc import Sequence
from random import Random
from typing import Any, Final

from starlette.datastructures import QueryParams

from tracker.simulator.request_parsing.shared_parameters import Invalid, parse_number
from tracker.simulator.vendors.list_page import ListPage, page_after

DEFAULT_LIMIT: Final = 20


def page_of(given: QueryParams, ids: Sequence[str], largest: int, fault: str | None, chance: Random) -> ListPage:
    """The page that is requested of the list with these `ids`. Raises `Invalid` for a cursor that leads nowhere."""
    limit, after = parse_number(given, "limit", DEFAULT_LIMIT, 1, largest), given.get("after")
    if fault in ("no-paging", "bare-list"):
        return ListPage(0, len(ids), len(ids))
    if fault == "counted-pages" and after is not None:
        if not after.isdecimal():
            raise Invalid(("query", "after"), after, "an integer")
        return page_after(int(after) - 1, limit, len(ids), fault, chance)
    if after is not None and after not in ids:
        raise Invalid(("query", "after"), after, "the ID of an entry of the list")
    return page_after(None if after is None else ids.index(after), limit, len(ids), fault, chance)


def list_object(data: list[dict[str, Any]], page: ListPage, fault: str | None) -> Any:
    """The JSON of a page, with what the kind of gateway knows of it."""
    if fault == "bare-list":
        return data
    listed = {"object": "list", "data": data}
    if fault == "no-paging":
        return listed
    ids = [entry["id"] for entry in data]
    ends = {"first_id": ids[0] if ids else None, "last_id": ids[-1] if ids else None}
    return listed | ends | ({} if fault == "no-has-more" else {"has_more": page.has_more})
