"""How accounts and receivers are reached over the network: TLS, proxies and HTTP clients."""

import ssl
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple

from tracker.config import Account, Receiver
from tracker.config.secrets.credentials import Learned
from tracker.core.ports.notifier import IsSampled, sample_all
from tracker.http.client import HttpClient, Identity, Permit, http_client
from tracker.http.proxies import Proxies
from tracker.runtime.heartbeat import Heartbeat


class Network(NamedTuple):
    """How the network is reached: the trust store of `tls`, where nothing else is configured, and the proxies.

    `external_url` is how people reach the pages, for messages that link to them.
    """

    tls: ssl.SSLContext
    proxies: Proxies | None = None
    learned: Learned = lambda _secrets: None
    """Is given what is secret of credentials that were read again."""

    external_url: str | None = None
    permit: Permit | None = None
    """Is asked before each request, which is not made if it raises."""

    is_sampled: IsSampled = sample_all
    """Whether the trace of a delivery is recorded, which its request says."""


def open_client(
    of: Account | Receiver, network: Network, identity: Identity, heartbeat: Heartbeat | None
) -> AbstractAsyncContextManager[HttpClient]:
    """Connections to an account's API or to a receiver, with the TLS of its own where it has one."""
    tls = of.tls.context if of.tls else network.tls
    return http_client(tls, proxies=network.proxies, heartbeat=heartbeat, identity=identity, permit=network.permit)
