"""Owns reading the proxies of the environment: $HTTP_PROXY, $HTTPS_PROXY, $ALL_PROXY and $NO_PROXY, in either case."""

import re
from collections.abc import Mapping
from urllib.parse import urlsplit

from tracker.config.toml import toml_table
from tracker.config.toml.toml_table import InvalidValue
from tracker.http.proxies import SCHEMES, Exempt, Proxies


def read_proxies(environ: Mapping[str, str], errors: list[str]) -> Proxies:
    """The proxies of the environment. Each invalid variable is a mistake, which shows no password."""
    urls = {}
    for scheme in ("http", "https", "all"):
        variable, text = _variable(f"{scheme}_proxy", environ)
        try:
            urls[scheme] = _url(text) if text else None
        except InvalidValue as wrong:
            errors.append(f"${variable}: {wrong}")
    variable, text = _variable("no_proxy", environ)
    exempt = []
    for entry in filter(None, re.split(r"[,\s]+", text)):
        try:
            exempt.append(Exempt.parse(entry))
        except ValueError:
            expected = 'expected names, addresses and networks, such as "localhost,.example.com,10.0.0.0/8,fe80::/10"'
            errors.append(f"${variable}: found {toml_table.display(entry)}, {expected}")
    every = urls.get("all")
    return Proxies(urls.get("http") or every, urls.get("https") or every, tuple(exempt))


def _variable(name: str, environ: Mapping[str, str]) -> tuple[str, str]:
    """The variable and its value. The one in lower case wins, even if it is empty, as in curl and Python."""
    variable = name if name in environ else name.upper()
    return variable, environ.get(variable, "").strip()


def _url(text: str) -> str:
    """The URL of a proxy; HTTP if it has no scheme."""
    url = text if "://" in text else f"http://{text}"
    expected = "expected the URL of a proxy, such as http://proxy.example:3128 or socks5://proxy.example:1080"
    try:
        parts = urlsplit(url)
        valid = bool(parts.hostname) and parts.port != 0 and url.isascii() and url.isprintable() and " " not in url
    except ValueError:
        valid = False
    if not valid:
        raise InvalidValue(f"found something else (not shown), {expected}")
    if parts.scheme not in SCHEMES:
        raise InvalidValue(
            f"found a proxy of the scheme {toml_table.display(parts.scheme)}, expected one of {', '.join(SCHEMES)}"
        )
    return url
