"""Signing, against the vectors that others published, and what may be a secret."""

import traceback
from base64 import b64decode, b64encode

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from hypothesis import given
from hypothesis import strategies as st

from tracker.core.deliveries.signing import parse_secret, signature_headers

SVIX = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
SEED = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
PUBLIC = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
"""The first key pair of RFC 8032, section 7.1."""


def secret(key, prefix="whsec_"):
    return prefix + b64encode(key).decode()


def keys(*secrets):
    return [parse_secret(each) for each in secrets]


def test_shared_secret_signs_as_published():
    """The vector that the libraries of Standard Webhooks are tested with comes out to the letter."""
    assert signature_headers(keys(SVIX), "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, b'{"test": 2432232314}') == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("private", [SEED, SEED + PUBLIC], ids=["seed", "seed-and-public"])
def test_private_key_is_the_one_of_the_rfc(private):
    """Written either way, a private key has the public key that RFC 8032 gives for it, which verifies what it signs."""
    (key,) = keys(secret(private, "whsk_"))
    assert key.public == secret(PUBLIC, "whpk_")
    version, _, signature = signature_headers([key], "evt_1", 7, b"{}")["webhook-signature"].partition(",")
    assert version == "v1a"
    verifier = Ed25519PublicKey.from_public_bytes(PUBLIC)
    verifier.verify(b64decode(signature), b"evt_1.7.{}")
    with pytest.raises(InvalidSignature):
        verifier.verify(b64decode(signature), b"evt_1.8.{}")


def test_shared_secret_has_no_public_key():
    """There is nothing to hand out of a shared secret."""
    assert parse_secret(SVIX).public is None


def test_every_key_signs_in_its_order():
    """The list of signatures has one for each key, in the order of the keys, separated by one space."""
    given = (secret(bytes(32)), secret(SEED, "whsk_"), SVIX)
    alone = [signature_headers(keys(each), "evt_1", 7, b"{}")["webhook-signature"] for each in given]
    assert signature_headers(keys(*given), "evt_1", 7, b"{}")["webhook-signature"] == " ".join(alone)
    assert len({*alone}) == 3


def test_without_a_key_there_is_no_signature():
    """A receiver without a secret still gets the ID and the time."""
    assert signature_headers([], "evt_1", 7, b"{}") == {"webhook-id": "evt_1", "webhook-timestamp": "7"}


@pytest.mark.parametrize("prefix", ["whsec_", "whsk_"])
@given(body=st.binary(), other=st.binary(), at=st.integers(0, 2**40))
def test_bytes_are_signed_as_they_are(prefix, body, other, at):
    """Any bytes at all can be signed; the same ones give the same signature, others another."""
    key = keys(secret(SEED, prefix))
    sign = [signature_headers(key, "evt_1", at, each)["webhook-signature"] for each in (body, body, other)]
    assert sign[0] == sign[1]
    assert (sign[0] == sign[2]) == (body == other)


@pytest.mark.parametrize("size", [24, 25, 32, 63, 64])
def test_shared_secret_may_have_from_24_to_64_bytes(size):
    """Both ends of what the standard allows are accepted, and what is between them."""
    (key,) = keys(secret(bytes(range(size))))
    assert key.sign(b"").startswith("v1,")


@pytest.mark.parametrize(
    "wrong",
    [
        "",
        "canary-7f3a",
        SVIX.removeprefix("whsec_"),
        SVIX.upper(),
        " " + SVIX,
        "whsec_",
        secret(bytes(23)),
        secret(bytes(65)),
        secret(bytes(32)).rstrip("="),
        secret(bytes(32)) + "=",
        secret(bytes(32)) + "\n",
        "whsec_" + "é" * 40,
        "whsec_" + "-_" * 20,
        "whsk_",
        secret(SEED[:31], "whsk_"),
        secret(SEED + PUBLIC[:1], "whsk_"),
        secret(SEED + SEED, "whsk_"),
        secret(PUBLIC, "whpk_"),
    ],
)
def test_wrong_secret_is_reported_without_showing_it(wrong):
    """What is no secret of Standard Webhooks is refused; the message says what is expected, and no traceback holds it."""
    with pytest.raises(ValueError, match=r"^expected whsec_ and padded base64 of 24 to 64 bytes, or whsk_ ") as refused:
        parse_secret(wrong)
    reported = "".join(traceback.format_exception(refused.value))
    assert len(wrong) <= len("whsec_") or wrong not in reported
    assert refused.value.__context__ is None


@pytest.mark.parametrize("text", [SVIX, secret(SEED, "whsk_")])
def test_key_shows_nothing_of_its_secret(text):
    """A key that ends up in a log line or a message is no leak."""
    (key,) = keys(text)
    assert {repr(key), str(key), f"{key}", repr([key])} == {"SigningKey(…)", "[SigningKey(…)]"}
    assert not hasattr(key, "__dict__")
