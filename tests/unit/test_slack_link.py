"""Messages for Slack link to the page that says more, where people said under which URL the pages are."""

import pytest

from tracker.delivery.notifiers.slack.block_limits_and_escaping import MAX_BLOCKS
from tracker.delivery.notifiers.slack.link import with_link

URL = "https://ops.example.com/tracker"


def event(type_="batch.failed", account="default", **data):
    job = {"id": "job-1", "status": "FAILED", "created_at": 1, "total_requests": 0, "completed_requests": 0}
    usual = job | {"succeeded_requests": 0, "failed_requests": 0} if type_.startswith("batch.") else {}
    return {"type": type_, "account": account, "data": usual | data}


def link(*events, external_url=URL, blocks=1):
    sent = with_link({"text": "x", "blocks": [{"type": "divider"}] * blocks}, events, external_url)
    *rest, foot = sent["blocks"]
    assert rest == [{"type": "divider"}] * min(blocks, MAX_BLOCKS - 1)
    (element,) = foot["elements"]
    assert (foot["type"], element["type"], element["verbatim"]) == ("context", "mrkdwn", True)
    assert element["text"] == f"<{sent['text'].removeprefix('x' + chr(10))}|Open in batch-tracker>"
    return element["text"]


@pytest.mark.parametrize(
    ("events", "path"),
    [
        ([event()], "/jobs/job-1?account=default"),
        ([event("batch.started"), event()], "/jobs/job-1?account=default"),
        ([event(), event(id="job-2")], "/"),
        ([event("account.unreachable", reason="network")], "/accounts"),
        ([event("receiver.failing", receiver="pipeline")], "/receivers/pipeline"),
        ([event("receiver.failing", receiver="pipeline"), event()], "/"),
        ([event("replica.lost", account="", replica="a"), event("replica.joined", account="", replica="b")], "/replicas"),
        ([event("silence.ended", account="", silence="sil_1")], "/silences"),
        ([event(id="a/b?c>d|e&f <!channel>", account="a&b")], "/jobs/a%2Fb%3Fc%3Ed%7Ce%26f%20%3C%21channel%3E?account=a%26b"),
    ],
    ids=[
        "a job",
        "events of a job",
        "several jobs",
        "an account",
        "a receiver",
        "different things",
        "replicas",
        "a silence",
        "hostile",
    ],
)
def test_a_message_links_to_the_page_of_what_it_is_about(events, path):
    """The link is below blocks and text, leads to what all the events are about, and whatever a job is called stays in it."""
    assert link(*events) == f"<{URL}{path}|Open in batch-tracker>"


def test_the_url_itself_cannot_end_the_link():
    """A URL with what Slack gives a meaning is written so that it has none."""
    text = link(event(), external_url="https://a.example/|x>y&z")
    assert text == "<https://a.example/%7Cx%3Ey&amp;z/jobs/job-1?account=default|Open in batch-tracker>"


def test_without_a_url_a_message_is_as_it_was():
    """Without the URL of the pages there is no link."""
    payload = {"text": "x", "blocks": []}
    assert with_link(payload, [event()], None) is payload


def test_the_link_has_room():
    """A message that is as long as Slack takes is still as long with the link."""
    assert link(event(), blocks=MAX_BLOCKS).endswith("|Open in batch-tracker>")
