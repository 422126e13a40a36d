"""Owns the error messages of failed requests: what is wrong, and what to do about it.

No message has a URL, which may be secret, or text that a server sent.
"""

import errno
import re
import socket
import ssl
from collections.abc import Iterator
from typing import Final

_QUOTED: Final = re.compile(r"\bbytearray\b|\bb['\"]|(?<!\w)['\"]")

_UNTRUSTED: Final = "its TLS certificate is of a CA that is not trusted here; name the CA's certificate as `ca_file`"

_BY_VERIFY_CODE: Final = {
    9: "its TLS certificate is not valid yet; is the clock of this machine right?",
    10: "its TLS certificate has expired",
    **dict.fromkeys((2, 18, 19, 20, 21), _UNTRUSTED),
    62: "its TLS certificate is for another name than the host's; is the host right?",
    64: "its TLS certificate is for another address than the host's; is the host right?",
}
"""By OpenSSL's verification error code."""

_NO_TLS: Final = "it does not speak TLS on that port; is the URL's scheme http, or its port another one?"
_NO_DNS: Final = "the host's name cannot be looked up now; is this machine's DNS reachable?"
_UNKNOWN_NAME: Final = "the host's name is unknown; is it spelled right, and does this machine's DNS know it?"
_UNREACHABLE: Final = "the host cannot be reached from here; is there a route to it, or a proxy to be used?"
_REFUSED: Final = "the connection is refused: nothing listens there; are host and port right, and is the server up?"
_RESET: Final = "the connection was reset"
_NO_DESCRIPTOR: Final = "no file descriptor is left for a connection; raise the limit (ulimit -n)"
_BY_ERRNO: Final = {
    errno.ETIMEDOUT: "the host does not answer; does a firewall drop what is sent to it?",
    **dict.fromkeys(
        (errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN, errno.ENETDOWN, errno.EADDRNOTAVAIL), _UNREACHABLE
    ),
    **dict.fromkeys((errno.ECONNRESET, errno.EPIPE, errno.ECONNABORTED), _RESET),
    **dict.fromkeys((errno.EMFILE, errno.ENFILE), _NO_DESCRIPTOR),
}
"""By the `errno` of an `OSError`."""

_SILENT: Final = "Server disconnected without sending a response."
_CUT_SHORT: Final = "peer closed connection without sending complete message body"


def explain(error: BaseException) -> str:
    """The message for `error`, or for its cause."""
    for each in _causes(error):
        if message := _message(each):
            return message
    return _http_message(error)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error, its causes, and the errors in a group; each once."""
    seen: list[BaseException] = []
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop(0)
        if each is not None and each not in seen:
            seen.append(each)
            yield each
            left += [*(each.exceptions if isinstance(each, BaseExceptionGroup) else ()), each.__cause__]
            left += [] if each.__suppress_context__ and not _is_of_httpcore(each) else [each.__context__]


def _is_of_httpcore(error: BaseException) -> bool:
    """Whether httpcore raised it: its connection pool hides the cause of each error (`raise … from None`)."""
    return type(error).__module__.startswith("httpcore")


def _message(error: BaseException) -> str | None:
    match error:
        case socket.gaierror():
            return _NO_DNS if error.errno == socket.EAI_AGAIN else _UNKNOWN_NAME
        case ssl.SSLCertVerificationError():
            return _BY_VERIFY_CODE.get(error.verify_code) or f"its TLS certificate is not accepted: {error.verify_message}"
        case ssl.SSLError():
            return _tls_message(error.reason or "")
        case ConnectionRefusedError():
            return _REFUSED
        case OSError():
            return _BY_ERRNO.get(error.errno or 0)
    return None


def _tls_message(reason: str) -> str:
    if reason in ("WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE", "UNEXPECTED_MESSAGE"):
        return _NO_TLS
    if "CERTIFICATE_REQUIRED" in reason:
        return "it wants a certificate of its clients; set `client_certificate`"
    if "ALERT" in reason and ("UNKNOWN_CA" in reason or "CERTIFICATE" in reason):
        return "it does not accept the client certificate; is `client_certificate` the right one?"
    if "UNEXPECTED_EOF" in reason:
        return "the connection was closed while TLS began; is there a TLS server on that port?"
    return f"TLS fails ({reason.lower().replace('_', ' ') or 'no reason given'})"


def _http_message(error: BaseException) -> str:
    """By the type of `error` and its text up to the first quotation, which may be a URL, a header, or what a server sent."""
    kind = type(error).__name__
    text = _QUOTED.split(str(error), maxsplit=1)[0].rstrip(" :,(")
    match kind:
        case "RemoteProtocolError":
            return _protocol_message(text)
        case "ProxyError":
            return text if "proxy" in text else f"the proxy refuses: {text}"
        case "ReadError" | "WriteError":
            return _RESET
        case "ConnectError":
            return text or _RESET
        case "UnsupportedProtocol":
            return text
    return f"{kind}: {text}" if text else kind


def _protocol_message(text: str) -> str:
    if text == _SILENT:
        return "the connection was closed before an answer"
    if text.startswith(_CUT_SHORT):
        return f"the answer was cut short{text.removeprefix(_CUT_SHORT)}"
    return f"the answer is not valid HTTP: {text}; is there an HTTP server on that port?"
