"""Owns requests through proxies: to HTTP proxies by httpx's transport, through SOCKS proxies by a connection of ours."""

import ssl
from typing import Final
from urllib.parse import unquote, urlsplit

import anyio
import httpx
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

from tracker.http.connection import Connection
from tracker.http.errors import explain
from tracker.http.proxies import SOCKS, Proxies
from tracker.http.socks import SocksError, connect_through

_PORTS: Final = {"http": 80, "https": 443}
_SOCKS_PORT: Final = 1080


class Proxied(httpx.AsyncBaseTransport):
    """A transport through the proxies that `proxies` names, and straight to what they exempt."""

    def __init__(self, proxies: Proxies, tls: ssl.SSLContext) -> None:
        self._proxies = proxies
        self._tls = tls
        self._ways: dict[str | None, httpx.AsyncBaseTransport] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = request.url
        proxy = self._proxies.of(url.scheme, url.host, _PORTS.get(url.scheme, 0) if url.port is None else url.port)
        if proxy not in self._ways:
            self._ways[proxy] = self._way(proxy)
        try:
            return await self._ways[proxy].handle_async_request(request)
        except httpx.ConnectError as error:
            if proxy is None or proxy.startswith(SOCKS) or _is_of_tls(error):
                raise
            raise httpx.ProxyError(f"the proxy cannot be reached: {explain(error)}") from None

    async def aclose(self) -> None:
        for way in self._ways.values():
            await way.aclose()

    def _way(self, proxy: str | None) -> httpx.AsyncBaseTransport:
        if proxy is None:
            return Connection(self._tls)
        if proxy.startswith(SOCKS):
            return _ThroughSocks(self._tls, proxy)
        return httpx.AsyncHTTPTransport(
            verify=self._tls,
            proxy=httpx.Proxy(proxy, ssl_context=self._tls if proxy.startswith("https") else None),
            limits=httpx.Limits(max_keepalive_connections=0),  # an unasked answer would answer the next request
            trust_env=False,
        )


class _ThroughSocks(Connection):
    """A connection that a SOCKS proxy makes."""

    def __init__(self, tls: ssl.SSLContext, proxy: str) -> None:
        super().__init__(tls)
        self._proxy = urlsplit(proxy)

    async def _open(self, url: httpx.URL, host: str, port: int) -> ByteStream:
        try:
            stream: ByteStream = await anyio.connect_tcp(self._proxy.hostname or "", self._proxy.port or _SOCKS_PORT)
        except OSError as error:
            raise httpx.ProxyError(f"the SOCKS proxy cannot be reached: {explain(error)}") from None
        try:
            await connect_through(stream, host, port, self._user)
            if url.scheme == "https":
                return await TLSStream.wrap(
                    stream, server_side=False, hostname=host, ssl_context=self._tls, standard_compatible=False
                )
        except SocksError as error:
            await anyio.aclose_forcefully(stream)
            raise httpx.ProxyError(f"the SOCKS proxy: {error}") from error
        except BaseException:
            await anyio.aclose_forcefully(stream)
            raise
        return stream

    @property
    def _user(self) -> tuple[str, str] | None:
        name, password = self._proxy.username, self._proxy.password
        return None if name is None else (unquote(name), unquote(password or ""))


def _is_of_tls(error: BaseException) -> bool:
    """Whether TLS failed, which is with the server behind a proxy."""
    each: BaseException | None = error
    while each and not isinstance(each, ssl.SSLError):
        each = each.__cause__ or each.__context__
    return each is not None
