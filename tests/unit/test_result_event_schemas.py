"""The published schema of results, against what lines of result files say."""

import json
from decimal import Decimal

import msgspec
import pytest
from core_samples import NOW, job
from event_validation import validator
from hypothesis import given
from hypothesis import strategies as st
from result_lines import failure, page, success

from tracker.core.events.result_events import result_events
from tracker.core.results.archive_outcome import Results
from tracker.core.results.cost import Cost, Price, cost_of
from tracker.core.results.failure_digest import Digest, FailureGroup
from tracker.core.results.file_analysis import Analyzer, summarize
from tracker.core.results.result_file import ArchivedFile, MissingFile
from tracker.core.results.usage import ModelUsage, Usage
from tracker.schemas import event_schema

LINES = [success("a"), page("b"), failure("c", "wait 5 s"), failure(None, ""), b"{", b"[]", b"null", b""]
ENDED = job(status="SUCCESS", output_file="out", errors=[{"message": "late", "count": 2}])


@pytest.mark.parametrize("value", [ArchivedFile, MissingFile, FailureGroup, Digest, ModelUsage, Usage, Cost])
def test_schema_has_the_fields_of_each_value(value):
    """Each value of the results has its own definition, with all of its fields and no others."""
    definition = event_schema()["$defs"][value.__name__]
    optional = {"cached_tokens"}  # an event of before there were any, and one without, has none
    assert [*definition["properties"]] == [*value.__struct_fields__]
    assert definition["required"] == [name for name in value.__struct_fields__ if name not in optional]
    assert definition["additionalProperties"] is False


@given(lines=st.lists(st.sampled_from(LINES)), price=st.decimals(0, 1000, places=9))
def test_what_lines_say_is_valid(lines, price):
    """Whatever the lines of a job's files say, and whatever it costs, the event about its results fits its schema."""
    analyzer = Analyzer("job-model")
    analyzer.feed(b"\n".join(lines))
    digest, usage = summarize(ENDED, [analyzer.finish()])
    prices = [Price(model="mistral-small-*", currency="EUR", input_per_million=price, per_thousand_pages=Decimal(3))]
    results = Results(
        account="default",
        job_id=ENDED.id,
        archived_at=NOW,
        files=(
            ArchivedFile(kind="output", file_id="out", bytes=9, sha256="0f" * 32, lines=len(lines), location="file:///out"),
        ),
        digest=digest,
        usage=usage,
        cost=cost_of(usage, prices),
    )
    (event,) = result_events(results, ENDED)
    text = msgspec.json.encode(msgspec.structs.replace(event, seq=1))
    assert validator("batch.archived").is_valid(json.loads(text)), text
