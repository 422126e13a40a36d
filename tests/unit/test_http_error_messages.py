"""What a failed request is in words: what is wrong and what to do, whatever the exception is wrapped in."""

import errno
import socket
import ssl

import anyio
import httpx
import pytest

from tracker.http.error_messages import explain


def stemming(outer, *causes):
    """`outer` as it is raised from these, each from the next."""
    error = outer
    for cause in causes:
        error.__cause__ = cause
        error = cause
    return outer


def certificate(code):
    error = ssl.SSLCertVerificationError()
    error.verify_code = code
    error.verify_message = "what OpenSSL says"
    return error


def of_tls(reason):
    error = ssl.SSLError()
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (socket.gaierror(socket.EAI_NONAME, "x"), "the host's name is unknown; is it spelled right, "),
        (socket.gaierror(socket.EAI_AGAIN, "x"), "the host's name cannot be looked up now; is this machine's DNS reachable?"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "x"), "the connection is refused: nothing listens there; "),
        (ConnectionRefusedError(), "the connection is refused: nothing listens there; "),
        (OSError(errno.ENETUNREACH, "x"), "the host cannot be reached from here; "),
        (OSError(errno.EHOSTUNREACH, "x"), "the host cannot be reached from here; "),
        (OSError(errno.ETIMEDOUT, "x"), "the host does not answer; does a firewall drop what is sent to it?"),
        (OSError(errno.EMFILE, "x"), "no file descriptor is left for a connection; "),
        (ConnectionResetError(errno.ECONNRESET, "x"), "the connection was reset"),
        (certificate(9), "its TLS certificate is not valid yet; is the clock "),
        (certificate(10), "its TLS certificate has expired"),
        (certificate(18), "its TLS certificate is of a CA that is not trusted here; name the CA's certificate as `ca_file`"),
        (certificate(20), "its TLS certificate is of a CA that is not trusted here; "),
        (certificate(94), "its TLS certificate is not accepted: what OpenSSL says"),
        (certificate(62), "its TLS certificate is for another name than the host's; "),
        (of_tls("WRONG_VERSION_NUMBER"), "it does not speak TLS on that port; is the URL's scheme http, "),
        (of_tls("TLSV13_ALERT_CERTIFICATE_REQUIRED"), "it wants a certificate of its clients; set `client_certificate`"),
        (of_tls("TLSV1_ALERT_UNKNOWN_CA"), "it does not accept the client certificate; "),
        (of_tls("UNSUPPORTED_PROTOCOL"), "TLS fails (unsupported protocol)"),
    ],
)
def test_each_cause_has_its_sentence(error, sentence):
    """The cause is found by itself, in what httpx and anyio wrap it in, and in a group of several addresses' errors."""
    wrapped = stemming(httpx.ConnectError("x"), OSError("All connection attempts failed"), error)
    group = stemming(httpx.ConnectError("x"), OSError("x"), ExceptionGroup("x", [error, ValueError()]))
    broken = stemming(httpx.ReadError(""), anyio.BrokenResourceError(), error)
    assert {explain(each).startswith(sentence) for each in (error, wrapped, group, broken)} == {True}


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (
            httpx.RemoteProtocolError("illegal status line: bytearray(b'canary')"),
            "the answer is not valid HTTP: illegal status line; ",
        ),
        (
            httpx.RemoteProtocolError("Server disconnected without sending a response."),
            "the connection was closed before an answer",
        ),
        (httpx.ProxyError("403 Forbidden"), "the proxy refuses: 403 Forbidden"),
        (httpx.ProxyError("the SOCKS proxy: it hung up"), "the SOCKS proxy: it hung up"),
        (httpx.ConnectError("the connection was reset at once"), "the connection was reset at once"),
        (httpx.InvalidURL("Invalid port: 'canary'"), "InvalidURL: Invalid port"),
        (httpx.PoolTimeout(""), "PoolTimeout"),
    ],
)
def test_what_has_no_cause_is_reported_by_its_text(error, sentence):
    """Without a cause the error's own text is said, up to what it quotes."""
    assert explain(error).startswith(sentence)
    assert "canary" not in explain(error)
