"""A configuration that is anything but one, to the real command: an error that names it, in bounded memory."""

import resource
import subprocess

import pytest
from matrix import matrix
from tracking import COMMAND

MEMORY = 1 << 30
"""Bytes of address space that the command may have; what reads without an end needs more."""

MISTAKEN = b"""
[[accounts]]
name = "a\\u0000"
api_key = { file = "/dev/zero" }
poll_interval = "%s"
timeout_hours = -1e999
%s = 1
""" % (b"9" * 100_000, b"x" * 100_000)


def checked(path):
    """What `check` says of the file; it has to end, and well short of `MEMORY`."""

    def bounded():
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))

    command = [*COMMAND, "--config", str(path), "check"]
    environment = {"MISTRAL_API_KEY": "canary-key", "HOME": "/nowhere"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, preexec_fn=bounded)
    assert "canary" not in done.stdout + done.stderr
    return done


@pytest.mark.parametrize(
    ("content", "expected"),
    matrix(
        [
            (
                MISTAKEN,
                [
                    "accounts[0].'xxx",
                    "accounts[0].name: found 'a\\x00', ",
                    "accounts[0].api_key: the file /dev/zero holds something else (not shown), ",
                    "accounts[0].poll_interval: found '999",
                    "accounts[0].timeout_hours: found -inf, ",
                ],
            ),
            ("/dev/zero", ["expected at most 1048576 bytes, found more"]),
            (b"a = " + b"[" * 500_000, ["not TOML: nested too deeply"]),
            (b'path = "\xed\xa0\x80"', [":1:9: expected UTF-8, found another byte"]),
        ],
        default=2,
    ),
    ids=["every value", "endless", "deep", "half a surrogate pair"],
)
def test_whatever_stands_in_the_file(tmp_path, content, expected):
    """Exit status 2 and short lines that say where and what is wrong, whatever the size and shape of it."""
    path = tmp_path / "tracker.toml"
    if isinstance(content, str):
        path.symlink_to(content)
    else:
        path.write_bytes(content)
    done = checked(path)
    assert done.returncode == 2
    assert [text for text in expected if text not in done.stderr] == []
    assert max(map(len, done.stderr.splitlines())) < 500
