"""Owns the page `/replicas`: the replicas that share the database, and which of them works on what."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

from starlette.datastructures import QueryParams

from tracker.core.replicas.lease import LeaseKind
from tracker.web.pages.layout.replica_banners import Cluster
from tracker.web.pages.rendering.filter_pills import Pill
from tracker.web.pages.rendering.links import link
from tracker.web.pages.rendering.status_labels import StatusLabel

MOST_LEASES: Final = 300
"""Leases on one page; the command lists all of them."""

_LIVE: Final = StatusLabel("ok", "live", "ok")
_LOST: Final = StatusLabel("off", "lost", "bad")
_NONE: Final = ""
"""The value of `replica` in the query that selects what no replica works on."""


def replicas_page(cluster: Cluster, query: QueryParams) -> dict[str, Any]:
    """The variables of `replicas.html`; the query may select the leases of one `replica`."""
    chosen = query.get("replica")
    unheld = [{"kind": key.kind, "name": key.name, "holder": _NONE, "since": None} for key in cluster.unheld]
    leases = [*unheld, *(each for each in cluster.leases if each["holder"])]
    shown = [each for each in leases if chosen in (None, each["holder"])]
    return {
        "replicas": [_replica(each) for each in cluster.replicas],
        "maintainers": {each["holder"] for each in cluster.leases if each["kind"] == LeaseKind.MAINTENANCE},
        "leases": [_row(each) for each in shown[:MOST_LEASES]],
        "omitted": max(0, len(shown) - MOST_LEASES),
        "pills": _pills(leases, query, chosen),
    }


def _replica(replica: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says of a replica, with a link to its own pages if it says where they are and is there."""
    url, live = replica["url"] or "", replica["live"]
    is_link = live and url.startswith(("http://", "https://"))
    return {**replica, "label": _LIVE if live else _LOST, "link": url if is_link else None}


def _pills(leases: Sequence[Mapping[str, Any]], query: QueryParams, chosen: str | None) -> list[Pill]:
    counts = Counter(each["holder"] for each in leases)
    unheld = (
        [Pill("No replica", link("/replicas", query, replica=_NONE), chosen == _NONE, counts[_NONE])] if counts[_NONE] else []
    )
    return [
        Pill("All", link("/replicas", query, replica=None), chosen is None),
        *unheld,
        *(
            Pill(name, link("/replicas", query, replica=name), chosen == name, counts[name])
            for name in sorted(filter(None, counts))
        ),
    ]


def _row(lease: Mapping[str, Any]) -> dict[str, Any]:
    """What the page says of a lease, with the path of the page that shows the state of what it is for."""
    paths = {LeaseKind.ACCOUNT: "/accounts", LeaseKind.RECEIVER: f"/receivers/{quote(lease['name'], safe='')}"}
    shown = {key: lease[key] for key in ("kind", "name", "holder", "since")}
    return shown | {"path": paths.get(LeaseKind(lease["kind"]))}
