"""What a filter matches, by the JSON of an event."""

import pytest

from tracker.core.events.event import encode_event
from tracker.core.events.sample import sample_event
from tracker.core.queries.filters import EventFilter, read_facts


@pytest.mark.parametrize(
    ("type_", "provider", "matches"),
    [
        ("batch.created", "mistral", True),
        ("batch.created", "openai", False),
        ("account.unreachable", "mistral", False),
        ("receiver.failing", "mistral", False),
    ],
)
def test_only_an_event_of_a_job_is_of_a_vendor(type_, provider, matches):
    """An event of a job that names no vendor is Mistral's; one that is about no job is of no vendor."""
    event = read_facts(encode_event(sample_event(type_, "default", 1_750_861_214_312, "abc")))
    assert EventFilter(provider=provider).matcher()(event) is matches
