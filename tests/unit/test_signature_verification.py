"""Verifying what a vendor signed: the official library signs, and every forgery is refused."""

from base64 import b64encode
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from tracker.core.deliveries.signature_verification import MOST_SIGNATURES, TOLERANCE, Rejection, SignatureHeaders
from tracker.core.deliveries.signing import parse_secret

NOW = 1_795_500_000
SECRET, OTHER, THIRD = ("whsec_" + b64encode(bytes([each]) * 32).decode() for each in (1, 2, 3))
BODY = b'{"type":"batch.completed","data":{"id":"batch_1"}}'


def signed(secret=SECRET, body=BODY, at=NOW, message_id="msg_1"):
    """The headers as the official library makes them."""
    signature = Webhook(secret).sign(message_id, datetime.fromtimestamp(at, UTC), body.decode())
    return SignatureHeaders(message_id, str(at), signature)


def accepts(headers, *secrets, body=BODY, now=NOW):
    return headers.rejection(now) is None and headers.is_signed_by(map(parse_secret, secrets or (SECRET,)), body)


@given(body=st.text(max_size=500), message_id=st.from_regex(r"[A-Za-z0-9_-]{1,40}", fullmatch=True))
def test_what_the_official_library_signs_is_accepted(body, message_id):
    """Any body and any id verify with the secret that signed them, and with no other one."""
    headers = signed(body=body.encode(), message_id=message_id)
    assert accepts(headers, body=body.encode())
    assert not accepts(headers, OTHER, body=body.encode())


def test_either_secret_of_a_rotation_is_accepted():
    """Both secrets are accepted while one replaces the other, and so is a message with both signatures."""
    assert all(accepts(signed(secret), OTHER, SECRET) for secret in (OTHER, SECRET))
    both = " ".join(signed(secret).signature for secret in (THIRD, SECRET))
    assert accepts(SignatureHeaders("msg_1", str(NOW), both))


@pytest.mark.parametrize(
    "changed",
    [
        {"id": "msg_2"},
        {"timestamp": str(NOW + 1)},
        {"timestamp": f"0{NOW}"},
        {"signature": "v1,"},
        {"signature": "v1a,AAAA v2,AAAA"},
        {"signature": "ä"},
        {"signature": signed(OTHER).signature},
        {"signature": signed().signature[:-2]},
        {"signature": signed().signature.removeprefix("v1,")},
        {"signature": " ".join(["v1,AAAA"] * MOST_SIGNATURES + [signed().signature])},
    ],
    ids=str,
)
def test_what_was_changed_is_refused(changed):
    """The id, the time, and the signature with its version are part of what is signed, or are compared whole."""
    right = signed()
    headers = SignatureHeaders(**{"id": right.id, "timestamp": right.timestamp, "signature": right.signature} | changed)
    assert not accepts(headers)


def test_another_body_is_refused():
    """One byte more or another one is another message."""
    assert not accepts(signed(), body=BODY + b" ")
    assert not accepts(signed(), body=BODY.replace(b"1", b"2"))


@pytest.mark.parametrize("away", [-TOLERANCE, TOLERANCE])
def test_old_and_early_messages_are_refused(away):
    """Five minutes are the most that a message may be old, or ahead."""
    assert accepts(signed(at=NOW + away))
    beyond = signed(at=NOW + away + (1 if away > 0 else -1))
    assert beyond.rejection(NOW) is Rejection.TIMESTAMP


@pytest.mark.parametrize("timestamp", ["-1", "1e9", "1795500000.0", "٣", "9" * 5000, " 1795500000", "now"])
def test_a_timestamp_is_whole_seconds(timestamp):
    """Anything else is refused before anything is computed."""
    assert SignatureHeaders("msg_1", timestamp, "v1,AAAA").rejection(NOW) is Rejection.TIMESTAMP


@pytest.mark.parametrize("missing", ["id", "timestamp", "signature"])
def test_a_message_without_one_of_the_headers_is_unsigned(missing):
    """All three are needed."""
    parts = {"id": "msg_1", "timestamp": str(NOW), "signature": "v1,AAAA"} | {missing: ""}
    assert SignatureHeaders(**parts).rejection(NOW) is Rejection.UNSIGNED
