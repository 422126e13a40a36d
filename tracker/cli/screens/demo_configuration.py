"""Owns the configuration of the demo: a file with which every command works in another terminal."""

import json
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tracker.core.events.event_type_table import END_TYPES

SECRET: Final = "whsec_" + b64encode(b"the demo keeps no secrets").decode()
"""The secret of the receivers."""

_EVENTS: Final = json.dumps([*END_TYPES, "receiver.*"])
_RETRY: Final = json.dumps(["1s"] * 60)

_CONFIGURATION: Final = """\
[storage]
path = "{directory}/tracker.db"

[http]
listen = "127.0.0.1:0"

[results]
archive = "{directory}/results"
min_free = "0B"

"""

_ACCOUNT: Final = """
[[accounts]]
name = "{provider}"
provider = "{provider}"
api_key = {{ file = "{directory}/api-key" }}
base_url = "{url}"
poll_interval = "500ms"
progress_every = "2s"
requests_per_second = 20
backfill = "1h"
"""

_RECEIVER: Final = """
[[receivers]]
name = "{name}"
kind = "webhook"
url = "{url}"
secret = {{ file = "{directory}/secret" }}
events = {events}
retry = {retry}
"""


def write_demo_configuration(directory: Path, apis: Mapping[str, str], receivers: Mapping[str, str]) -> Path:
    """Write the configuration and its secrets into `directory`; returns its path.

    `apis` are the URLs of the simulated APIs by the vendors' names, `receivers` are URLs by the receivers' names.
    """
    text = _CONFIGURATION.format(directory=directory)
    for provider, url in apis.items():
        text += _ACCOUNT.format(directory=directory, provider=provider, url=url)
    for name, url in receivers.items():
        text += _RECEIVER.format(directory=directory, name=name, url=url, events=_EVENTS, retry=_RETRY)
    _write_private(directory / "api-key", "demo")
    _write_private(directory / "secret", SECRET)
    return _write_private(directory / "demo.toml", text)


def _write_private(file: Path, text: str) -> Path:
    file.touch(0o600)
    file.write_text(text, encoding="utf-8")
    return file
