"""Owns the error messages for unknown names of event types, statuses, accounts and receivers, with suggestions."""

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Final, NamedTuple

from tracker.core.events.event_type_table import EVENT_TYPES, TYPES
from tracker.core.jobs.status import FOLLOWERS

_SHOWN: Final = 60
"""Characters of an unknown name that a message shows."""

_LISTED: Final = 20
"""Names that a message lists at most."""

_GLOBS: Final = tuple(dict.fromkeys(f"{each.subject}.*" for each in EVENT_TYPES))


class Names(NamedTuple):
    """The names in the log; `statuses` are all that any job ever had, as the API wrote them."""

    accounts: Sequence[str] = ()
    receivers: Sequence[str] = ()
    statuses: Sequence[str] = ()


def unknown_type(glob: str) -> str | None:
    """The error for a glob that matches no event type; None if it matches one."""
    if any(fnmatchcase(type_, glob) for type_ in TYPES):
        return None
    return f"found {_shown(glob)}, which matches no event type{_hint(glob, (*TYPES, *_GLOBS))}"


def unknown_name(name: str, known: Iterable[str], what: str) -> str | None:
    """The error for a name that is not among `known`; None if it is. `what` is such as "an account"."""
    names = dict.fromkeys(known)
    return None if name in names else f"found {_shown(name)}, expected the name of {what}{_hint(name, [*names])}"


def unknown_account_glob(glob: str, accounts: Sequence[str]) -> str | None:
    """The error for a glob that matches no account; None if it matches one."""
    if any(fnmatchcase(account, glob) for account in accounts):
        return None
    return f"found {_shown(glob)}, which matches no account{_hint(glob, accounts)}"


def unknown_receiver_glob(glob: str, receivers: Sequence[str]) -> str | None:
    """The error for a glob that matches no receiver; None if it matches one."""
    if any(fnmatchcase(receiver, glob) for receiver in receivers):
        return None
    return f"found {_shown(glob)}, which matches no receiver{_hint(glob, receivers)}"


def status_named(given: str, in_log: Iterable[str] = ()) -> str | None:
    """The status that `given` means, ignoring case; None if no job can have it or ever had it."""
    known = (*FOLLOWERS, *in_log)
    alike = [status for status in known if status.casefold() == given.casefold()]
    return given if given in alike else next(iter(alike), None)


def unknown_status(given: str, in_log: Iterable[str] = ()) -> str:
    """The error for a status that `status_named` does not know."""
    return f"found {_shown(given)}, which is no status of a job{_hint(given, [*dict.fromkeys((*FOLLOWERS, *in_log))])}"


def did_you_mean(found: str, known: Iterable[str]) -> str | None:
    """The name of `known` that is close to `found`, ignoring case; None without one."""
    from difflib import get_close_matches  # noqa: PLC0415 - only a mistake needs it

    alike = {each.casefold(): each for each in known}
    near = get_close_matches(found.casefold()[:_SHOWN], alike, n=1)
    return alike[near[0]] if near else None


def _hint(found: str, known: Sequence[str]) -> str:
    near = did_you_mean(found, known)
    if near is not None:
        return f"; did you mean {near!r}?"
    return f"; there are: {', '.join(known[:_LISTED])}{' …' if len(known) > _LISTED else ''}" if known else "; there is none"


def _shown(name: str) -> str:
    return repr(name) if len(name) <= _SHOWN else f"{name[:_SHOWN]!r}…"
