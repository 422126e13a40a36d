"""Decoding a page of 100 jobs: ours, the raw way, and the official client's."""

import json

import pytest
from canned import job, pages
from mistralai.client.models import ListBatchJobsResponse

from tracker.core.job import parse_page

pytestmark = pytest.mark.no_cover  # counting lines would be what is measured

RUNS = 100


def test_decoding_a_page(compare):
    """All ways read the same 100 jobs."""
    (body,) = pages(100)
    unusual = json.dumps({"total": 100, "data": [job(number) | {"tier": "new"} for number in range(100)]}).encode()
    comparison = compare("decode a page of 100 jobs")
    for _ in range(RUNS):
        with comparison.time("json.loads"):
            raw = json.loads(body)
        with comparison.time("parse_page"):
            ours = parse_page(body)
        with comparison.time("parse_page, a new property in each"):
            other = parse_page(unusual)
        with comparison.time("the official client's model"):
            official = ListBatchJobsResponse.model_validate_json(body)
    ids = [each["id"] for each in raw["data"]]
    assert [each.id for each in ours.jobs] == [each.id for each in other.jobs] == [each.id for each in official.data] == ids
    assert other.jobs[0].extra == {"tier": "new"}
