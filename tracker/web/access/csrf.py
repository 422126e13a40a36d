"""Owns the protection against cross-site requests: whether a page of this server or of another site sent a request."""

from starlette.requests import Request


def is_cross_site(request: Request, own_origin: str = "") -> bool:
    """Whether a browser says that another site's page sent the request.

    `own_origin` is the origin of the external URL: a reverse proxy may hide from the server that this origin is its own.
    """
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return True
    origin = request.headers.get("origin")
    return origin is not None and origin.lower() != own_origin and not _is_own_host(origin, request)


def is_same_site(request: Request, own_origin: str = "") -> bool:
    """Whether a browser says that a page of this server sent the request; not every request has that header."""
    has_source = "origin" in request.headers or request.headers.get("sec-fetch-site") == "same-origin"
    return has_source and not is_cross_site(request, own_origin)


def _is_own_host(origin: str, request: Request) -> bool:
    """Compared without the scheme, which a proxy may change."""
    return origin.partition("://")[2].lower() == request.headers.get("host", "").lower()
