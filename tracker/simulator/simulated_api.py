"""Owns what every vendor's simulated API shares: its routes' keys, counts and clock, and the faults that strike a request."""

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from email.utils import formatdate
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracker.server.embedded import without_server_headers
from tracker.simulator.faults.fault_options import CONNECTION_FAULTS, DOWNLOAD_FAULTS, READ_FAULTS, REFUSALS, Faults
from tracker.simulator.faults.http_error_responses import json_answer, refusal
from tracker.simulator.faults.spoiled_responses import NoResponse, spoil
from tracker.simulator.job_timeline import JobPlan
from tracker.simulator.random_job_plans import MISTRAL, Catalog, Population
from tracker.simulator.request_parsing.shared_parameters import Invalid
from tracker.simulator.workspace import Workspace

STALE_BY: Final = 5.0
"""Seconds that a stale answer is behind at most."""

LAG: Final = 3.0
"""Seconds that a replica's answer is behind."""

ANY_CALL: Final = {*REFUSALS, *CONNECTION_FAULTS}
JOB_READ: Final = ANY_CALL | {*READ_FAULTS}
FILE_READ: Final = ANY_CALL | {"truncated", "malformed", "cut", "drip"}
DOWNLOAD: Final = ANY_CALL | {"cut", "drip"} | {*DOWNLOAD_FAULTS}
"""The faults that can strike a call of a kind."""

Handler = Callable[[Request, str | None, float], Awaitable[Response]]
"""What is answered to a request, with a fault or without one, at a moment."""


class SimulatedApi(ABC):
    """A vendor's batch API in front of a workspace. `app` serves it; `requests` counts them by call, `faulted` by fault."""

    title: str
    """What it is called, such as "Mistral's batch and files API"."""

    base_path: str = ""
    """The path that its base URL has."""

    catalog: Catalog = MISTRAL
    """The models and endpoints that the jobs of a population have."""

    client: str
    """A line of Python that makes a client of the vendor's, with {url} and {key} for their literals."""

    possible_faults: Mapping[str, AbstractSet[str]]
    """The faults that can strike a call, where these are more than those of any call."""

    downloads: AbstractSet[str] = frozenset({"files.content"})
    """The calls whose answers are contents of files: `spoil` does not change them."""

    sends_webhooks: bool = False
    """Whether the vendor sends a webhook when a batch ends."""

    public: AbstractSet[str] = frozenset()
    """The calls that need no key."""

    def __init__(
        self,
        workspace: Workspace,
        clock: Callable[[], float],
        *,
        population: Population | None = None,
        api_keys: tuple[str, ...] = (),
        faults: Faults | None = None,
    ) -> None:
        """`clock` gives the API's Unix seconds; `population` draws what becomes of created jobs; no key means any will do."""
        self.workspace = workspace
        self.faults = faults or Faults()
        self.requests: Counter[str] = Counter()
        self.faulted: Counter[str] = Counter()
        self.clock = clock
        self.population = population or Population(0)
        self._api_keys = api_keys
        self._began: float | None = None  # the moment of the first request
        self.app = Starlette(routes=list(self.routes()))

    @abstractmethod
    def routes(self) -> Iterable[Route]:
        """The calls, each as `route` makes it."""

    def webhook(self, plan: JobPlan) -> dict[str, Any] | None:  # noqa: ARG002 - a vendor that sends webhooks overrides it
        """The message of the end of a job to a webhook of the vendor's; None where it sends none."""
        return None

    def key_of(self, request: Request) -> str:
        """The key that a request has; empty if it has none."""
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        return key if scheme.lower() == "bearer" else ""

    def refusal(self, kind: str, at: float) -> Response:
        """The answer to a request that is refused: an HTTP status, or a kind of `fault_options.REFUSALS`."""
        return refusal(kind, at)

    def invalid(self, error: Invalid) -> Response:
        """The answer to a request with a parameter that makes no sense."""
        return json_answer({"detail": error.details}, 422)

    def route(self, path: str, call: str, handler: Handler, method: str = "GET") -> Route:
        """The route of a call: `handler` gives the honest answer, or one with a fault that is not of the connection."""

        async def answer(request: Request) -> Response:
            self.requests[call] += 1
            at = self.clock()
            response = await self._answer(call, handler, request, at)
            without_server_headers(request.receive)
            response.headers["date"] = formatdate(at, usegmt=True)
            return response

        return Route(path, answer, methods=[method])

    def moment(self, fault: str | None, at: float) -> float:
        """The moment of which an answer tells that is given at `at`."""
        if fault == "lagging":
            return at - LAG
        return at - (self.faults.random.uniform(0, STALE_BY) if fault == "stale" else 0.0)

    def poison_among(self, call: str, shown: Iterable[JobPlan]) -> str | None:
        """What is answered in place of these, if one of them cannot be shown: an HTTP status, or "no-id"."""
        poison = next((plan.poison for plan in shown if call in plan.poisoned), None)
        self.faulted.update([] if poison is None else ["poisoned"])
        return poison

    async def _answer(self, call: str, handler: Handler, request: Request, at: float) -> Response:
        if call not in self.public and not self._is_authorized(request):
            return self.refusal("401", at)
        fault = self._draw(call, at)
        if fault in REFUSALS:
            return self.refusal(fault, at)
        if fault in CONNECTION_FAULTS:
            return NoResponse(fault)
        try:
            honest = await handler(request, fault, at)
        except Invalid as invalid:
            return self.invalid(invalid)
        return spoil(honest, fault) if fault in READ_FAULTS and call not in self.downloads else honest

    def _draw(self, call: str, at: float) -> str | None:
        self._began = at if self._began is None else self._began
        fault = self.faults.draw(reading=call in self.possible_faults, after=at - self._began)
        if fault not in self.possible_faults.get(call, ANY_CALL):
            return None
        self.faulted.update([fault] if fault else [])
        return fault

    def _is_authorized(self, request: Request) -> bool:
        key = self.key_of(request)
        return key in self._api_keys if self._api_keys else key != ""
