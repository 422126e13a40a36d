"""Silences over the API and the page: making one, listing them, and ending one."""

from html import unescape

import pytest
from job_changes import seen
from web_application import RECEIVERS, RIGHT, served_application

SCOPE = {"receivers": [RECEIVERS[0]], "webhooks": True}
ASKED = {"scope": SCOPE, "reason": "a <b>deployment</b>", "seconds": 3600}
LOGGED_IN = {"sec-fetch-site": "same-origin"}

FORM = LOGGED_IN | {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture
async def app(tmp_path):
    async with served_application(tmp_path / "tracker.db", token="right-token") as app:
        yield app


async def login(app):
    """From now on the client has a session, and no token."""
    answer = await app.client.post("/login", data={"token": "right-token", "next": "/"}, headers=LOGGED_IN)
    assert answer.status_code == 303


async def test_silence_over_the_api(app):
    """A silence is made, silences what is logged from then on, is listed, and ends once."""
    made = await app.post("/api/silences", json=ASKED, headers=RIGHT)
    assert made.status_code == 200
    silence = made.json()["silence"]
    assert [silence[name] for name in ("state", "reason", "scope", "created_by")] == ["active", ASKED["reason"], SCOPE, "api"]
    await app.store.record("one", [seen("job", account="one", status="SUCCESS")])
    (listed,) = (await app.get("/api/silences", headers=RIGHT)).json()["data"]
    assert listed == silence | {"silenced": 2}
    kept = (await app.get("/api/deliveries?state=silenced", headers=RIGHT)).json()["data"]
    assert {(each["receiver"], each["silence"]) for each in kept} == {(RECEIVERS[0], silence["id"])}
    path = f"/api/silences/{silence['id']}"
    assert (await app.client.delete(path, headers=RIGHT)).json() == {"lifted": True}
    assert (await app.client.delete(path, headers=RIGHT)).status_code == 404
    assert (await app.get("/api/silences", headers=RIGHT)).json()["data"] == []
    (ended,) = (await app.get("/api/silences?ended=5", headers=RIGHT)).json()["data"]
    assert (ended["state"], ended["silenced"]) == ("ended", 2)


@pytest.mark.parametrize(
    ("change", "status", "detail"),
    [
        (
            {"scope": {"receivers": ["pipelin"], "webhooks": True}},
            404,
            "found 'pipelin', which matches no receiver; did you mean",
        ),
        ({"scope": {"receivers": [RECEIVERS[0]]}}, 404, "a webhook, which a program reads; `webhooks` (--webhooks) silences"),
        ({"scope": {"modle": "x"}}, 422, "unknown field `modle`"),
        ({"seconds": 0}, 422, "`float` > 0.0"),
        ({"until": 5}, 409, "found both of seconds, until"),
        ({"seconds": None}, 409, "found neither of seconds, until"),
        ({"seconds": None, "until": 5}, 409, "expected an end after its start and after now"),
        ({"reason": ""}, 422, "length >= 1"),
        ({"reason": " \n"}, 422, "regex"),
    ],
)
async def test_mistakes_are_refused(app, change, status, detail):
    """What cannot be meant is refused with what was found and expected, and silences nothing."""
    refused = await app.post("/api/silences", json=ASKED | change, headers=RIGHT)
    assert refused.status_code == status
    assert detail in refused.json()["detail"]
    assert (await app.get("/api/silences", headers=RIGHT)).json()["data"] == []


async def test_changes_need_the_token(app):
    """Without the token nothing is silenced, and no silence ends."""
    assert (await app.post("/api/silences", json=ASKED)).status_code == 401
    assert (await app.client.delete("/api/silences/sil_1")).status_code == 401
    assert (await app.post("/silences", data={"reason": "r", "for": "60"})).status_code in (303, 401, 403)
    assert (await app.get("/api/silences", headers=RIGHT)).json()["data"] == []


async def test_page_silences_and_ends(app):
    """The form of the page makes a silence, which every page then names, escaped, and the button ends it."""
    await login(app)
    fields = {"receiver": RECEIVERS[0], "webhooks": "yes", "event": "batch.*", "account": "", "for": "900"}
    made = await app.post("/silences", data=fields | {"reason": ASKED["reason"]}, headers=LOGGED_IN)
    assert (made.status_code, made.headers["location"]) == (303, "/silences")
    ((silence,),) = [(await app.get("/api/silences", headers=RIGHT)).json()["data"]]
    assert silence["scope"] == {"events": ["batch.*"], **SCOPE}
    for path in ("/silences", "/events", "/receivers"):
        page = (await app.get(path)).text
        assert "a &lt;b&gt;deployment&lt;/b&gt;" in page, path
        assert "event batch.*, to " in page, path
    ended = await app.post(f"/silences/{silence['id']}/end", headers=FORM)
    assert ended.headers["location"] == "/silences?ended="
    page = (await app.get(ended.headers["location"])).text
    assert "The silence has ended" in page
    assert "Nothing is silenced" in page


LONG = "x" * 501


@pytest.mark.parametrize(
    ("fields", "mistake"),
    [
        ({"reason": " "}, "reason: found nothing, expected a text of 1 to 500 characters"),
        ({"reason": LONG}, "reason: found 501 characters, expected a text of 1 to 500 characters"),
        ({"for": ""}, "for: found nothing, expected a number of seconds, more than 0 and at most 31622400 (366 days)"),
        ({"for": "-1"}, "for: found '-1', expected a number of seconds"),
        ({"for": "soon"}, "for: found 'soon', expected a number of seconds"),
        ({"account": LONG}, "account: found 501 characters, expected a glob of at most 256 characters"),
        ({"model": LONG}, "model: found 501 characters, expected a glob of at most 256 characters"),
        ({"event": LONG}, "event: found 501 characters, expected a glob of at most 256 characters"),
        ({"receiver": LONG}, "receiver: found 501 characters, expected a glob of at most 256 characters"),
        ({"metadata": f"team={LONG}"}, "metadata: found 506 characters, expected a glob of at most 256 characters"),
        ({"metadata": "team"}, "metadata: found 'team', expected such as team=research"),
    ],
)
async def test_mistake_in_the_form_is_a_sentence_about_its_field(app, fields, mistake):
    """A form that says too little or too much makes nothing; the answer names the field as the form does."""
    await login(app)
    answer = await app.post("/silences", data={"reason": "r", "for": "60"} | fields, headers=LOGGED_IN)
    assert (answer.status_code, mistake in unescape(answer.text)) == (422, True)
    assert (await app.get("/api/silences", headers=RIGHT)).json()["data"] == []


async def test_another_method_is_answered_with_all_that_there_are(app):
    """The path has two routes: the answer has the methods of both."""
    refused = await app.client.put("/api/silences", headers=RIGHT)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET, HEAD, POST")
