"""Owns requests through proxies: HTTP proxies by httpx's transport, SOCKS proxies by our own connection."""

import ssl
from typing import Final
from urllib.parse import unquote, urlsplit

import anyio
import httpx
from anyio.abc import ByteStream
from anyio.streams.tls import TLSStream

from tracker.http.connection import Connection
from tracker.http.error_messages import explain
from tracker.http.proxies import SOCKS, Proxies
from tracker.http.socks import SocksError, connect_through
from tracker.http.transport import ReceivedAnswer, SentRequest, Transport

_PORTS: Final = {"http": 80, "https": 443}
_SOCKS_PORT: Final = 1080


class ProxiedTransport:
    """A `Transport` through `proxies`, with direct connections to exempt hosts."""

    def __init__(self, proxies: Proxies, tls: ssl.SSLContext) -> None:
        self._proxies = proxies
        self._tls = tls
        self._transports: dict[str | None, Transport] = {}

    async def exchange(self, request: SentRequest) -> ReceivedAnswer:
        url = request.url
        proxy = self._proxies.of(url.scheme, url.host, _PORTS.get(url.scheme, 0) if url.port is None else url.port)
        if proxy not in self._transports:
            self._transports[proxy] = self._new_transport(proxy)
        try:
            return await self._transports[proxy].exchange(request)
        except httpx.ConnectError as error:
            if proxy is None or proxy.startswith(SOCKS) or _is_tls_error(error):
                raise
            raise httpx.ProxyError(f"the proxy cannot be reached: {explain(error)}") from None

    async def aclose(self) -> None:
        for transport in self._transports.values():
            await transport.aclose()

    def _new_transport(self, proxy: str | None) -> Transport:
        if proxy is None:
            return Connection(self._tls)
        if proxy.startswith(SOCKS):
            return _SocksConnection(self._tls, proxy)
        return HttpxTransport(
            httpx.AsyncHTTPTransport(
                verify=self._tls,
                proxy=httpx.Proxy(proxy, ssl_context=self._tls if proxy.startswith("https") else None),
                limits=httpx.Limits(max_keepalive_connections=0),  # an unsolicited answer could answer the next request
                trust_env=False,
            )
        )


class HttpxTransport:
    """The `Transport` that is one of httpx."""

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def exchange(self, request: SentRequest) -> ReceivedAnswer:
        content = httpx.ByteStream(request.content)
        sent = httpx.Request(request.method, request.url, headers=request.headers, stream=content)
        response = await self._transport.handle_async_request(sent)
        headers = [(name.lower(), value) for name, value in response.headers.raw]
        return ReceivedAnswer(response.status_code, headers, response.aiter_raw(), response.aclose)

    async def aclose(self) -> None:
        await self._transport.aclose()


class _SocksConnection(Connection):
    """A connection through a SOCKS proxy."""

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


def _is_tls_error(error: BaseException) -> bool:
    """Whether TLS failed: that concerns the server behind the proxy, not the proxy."""
    each: BaseException | None = error
    while each and not isinstance(each, ssl.SSLError):
        each = each.__cause__ or each.__context__
    return each is not None
