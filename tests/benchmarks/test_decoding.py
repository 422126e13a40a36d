"""Decoding a page of 100 jobs: ours, the raw way, pydantic's, and the official client's own path."""

import json

import httpx
import msgspec
import pytest
from canned import job, pages
from mistralai.client.models import BatchJob, ListBatchJobsResponse
from mistralai.client.utils.unmarshal_json_response import unmarshal_json_response
from pydantic import TypeAdapter

from tracker.core.jobs.job import Job
from tracker.core.jobs.job_reading import parse_page
from tracker.core.jobs.new_properties import NewProperties

pytestmark = [pytest.mark.no_cover, pytest.mark.slow]  # counting lines would be what is measured

RUNS = 100


def test_decoding_a_page(compare):
    """All ways read the same 100 jobs, ours in clearly less time than the others (target: 10 and 4 times)."""
    (body,) = pages(100)
    data = msgspec.json.encode(json.loads(body)["data"])
    unusual = json.dumps({"total": 100, "data": [job(number) | {"tier": "new"} for number in range(100)]}).encode()
    limit, pydantic = msgspec.json.Decoder(tuple[Job, ...]).decode, TypeAdapter(list[BatchJob]).validate_json
    comparison = compare("decode a page of 100 jobs")
    new = NewProperties()
    parse_page(unusual, new)
    for _ in range(RUNS):
        with comparison.time("the limit: msgspec alone"):
            raw = limit(data)
        with comparison.time("parse_page"):
            ours = parse_page(body)
        with comparison.time("json.loads"):
            json.loads(body)
        with comparison.time("parse_page, a new property in each"):
            other = parse_page(unusual, new)
        with comparison.time("pydantic"):
            models = pydantic(data)
        response = httpx.Response(200, content=body)
        with comparison.time("the official client's path"):
            official = unmarshal_json_response(ListBatchJobsResponse, response)
    ids = [each.id for each in raw]
    assert [each.id for each in ours.jobs] == [each.id for each in other.jobs] == ids
    assert [each.id for each in official.data] == [each.id for each in models] == ids
    assert other.jobs[0].extra == {"tier": "new"}
    assert comparison.ratio("the official client's path", "parse_page") > 3
    assert comparison.ratio("pydantic", "parse_page") > 1.3
    assert comparison.ratio("parse_page, a new property in each", "parse_page") < 5
