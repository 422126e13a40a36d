"""The APIs of vendors as tests open them: a provider or a source of results, without an account's configuration."""

from contextlib import asynccontextmanager

from tracker.config import Secret
from tracker.config.secrets.credentials import Credentials
from tracker.http.client import http_client
from tracker.http.rate_limiter import RateLimiter
from tracker.providers.requests.authorized_requests import AuthorizedRequests
from tracker.providers.requests.files_api import IDLE
from tracker.providers.vendor_registry import VENDORS


def vendor_requests(name, http, url, api_key, **settings):
    """The requests of an account of the vendor `name`; `api_key` is text or `Credentials`."""
    credentials = Credentials({"api_key": Secret(api_key)}) if isinstance(api_key, str) else api_key
    return AuthorizedRequests(http, url, credentials, key_headers=VENDORS[name].key_headers, **settings)


@asynccontextmanager
async def requests_of(name, tls, api_key):
    """An account's requests to a URL, as `given(url)`."""
    limits = {"rate_limiter": RateLimiter(1000), "deadline": 5.0, "now": lambda: 0}
    async with http_client(tls) as http:
        yield lambda url: vendor_requests(name, http, url, api_key, **limits)


def mistral(http, url, api_key, **settings):
    """Mistral's jobs API."""
    return VENDORS["mistral"].open_jobs(vendor_requests("mistral", http, url, api_key, **settings))


def mistral_files(http, url, api_key, *, idle=IDLE, **settings):
    """Mistral's files API."""
    return VENDORS["mistral"].open_files(vendor_requests("mistral", http, url, api_key, **settings), idle=idle)


def openai(http, url, api_key, **settings):
    """OpenAI's jobs API."""
    return VENDORS["openai"].open_jobs(vendor_requests("openai", http, url, api_key, **settings))
