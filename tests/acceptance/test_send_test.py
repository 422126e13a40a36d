"""`send-test`, run as a user would: what a receiver gets, and what is said of what happened."""

import json

import pytest
import standardwebhooks
from event_validation import validator
from fixed_receiver import PATH, SECRET, answering, installed
from loopback import answer, loopback, sends
from matrix import matrix


async def test_receiver_gets_a_signed_event_that_is_a_test(tmp_path):
    """It verifies, fits the published schema, and says that it is a test; it is a new one each time, and not logged."""
    async with answering() as receiver:
        installation = installed(tmp_path, pipeline=receiver.url)
        for _ in range(2):
            done = await installation.command("send-test", "pipeline")
            assert (done.returncode, done.stderr) == (0, "")
            assert done.stdout.startswith("pipeline: delivered in ")
            assert done.stdout.endswith(" ms\n")
    events = []
    for path, headers, body in receiver.got:
        assert path == PATH
        events.append(standardwebhooks.Webhook(SECRET).verify(body, headers))
        validator().validate(events[-1])
        assert (events[-1]["type"], events[-1]["data"]["test"]) == ("batch.completed", True)
        assert "there is no such job" in events[-1]["data"]["metadata"]["test"]
        assert events[-1]["id"] == headers["webhook-id"]
        assert events[-1]["id"].startswith("evt_test_")
    assert len({event["id"] for event in events}) == len({event["data"]["id"] for event in events}) == 2
    assert not installation.database.exists()


async def test_event_in_the_format_of_the_receiver(tmp_path):
    """A receiver of CloudEvents gets one that is signed and traced; `check` refuses a format that there is not, by its line."""
    async with answering() as receiver:
        installation = installed(tmp_path, pipeline=receiver.url)
        with installation.config.open("a") as config:
            config.write('format = "cloudevents"\n')
        done = await installation.command("send-test", "pipeline")
        assert (done.returncode, done.stderr) == (0, "")
    ((_, headers, body),) = receiver.got
    event = standardwebhooks.Webhook(SECRET).verify(body, headers)
    assert headers["content-type"] == "application/cloudevents+json"
    assert (event["specversion"], event["type"], event["data"]["data"]["test"]) == ("1.0", "batch.completed", True)
    assert headers["traceparent"].startswith("00-")
    installation.config.write_text(installation.config.read_text("utf-8").replace('"cloudevents"', '"xml"'), "utf-8")
    done = await installation.command("check")
    assert done.returncode == 2
    assert (
        "receivers[0].format: found 'xml', expected 'event' or 'thin' or 'cloudevents' or 'cloudevents-binary'" in done.stderr
    )


@pytest.mark.slow
async def test_event_of_another_type(tmp_path):
    """`--type` sends an event of that type, with what failed, though the receiver's filter would not let it through."""
    async with answering() as receiver:
        installation = installed(tmp_path, pipeline=receiver.url)
        for type_ in ("batch.failed", "receiver.failing"):
            done = await installation.command("send-test", "pipeline", "--type", type_)
            assert (done.returncode, done.stderr) == (0, "")
    failed, failing = (standardwebhooks.Webhook(SECRET).verify(body, headers) for _, headers, body in receiver.got)
    assert (failed["type"], failed["data"]["errors"][0]["message"]) == ("batch.failed", "this is a test")
    assert (failing["type"], failing["data"]["receiver"]) == ("receiver.failing", "test")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("status", "body", "headers", "said"),
    matrix(
        [
            (403, b"no entry\nfor anyone", {}, "refused with HTTP 403\n  it says: no entry\n"),
            (404, b"", {}, "refused with HTTP 404\n"),
            (404, f"nothing at {PATH}".encode(), {}, "[redacted]\n"),
            (400, b"\n \n\x1b[2Jbad \xff" + b"x" * 500, {}, "  it says: \ufffd[2Jbad \ufffd" + "x" * 191 + "\n"),
            (302, b"", {"location": "/login"}, "refused with HTTP 302: it redirects, and redirects are not followed\n"),
            (410, b"", {}, "refused with HTTP 410: the receiver wants no further deliveries, and would be disabled\n"),
            (429, b"", {"retry-after": "60"}, "refused with HTTP 429: it limits the rate of requests\n"),
            (503, b"<html>down</html>", {}, "failed with HTTP 503\n  it says: <html>down</html>\n"),
        ]
    ),
)
async def test_refusal_is_reported_in_plain_words(tmp_path, status, body, headers, said):
    """A refusal is shown with the answer's first line, without secrets or control characters; status 1."""
    async with answering(status, body, **headers) as receiver:
        done = await installed(tmp_path, pipeline=receiver.url).command("send-test", "pipeline")
    assert (done.returncode, done.stdout, len(receiver.got)) == (1, "", 1)
    assert done.stderr.startswith("pipeline: ")
    assert done.stderr.endswith(said)
    assert "canary" not in done.stderr


@pytest.mark.slow
async def test_success_is_reported_by_its_head(tmp_path):
    """A receiver that says 200 and then drops the connection within its body has taken the event."""
    async with loopback(sends(answer(b"taken, thank you")[:-5], keeps=False)) as receiver:
        done = await installed(tmp_path, pipeline=receiver.url).command("send-test", "pipeline")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("pipeline: delivered in ")


@pytest.mark.slow
async def test_wish_to_be_disabled_is_shown(tmp_path):
    """A receiver that takes the event and wishes no other is said to be one that would be disabled."""
    async with answering(200, b"", **{"webhook-delivery": "disable"}) as receiver:
        done = await installed(tmp_path, pipeline=receiver.url).command("send-test", "pipeline")
    assert done.returncode == 0
    assert done.stdout.endswith(", but with HTTP 200, webhook-delivery: disable: the receiver would be disabled\n")


@pytest.mark.slow
async def test_receiver_that_cannot_be_reached(tmp_path):
    """An unreachable receiver is reported with the reason, and without the URL."""
    done = await installed(tmp_path, pipeline="http://127.0.0.1:1").command("send-test", "pipeline")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("pipeline: could not be reached: the connection is refused: nothing listens there; ")


@pytest.mark.parametrize(
    ("receivers", "said"),
    matrix([({"pipeline": "http://x", "other": "http://y"}, "there are: pipeline, other"), ({}, "it has none at all")]),
)
async def test_receiver_that_there_is_not(tmp_path, receivers, said):
    """A name that the configuration does not have is status 2, with those that it has."""
    done = await installed(tmp_path, **receivers).command("send-test", "unknown")
    assert (done.returncode, done.stdout) == (2, "")
    assert f"no receiver 'unknown' in the configuration; {said}" in done.stderr


@pytest.mark.parametrize("way", matrix(["webhook", "bot"]))
async def test_slack_is_sent_a_message(tmp_path, way):
    """Either way into Slack gets one message about the test job, and Slack's error is shown."""
    async with answering(200, b'{"ok": true, "ts": "1.5", "channel": "C1"}') as slack:
        installation = installed(tmp_path)
        installation.environment |= {"SLACK_URL": slack.url + PATH, "SLACK_TOKEN": "xoxb-canary"}
        where = {
            "webhook": 'url = { env = "SLACK_URL" }',
            "bot": f'token = {{ env = "SLACK_TOKEN" }}\nchannel = "C1"\napi = "{slack.url}"',
        }[way]
        with installation.config.open("a") as config:
            config.write(f'[[receivers]]\nname = "team"\nkind = "slack"\n{where}\n')
        done = await installation.command("send-test", "team")
        assert (done.returncode, done.stderr) == (0, "")
        assert "test-" in json.dumps([json.loads(body) for _, _, body in slack.got])
        slack.status, slack.body = 404, b"no_service"
        refused = await installation.command("send-test", "team")
        assert (refused.returncode, "refused with HTTP 404" in refused.stderr) == (1, True)


async def test_service_of_apprise_is_sent_a_message(tmp_path):
    """`check` names the service and sends nothing; `send-test` sends to it, and says what it answers, without its token."""
    async with answering(200, b"{}") as gotify:
        installation = installed(tmp_path)
        installation.environment["APPRISE_URL"] = gotify.url.replace("http://", "gotify://") + "/tok3n-canary"
        with installation.config.open("a") as config:
            config.write('[[receivers]]\nname = "phone"\nkind = "apprise"\nurl = { env = "APPRISE_URL" }\n')
        checked = await installation.command("check")
        assert (checked.returncode, gotify.got) == (0, [])
        assert "receiver  phone (apprise: Gotify)\n" in checked.stdout
        done = await installation.command("send-test", "phone")
        assert (done.returncode, done.stderr) == (0, "")
        ((path, headers, body),) = gotify.got
        assert (path, headers["x-gotify-key"]) == ("/message", "tok3n-canary")
        assert json.loads(body)["title"] == "Batch completed: all 10 requests succeeded (mistral-small-latest)"
        gotify.status, gotify.body = 401, b"tok3n-canary is not known"
        refused = await installation.command("send-test", "phone")
    assert refused.returncode == 1
    assert "error=401" in refused.stderr
    assert "tok3n-canary" not in checked.stdout + checked.stderr + done.stdout + refused.stderr
