"""Owns a machine that is read-only but for a fresh state directory, and a user without rights on it: what a container gets."""

import os
import subprocess

import anyio
import pytest
from containerfile import ROOT

READ_ONLY = """
set -eu
mount -t tmpfs -o mode=755 none /mnt
mkdir /mnt/state /mnt/etc
chown 10001:10001 /mnt/state
cp -a "$CONFIG" /mnt/etc/
while read -r _ _ _ _ mounted _; do
  case $mounted in /proc*|/dev*|/sys*) ;; *) mount -o remount,bind,ro "$mounted" 2>/dev/null || : ;; esac
done </proc/self/mountinfo
mount -t tmpfs none /mnt/state
chown "$STATE_OWNER" /mnt/state
chmod "$STATE_MODE" /mnt/state
! touch /tmp/written 2>/dev/null
! touch "$PROJECT/written" 2>/dev/null
eval "$AS_ROOT"
cd /mnt/state
trap 'kill $(jobs -p) 2>/dev/null || :' EXIT
setpriv --reuid=10001 --regid=10001 --clear-groups --no-new-privs \
  --inh-caps=-all,+dac_read_search --ambient-caps=+dac_read_search -- bash -c "$AS_USER"
"""
"""All of the machine read-only but a fresh state directory; the capability is for a Python that only root may run."""


async def run_as_user(script, *, config, environment, state=("10001:10001", "1777"), as_root=":", network=False):
    """What the script, run as user 10001 in /mnt/state, said; `config` is copied to /mnt/etc, `state` is its owner and mode.

    With `network=False` the machine's network is its own too, with nothing but loopback; `as_root` is run before the script.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can make a machine read-only")
    variables = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PROJECT": str(ROOT),
        "CONFIG": str(config),
        "STATE_OWNER": state[0],
        "STATE_MODE": state[1],
        "AS_ROOT": as_root,
        "AS_USER": script,
        "STATE_DIRECTORY": "/mnt/state",
    }
    apart = [] if network else ["--net"]
    command = ["unshare", "--mount", *apart, "--propagation", "private", "bash", "-c", READ_ONLY]
    with anyio.fail_after(90):
        done = await anyio.run_process(command, env=variables | environment, check=False)
    return subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(), done.stderr.decode())
