"""Owns the path of the page that shows what an event is about."""

from urllib.parse import quote, urlencode


def page_path(type_: str, account: str, name: str) -> str:
    """The path of the page of a job, of a receiver, of the accounts, the replicas or the silences.

    `name` is the id of the job, or the name of what else an event of `type_` is about.
    """
    match type_.partition(".")[0]:
        case "batch" if name:
            return f"/jobs/{quote(name, safe='')}?{urlencode({'account': account})}"
        case "receiver":
            return f"/receivers/{quote(name, safe='')}"
        case "replica":
            return "/replicas"
        case "silence":
            return "/silences"
        case "account":
            return "/accounts"
    return "/"
