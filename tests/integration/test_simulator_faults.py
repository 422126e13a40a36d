"""The faults to order, as a client on a socket meets them."""

import re
from email.utils import parsedate_to_datetime

import anyio
import httpx
import pytest

from tracker.server.embedded import open_server
from tracker.simulator.faults.fault_options import (
    PERSISTENT_FAULTS,
    READ_FAULTS,
    REQUEST_FAULTS,
    TRANSIENT_FAULTS,
    Faults,
    parse,
)
from tracker.simulator.mistral_api import Simulator
from tracker.simulator.random_job_plans import Population
from tracker.simulator.workspace import Workspace

PATH = "/v1/batch/jobs"
BEGAN = 1_795_478_400.0
TIMEOUT = httpx.Timeout(30.0, read=0.6)


@pytest.fixture
async def ask():
    """Ask an API that spoils every request in the way given: a function of the kind and the path."""
    simulator = Simulator(Workspace(arrivals=Population(3).arrivals(250, BEGAN)), lambda: BEGAN)
    async with (
        open_server(simulator.app, "127.0.0.1", 0) as address,
        httpx.AsyncClient(base_url=address.url, headers={"authorization": "Bearer x"}, timeout=TIMEOUT) as client,
    ):

        async def ask(kind, path=PATH, method="GET", page=0):
            simulator.faults = Faults(parse(f"{kind}:1") if kind else [], seed=1)
            return await client.request(method, path, params={"order_by": "created", "page": page})

        async def during(order):
            simulator.faults = Faults(parse(order), seed=1)
            return await client.get(PATH)

        ask.simulator, ask.during = simulator, during
        yield ask


@pytest.mark.parametrize(
    ("kind", "status"),
    [("429", 429), ("429-date", 429), ("429-bare", 429), ("500", 500), ("503", 503), ("html", 502), ("401", 401), ("402", 402)],
)
async def test_refusal_has_its_status(ask, kind, status):
    """Each refusal is answered with its status."""
    assert (await ask(kind)).status_code == status
    assert ask.simulator.faulted == {kind: 1}


async def test_patience_is_asked_for_in_three_ways(ask):
    """A 429 carries Retry-After in seconds, as a date that comes, or not at all."""
    assert (await ask("429")).headers["retry-after"] == "1"
    date = parsedate_to_datetime((await ask("429-date")).headers["retry-after"])
    assert date.timestamp() == BEGAN + 1
    assert "retry-after" not in (await ask("429-bare")).headers


@pytest.mark.parametrize(
    ("kind", "error"),
    [("hang", httpx.ReadTimeout), ("reset", httpx.ReadError), ("cut", httpx.RemoteProtocolError)],
)
async def test_connection_fails_in_its_way(ask, kind, error):
    """A hang, a reset and a cut are what a client would see on a real network."""
    with pytest.raises(error):
        await ask(kind)


async def test_drip_never_trips_a_read_timeout(ask):
    """A byte comes before any read time-out does, and the whole answer never."""
    with anyio.move_on_after(1.5) as patience:
        await ask("drip")
    assert patience.cancelled_caught


async def test_truncated_json_is_no_json(ask):
    """Half of the JSON arrives as a whole answer."""
    with pytest.raises(ValueError, match=r"delimiter|Unterminated|Expecting"):
        (await ask("truncated")).json()


async def test_lists_are_bent(ask):
    """A shifted page, a vanished job and a broken job differ from the truth by just that."""
    honest = (await ask(None)).json()
    ids = [job["id"] for job in honest["data"]]
    malformed = (await ask("malformed")).json()
    assert not isinstance(malformed["data"], list)
    vanished = (await ask("vanish")).json()
    missing = set(ids) - {job["id"] for job in vanished["data"]}
    assert (len(missing), vanished["total"]) == (1, honest["total"] - 1)
    broken = (await ask("bad-job")).json()["data"]
    assert [job["status"] for job in broken].count(None) == 1
    shifted = [job["id"] for job in (await ask("shift", page=1)).json()["data"]]
    after = [job["id"] for job in (await ask(None, page=1)).json()["data"]]
    assert shifted != after
    assert len(set(shifted) & set(after)) >= len(after) - 1


async def test_vanished_job_is_not_found_by_its_id(ask):
    """A get of a job that is there is answered 404."""
    job = (await ask(None)).json()["data"][0]["id"]
    assert [(await ask(kind, f"{PATH}/{job}")).status_code for kind in (None, "vanish")] == [200, 404]


async def test_page_is_ignored(ask):
    """Every page is the first one, of 20 jobs, though the total is that of the list."""
    honest = (await ask(None)).json()
    pages = [(await ask("ignored-page", page=page)).json() for page in range(3)]
    assert pages[0] == pages[1] == pages[2]
    assert pages[0]["data"] == honest["data"][:20]
    assert pages[0]["total"] == honest["total"] > 100


async def test_total_is_wrong_where_a_page_is_full(ask):
    """The total of a full page ends with it; that of the last page, which is not full, is right."""
    honest = (await ask(None)).json()
    pages, rest = divmod(honest["total"], 100)
    assert rest
    totals = [(await ask("wrong-total", page=page)).json()["total"] for page in range(pages + 1)]
    assert totals == [*range(100, honest["total"], 100), honest["total"]]


async def test_there_are_no_jobs(ask):
    """As with the key of another workspace every list is empty, and every job is not found."""
    job = (await ask(None)).json()["data"][0]["id"]
    assert (await ask("no-jobs")).json() == {"object": "list", "total": 0, "data": []}
    assert (await ask("no-jobs", f"{PATH}/{job}")).status_code == 404


async def test_replica_lags_by_3_seconds(ask):
    """What a lagging replica answers is what an honest answer was 3 seconds before."""
    ask.simulator.clock = lambda: BEGAN + 40
    honest = (await ask(None)).json()
    ask.simulator.clock = lambda: BEGAN + 43
    assert (await ask("lagging")).json() == honest != (await ask(None)).json()


async def test_date_is_that_of_the_apis_clock(ask):
    """Each answer, honest or not, has one `Date`, by the clock that its timestamps are of."""
    job = (await ask(None)).json()["data"][0]["id"]
    for kind, path in ((None, PATH), ("500", PATH), ("stale", PATH), (None, f"{PATH}/{job}"), (None, f"{PATH}/none")):
        (date,) = (await ask(kind, path)).headers.get_list("date")
        assert parsedate_to_datetime(date).timestamp() == BEGAN


@pytest.mark.parametrize("kind", READ_FAULTS)
async def test_read_faults_do_not_touch_what_changes_something(ask, kind):
    """A cancellation is refused or carried out, never both: spoiled answers are for reads."""
    job = (await ask(None)).json()["data"][-1]["id"]
    assert (await ask(kind, f"{PATH}/{job}/cancel", "POST")).json()["id"] == job


async def test_fault_lasts_as_long_as_ordered(ask):
    """One that is ordered from the 60th to the 64th second after the first request strikes then, and at no other time."""
    answers = []
    await ask(None)
    for after in (0, 59.9, 60, 63.9, 64):
        ask.simulator.clock = lambda after=after: BEGAN + after
        answers.append((await ask.during("no-jobs:1@60-64")).json()["total"] == 0)
    assert answers == [False, False, True, True, False]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("503", "found ''"),
        ("503:2", "found '2'"),
        ("503:x@1-2", "found 'x'"),
        ("504:0.1", "found '504'"),
        ("503:1@4", "found '4'"),
        ("503:1@4-4", "found '4-4'"),
        ("503:1@x-4", "found 'x-4'"),
        ("poisoned:1@1-4", "a fault of requests"),
    ],
    ids=lambda text: text,
)
def test_mistake_in_an_order_is_named(text, found):
    """What cannot be read of an order is quoted, with what is expected."""
    with pytest.raises(ValueError, match=re.escape(found)) as mistake:
        parse(text)
    assert "expected" in str(mistake.value)


def test_probabilities_sum_up_to_one_at_any_time():
    """Faults may share all requests as long as no moment has more than all."""
    Faults([*parse("500:0.6@0-10"), *parse("503:0.6@10-20"), *parse("poisoned:1"), *parse("late-output:1")])
    with pytest.raises(ValueError, match=r"sum up to 1\.2, expected at most 1"):
        Faults([*parse("500:0.6@0-10"), *parse("503:0.6@9-20")])


def test_any_is_shared_out_among_all_kinds_that_pass():
    """`any:P` has the probability P in all, over every kind but those that say something about the account or the API."""
    faults = parse("any:0.3")
    assert {fault.kind for fault in faults} == set(REQUEST_FAULTS) - set(PERSISTENT_FAULTS) == set(TRANSIENT_FAULTS)
    assert sum(fault.probability for fault in faults) == pytest.approx(0.3)


def test_faults_are_as_frequent_as_ordered_and_repeatable():
    """Of many draws about the ordered share is spoiled, the same ones for the same seed."""
    draws = [[Faults(parse("any:0.2"), seed)] for seed in (1, 1, 2)]
    drawn = [[faults.draw(reading=True) for _ in range(5000)] for (faults,) in draws]
    assert 850 < sum(kind is not None for kind in drawn[0]) < 1150
    assert drawn[0] == drawn[1] != drawn[2]
    assert set(drawn[0]) == {None, *TRANSIENT_FAULTS}
