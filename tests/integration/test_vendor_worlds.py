"""The random worlds by way of each vendor's package: its requests, its JSON, and a list of the shape that its list has."""

import pytest
from anthropic_batches import ANTHROPIC
from gemini_batches import GEMINI
from moving_api import MovingApi
from openai_batches import GATEWAYS, OPENAI
from poller_trial import live_through, worlds
from vendor_world import VendorFake, prove_costs

from tracker.core.events.event import parse_iso
from tracker.core.jobs.job_reading import read_job
from tracker.core.ports.provider import ListQuery
from tracker.providers.vendor_registry import VENDORS


def query(params):
    created = dict(params).get("created_after")
    statuses = tuple(value for name, value in params if name == "status")
    return ListQuery(statuses=statuses, created_after=None if created is None else parse_iso(created) // 1000)


MISTRAL = VendorFake(
    vendor=VENDORS["mistral"],
    encode=dict,
    decode=read_job,
    page=lambda jobs, found: {"object": "list", "data": jobs, "total": found.total},
    token="page",
    size="page_size",
    lists=MovingApi,
    query=query,
)
FAKES = {each.vendor.name: each for each in (MISTRAL, OPENAI, ANTHROPIC, GEMINI)}

WORLDS = FAKES | GATEWAYS

EACH_VENDOR = pytest.mark.parametrize("fake", WORLDS.values(), ids=WORLDS)


def test_every_vendor_has_its_worlds():
    """A vendor of the table without a fake here would be proved by nothing."""
    assert FAKES.keys() == VENDORS.keys()


@EACH_VENDOR
@worlds(5)
def test_every_change_is_logged_once_by_way_of_a_vendor(fake, steps, overlap, monkeypatch, tmp_path_factory):
    """Its requests and its JSON lead to a log that chains, invents nothing, and in the end is the truth."""
    live_through(steps, overlap, monkeypatch, tmp_path_factory.mktemp("world") / "tracker.db", fake.api)


@pytest.mark.slow
@pytest.mark.timeout(900)
@EACH_VENDOR
@worlds(100)
def test_every_change_is_logged_once_by_way_of_a_vendor_in_many_worlds(fake, steps, overlap, monkeypatch, tmp_path_factory):
    """The same, in twenty times as many worlds."""
    live_through(steps, overlap, monkeypatch, tmp_path_factory.mktemp("world") / "tracker.db", fake.api)


@EACH_VENDOR
async def test_sweeps_are_cheap(fake, database):
    """A thousand active jobs, and 300 ends at once, cost little more than their pages."""
    await prove_costs(fake, database)
