"""Owns the errors in the scope of a silence: globs that match nothing there is, so that it would silence nothing."""

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from tracker.core.deliveries.fan_out import WEBHOOK
from tracker.core.queries.name_suggestions import unknown_account_glob, unknown_receiver_glob, unknown_type
from tracker.core.silences.silence import Scope


def scope_mistakes(scope: Scope, accounts: Sequence[str], receivers: Mapping[str, str]) -> Iterator[str]:
    """What is wrong with the scope, each with the property; `receivers` are the kinds by the names."""
    if scope.account is not None and (wrong := unknown_account_glob(scope.account, accounts)):
        yield f"account: {wrong}"
    for glob in scope.events:
        if wrong := unknown_type(glob):
            yield f"event: {wrong}"
    for glob in scope.receivers:
        if wrong := unknown_receiver_glob(glob, [*receivers]) or _only_webhooks(glob, receivers, scope):
            yield f"receiver: {wrong}"


def _only_webhooks(glob: str, receivers: Mapping[str, str], scope: Scope) -> str | None:
    """The error for a glob that matches nothing but webhooks, if the scope leaves webhooks out."""
    if scope.webhooks or any(kind != WEBHOOK for name, kind in receivers.items() if fnmatchcase(name, glob)):
        return None
    return f"found {glob!r}, a webhook, which a program reads; `webhooks` (--webhooks) silences it too"
