"""What a bad answer of the API says in words, and what to do about it."""

import pytest

from tracker.core.errors.api_error_messages import explained, message_of, no_json

URL = "https://api.example"


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("", ""),
        ("no such key", "no such key"),
        ('{"message": "Unauthorized", "request_id": "x"}', "Unauthorized"),
        ('{"detail": "Unauthorized"}', "Unauthorized"),
        ('{"error": {"message": "Bad key", "type": "auth"}}', "Bad key"),
        ('{"object": "error", "message": {"detail": [{"type": "missing", "msg": "Field required"}]}}', "Field required"),
        ('{"message": "", "detail": "no\\n\\tkey"}', "no key"),
        ('{"code": 7}', '{"code": 7}'),
        ('{"message": ', '{"message":'),
        ("[[[[[[1]]]]]]", "[[[[[[1]]]]]]"),
        ("[" * 5000, "[" * 5000),
        ("<html><head><title> 502 Bad\n Gateway </title>", "an HTML page titled 502 Bad Gateway"),
        ("\ufeff <!DOCTYPE html>", "an HTML page"),
    ],
)  # fmt: skip
def test_message_of_a_body(body, message):
    """Of JSON the message where APIs put it, of HTML the title, of anything else the text, on one line."""
    assert message_of(body) == message


@pytest.mark.parametrize(
    ("status", "listing", "location", "detail"),
    [
        (401, True, "", "HTTP 401: No.; the key is not accepted: check `api_key`"),
        (402, True, "", "HTTP 402: No.; batch is not enabled for the key's workspace: enable it, or check `api_key`"),
        (
            403,
            True,
            "",
            "HTTP 403: No.; the key may not do this: check `api_key`, and whether a gateway wants a header (`headers`)",
        ),
        (404, True, "", f"HTTP 404: No.; there is no batch API at {URL}: check `base_url`, to which /v1/batch/jobs is added"),
        (404, False, "", "HTTP 404: No."),
        (
            301,
            True,
            "https://b/",
            f"HTTP 301: No.; it leads to https://b/, which is not followed: is `base_url` {URL} the API's?",
        ),
        (304, True, "", "HTTP 304: No."),
        (500, True, "", "HTTP 500: No."),
    ],
)
def test_detail_says_what_to_do(status, listing, location, detail):
    """A wrong key, a workspace without batch, a wrong URL and a redirect say what to check; other errors say what they say."""
    assert explained(status, "No.", URL, list_path="/v1/batch/jobs" if listing else None, location=location) == detail


def test_detail_without_a_message():
    """An empty body is passed over."""
    assert explained(500, "", URL, list_path="/v1/batch/jobs") == "HTTP 500"


def test_page_instead_of_json():
    """Only what is HTML is said to be."""
    assert no_json("<html>", URL) == f"expected JSON, found an HTML page; is `base_url` {URL} the API's, or a web site's?"
    assert no_json('{"data": []}', URL) is None
