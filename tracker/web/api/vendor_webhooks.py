"""Owns POST /hooks/ACCOUNT: a vendor's signed webhook, which hints that a job may have changed.

Nothing in it is believed but the job's id: the job is then polled as usual. An account that does not exist or has no secret is
answered alike. Who cannot sign costs one signature at most, and what is wrong by its headers alone is not read.
"""

from collections.abc import Awaitable, Callable
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta
from starlette.responses import Response

from tracker.config import Account
from tracker.core.deliveries.signature_verification import Rejection, SignatureHeaders
from tracker.core.deliveries.signing import parse_secret
from tracker.web.daemon_interface import Daemon
from tracker.web.endpoints.endpoint import Endpoint, Inputs, ResponseSpec
from tracker.web.endpoints.problem_details import Refusal
from tracker.web.endpoints.request_parsing import Text

_DETAILS: Final = {
    Rejection.UNSIGNED: "expected the headers webhook-id, webhook-timestamp and webhook-signature",
    Rejection.TIMESTAMP: "webhook-timestamp: expected the present time in Unix seconds; it may differ by five minutes",
    Rejection.SIGNATURE: "webhook-signature: no secret of this account has signed this message",
}


class HookPath(msgspec.Struct, frozen=True):
    """The account's name."""

    account: Annotated[Text, Meta(description="The account, by its name in the configuration")]


class Hint(msgspec.Struct, frozen=True):
    """A message by Standard Webhooks. One that is not about a batch job of the vendor is ignored."""

    type: Annotated[str, Meta(description='Such as "batch.completed"')]
    data: Annotated[dict[str, Any], Meta(description="It names the job, as its vendor does")]


def endpoints(daemon: Daemon) -> list[Endpoint]:
    async def hint(path: HookPath, headers: SignatureHeaders, read_body: Callable[[], Awaitable[bytes]]) -> Response:
        account = next((each for each in daemon.config.accounts if each.name == path.account), None)
        if account is None or not account.webhook_secrets:
            raise Refusal(404, "no account of this name accepts webhooks")
        if rejection := headers.rejection(daemon.now() // 1000):
            raise _refused(daemon, account, rejection)
        body = await read_body()
        if not headers.is_signed_by([parse_secret(each.reveal()) for each in account.webhook_secrets], body):
            raise _refused(daemon, account, Rejection.SIGNATURE)
        daemon.hints.received(account.name, headers.id, body)
        return Response(status_code=204)

    accepted = ResponseSpec(None, "The message is accepted; the job that it names is polled soon")
    inputs: Inputs = {"path": HookPath, "header": SignatureHeaders, "unread_body": Hint}
    return [Endpoint("POST", "/hooks/{account}", "hint", hint, accepted, inputs, (404,), is_signed=True, status=204)]


def _refused(daemon: Daemon, account: Account, rejection: Rejection) -> Refusal:
    daemon.hints.refused(account.name, rejection)
    return Refusal(401, _DETAILS[rejection])
