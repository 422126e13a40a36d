"""The headers that an API key is sent in, vendor by vendor."""

import pytest

from tracker.providers.vendor_registry import VENDORS


@pytest.mark.parametrize(
    ("vendor", "key", "headers"),
    [
        ("mistral", "K", {"authorization": "Bearer K"}),
        ("openai", "K", {"authorization": "Bearer K"}),
        ("openai", "", {}),  # a header of the account holds it, as at Azure
        ("gemini", "K", {"x-goog-api-key": "K"}),
        ("anthropic", "K", {"x-api-key": "K", "anthropic-version": "2023-06-01"}),
    ],
)
def test_key_is_sent_as_the_vendor_expects_it(vendor, key, headers):
    """Each vendor gets its own header, and none where the account's own headers hold the key."""
    assert VENDORS[vendor].key_headers(key) == headers
