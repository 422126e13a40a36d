"""Owns the paths of endpoints that answer with content of results: they always need a token, and are not compressed."""

from collections.abc import Iterable

from tracker.web.endpoints.endpoint import Endpoint


class ContentPaths:
    """The paths of the endpoints that always need a token, by the routes' own patterns."""

    def __init__(self, endpoints: Iterable[Endpoint]) -> None:
        self._patterns = [each.route().path_regex for each in endpoints if each.always_needs_token]

    def has(self, path: str) -> bool:
        return any(pattern.match(path) for pattern in self._patterns)
