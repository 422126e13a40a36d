"""What is really sent over HTTP, given to the libraries that consumers use: they accept it, and nothing that was changed."""

import json
import re
import sys
import time
from base64 import b64decode, b64encode
from pathlib import Path

import msgspec
import pytest
import standardwebhooks
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from event_validation import validator
from npm import installed, run
from receiving import receiving

from tracker.core.deliveries.delivery import Delivery
from tracker.core.deliveries.signing import parse_secret
from tracker.core.events.event import Event
from tracker.core.events.job_diff import first_seen
from tracker.core.jobs.job_reading import read_job
from tracker.delivery.notifiers.webhook.notifier import Webhook
from tracker.http.client import http_client, tls_context

pytestmark = pytest.mark.xdist_group("webhook oracles")  # whose libraries are long to load

REFERENCE = Path(__file__).parents[2] / "config" / "tracker.toml"
OLD = "whsec_" + b64encode(b"the old secret, 24 bytes, ok").decode()
NEW = "whsec_" + b64encode(bytes(range(64))).decode()
PRIVATE = "whsk_" + b64encode(bytes(range(32))).decode()


def now():
    return time.time_ns() // 1_000_000


def completed() -> Event:
    counters = {"total_requests": 10, "completed_requests": 10, "succeeded_requests": 9, "failed_requests": 1}
    job = {
        "id": "job-1",
        "status": "SUCCESS",
        "created_at": 1_750_000_000,
        "completed_at": 1_750_000_600,
        "note": "naïve ☃ <b>",
    }
    return first_seen("default", read_job(job | counters), now()).events[1]


@pytest.fixture(scope="module")
async def sent(anyio_backend):  # noqa: ARG001 - an asynchronous fixture of a module needs it
    """A webhook as a receiver got it, signed with the new secret, the old one, and a private key: body and headers."""
    body = msgspec.json.encode(msgspec.structs.replace(completed(), seq=7)).decode()
    event = json.loads(body)
    delivery = Delivery(
        receiver="r", seq=7, event_id=event["id"], type=event["type"], stream="default/job-1", attempts=0, body=body
    )
    keys = [parse_secret(secret) for secret in (NEW, OLD, PRIVATE)]
    async with receiving() as receiver, http_client(tls_context()) as http:
        outcome = await Webhook(http, receiver.url, keys, timeout=5, now=now).send([delivery])
        assert outcome.delivered
    return receiver.bodies[0], receiver.headers[0]


def by_standardwebhooks(secret, body, headers):
    standardwebhooks.Webhook(secret).verify(body, headers)


def by_svix(secret, body, headers):
    from svix.webhooks import Webhook as SvixWebhook  # noqa: PLC0415 - long to load, and each worker collects all tests

    SvixWebhook(secret).verify(body, headers)


def by_openai(secret, body, headers):
    import openai  # noqa: PLC0415 - as above

    return openai.OpenAI(api_key="unused").webhooks.unwrap(body, headers, secret=secret)


@pytest.fixture(scope="module")
def by_node(tmp_path_factory):
    """What verifies with npm's standardwebhooks and gives what is wrong, nothing where it is genuine."""
    folder = installed("verify_node", tmp_path_factory.mktemp("node"))

    def verify(secret, body, headers):
        given = json.dumps({"secret": secret, "body": body.decode(), "headers": headers})
        done = run("node", "verify.mjs", cwd=folder, input=given)
        assert done.returncode == bool(done.stderr), done
        return done.stderr

    return verify


ORACLES = [by_standardwebhooks, by_svix, by_openai]
CHANGES = ["body", "webhook-id", "webhook-timestamp", "webhook-signature", "secret"]


@pytest.mark.parametrize("verify", ORACLES)
@pytest.mark.parametrize("secret", [NEW, OLD], ids=["new", "old"])
def test_either_secret_of_a_rotation_verifies(sent, verify, secret):
    """A consumer that has the new secret, and one that still has the old one, accept the same webhook."""
    verify(secret, *sent)


@pytest.mark.parametrize("verify", ORACLES)
@pytest.mark.parametrize("change", CHANGES)
def test_what_was_changed_is_refused(sent, verify, change):
    """A changed body, ID, time or signature, or another secret, is refused."""
    with pytest.raises(Exception, match=r"(?i)signature .*(found|match)"):
        verify(*changed(*sent, change))


def changed(body, headers, change):
    secret = OLD if change != "secret" else "whsec_" + b64encode(b"another secret of 24 bytes").decode()
    if change == "body":
        body = body.replace(b'"job-1"', b'"job-2"')
    elif change == "webhook-timestamp":
        headers = headers | {change: str(int(headers[change]) + 1)}
    elif change == "webhook-signature":
        headers = headers | {change: "v1,AAAA" + headers[change][7:].split(" ")[0]}
    elif change != "secret":
        headers = headers | {change: headers[change] + "x"}
    return secret, body, headers


@pytest.mark.slow
@pytest.mark.parametrize("secret", [NEW, OLD], ids=["new", "old"])
def test_node_accepts_either_secret(sent, by_node, secret):
    """The library of npm accepts the same webhook, with either secret of the rotation."""
    assert by_node(secret, *sent) == ""


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_node_refuses_what_was_changed(sent, by_node, change):
    """The library of npm refuses what the others refuse, for its signature and nothing else."""
    assert "No matching signature found" in by_node(*changed(*sent, change))


def test_openai_reads_its_own_kind_of_event(sent):
    """A consumer written for OpenAI's batch webhooks gets a BatchCompletedWebhookEvent with the job's ID, and our keys too."""
    body, headers = sent
    from openai.types.webhooks import BatchCompletedWebhookEvent  # noqa: PLC0415 - as above

    event = by_openai(OLD, body, headers)
    assert isinstance(event, BatchCompletedWebhookEvent)
    assert (event.data.id, event.data.status, event.outcome) == ("job-1", "SUCCESS", "partial")
    assert event.created_at == 1_750_000_600


def test_private_key_signs_what_its_public_key_verifies(sent):
    """The ed25519 signature verifies with the public key alone, and not for another body."""
    body, headers = sent
    public = Ed25519PublicKey.from_public_bytes(b64decode(parse_secret(PRIVATE).public.removeprefix("whpk_")))
    (signature,) = [each for each in headers["webhook-signature"].split() if each.startswith("v1a,")]
    content = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
    public.verify(b64decode(signature.removeprefix("v1a,")), content)
    with pytest.raises(InvalidSignature):
        public.verify(b64decode(signature.removeprefix("v1a,")), content + b" ")


def test_body_is_the_event_and_valid_by_its_schema(sent):
    """The body is the event's JSON, by the published schema, and says what it is in its headers."""
    body, headers = sent
    event = json.loads(body)
    validator("batch.completed").validate(event)
    assert event["data"]["note"] == "naïve ☃ <b>"
    assert headers["content-type"] == "application/json"
    assert headers["webhook-id"] == event["id"]
    assert headers["user-agent"].startswith("batch-tracker/")


def test_keys_are_made_as_the_reference_configuration_says():
    """Its two lines of shell make a secret that is one, of either kind, and give the public key of a private one."""
    make, publish = re.findall(r'^#   python3 -c "(.+)"$', REFERENCE.read_text("utf-8"), re.MULTILINE)
    shared = run(sys.executable, "-c", make).stdout.strip()
    private = run(sys.executable, "-c", make.replace("whsec_", "whsk_")).stdout.strip()
    assert parse_secret(shared).public is None
    assert run(sys.executable, "-c", publish, input=private).stdout.strip() == parse_secret(private).public
