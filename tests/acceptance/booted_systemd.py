"""Owns a machine whose systemd is booted for the tests: a container over this one's files, which leaves them as they are."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import uuid
from contextlib import ExitStack, contextmanager
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

REPOSITORY = Path(__file__).parents[2]
PROGRAMS = ("systemd-nspawn", "nsenter", "mount", "umount", "curl")
PREFIX = "opt/batch-tracker"
CLONE = "/opt/clone"
"""Where the machine has the files of the repository that a guide names: the path that they have here may be hidden in there."""


def why_not():
    """Why no systemd can be booted here; None where it can."""
    missing = [name for name in (*PROGRAMS, "/usr/bin/python3") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} missing: apt-get install systemd-container curl python3"
    return None if os.geteuid() == 0 else "only root can boot a container"


class Machine:
    """A booted systemd; `root` is its file system, seen from outside."""

    def __init__(self, root, leader):
        self.root = root
        self._enter = ["nsenter", "--target", str(leader), "--all", "--wd=/"]

    def run(self, *command, check=True, seconds=60):
        environment = {"PATH": "/usr/sbin:/usr/bin", "LANG": "C.UTF-8"}
        done = subprocess.run(
            [*self._enter, *command], env=environment, capture_output=True, text=True, check=False, timeout=seconds
        )
        assert done.returncode == 0 or not check, f"{command}: {done.stdout}{done.stderr}"
        return done

    def write(self, path, text, mode=0o644):
        file = self.root / path.lstrip("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        file.chmod(mode)
        return file

    def show(self, unit, *properties):
        """The properties of a unit, in the order asked for."""
        output = self.run("systemctl", "show", unit, *(f"--property={name}" for name in properties)).stdout
        found = dict(line.split("=", 1) for line in output.splitlines())
        return [found[name] for name in properties]

    def journal(self, unit):
        """What the journal has of a unit: an entry a line, as priority and text."""
        output = self.run("journalctl", f"--unit={unit}", "--output=json", "--boot", "--no-pager").stdout
        entries = [json.loads(line) for line in output.splitlines()]
        return [(int(entry["PRIORITY"]), entry["MESSAGE"]) for entry in entries if isinstance(entry["MESSAGE"], str)]

    def wait_until(self, true, seconds=60):
        """Look until something is as it should be; what it then is."""
        deadline = time.monotonic() + seconds
        while not (found := true()):
            assert time.monotonic() < deadline, f"still {found!r} after {seconds} s"
            time.sleep(0.05)
        return found


@contextmanager
def booted(folder):
    """A machine with batch-tracker in /opt, as deploy/README.md has it installed."""
    with ExitStack() as stack:
        root = _file_system(stack, folder)
        _install(root / PREFIX)
        shutil.copytree(REPOSITORY / "deploy", root / CLONE.lstrip("/") / "deploy")
        (root / "etc/machine-id").write_text(f"{uuid.uuid4().hex}\n")
        yield Machine(root, _boot(stack, folder, root))


def _file_system(stack, folder):
    """The files of this machine; what the container writes over them stays in memory."""
    memory, root = folder / "memory", folder / "root"
    memory.mkdir()
    root.mkdir()
    _mount(stack, memory, "-t", "tmpfs", "tmpfs")
    (memory / "upper").mkdir()
    (memory / "work").mkdir()
    layers = f"lowerdir=/,upperdir={memory / 'upper'},workdir={memory / 'work'}"
    _mount(stack, root, "-t", "overlay", "overlay", "-o", layers)
    return root


def _mount(stack, where, *what):
    subprocess.run(["mount", *what, str(where)], check=True)
    stack.callback(subprocess.run, ["umount", "--lazy", str(where)], check=True)


def _boot(stack, folder, root):
    """Boot, and return the process that is number 1 inside once its systemd is up."""
    address = folder / "notify"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notified, (folder / "console").open("w") as console:
        notified.bind(str(address))
        notified.settimeout(60)
        process = subprocess.Popen(
            ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--private-network", "--link-journal=no",
             f"--machine=bt-{os.getpid()}", f"--directory={root}", "--notify-ready=yes", "--console=pipe", "--boot",
             "--", "systemd.unit=basic.target"],
            stdin=subprocess.DEVNULL, stdout=console, stderr=console, env={**os.environ, "NOTIFY_SOCKET": str(address)},
        )  # fmt: skip
        stack.callback(process.wait)
        stack.callback(process.kill)
        leader = None
        while True:
            fields = dict(line.partition("=")[::2] for line in notified.recv(8192).decode().splitlines())
            if "X_NSPAWN_LEADER_PID" in fields:
                leader = int(fields["X_NSPAWN_LEADER_PID"])
                stack.callback(os.kill, leader, signal.SIGKILL)  # or it would outlive who started it, and all that it runs
            if fields.get("READY") == "1":
                return leader


def _install(prefix):
    """An environment of Debian's Python, with what is installed in this one: under /root ProtectHome would hide it."""
    subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", str(prefix)], check=True)
    (packages,) = prefix.glob("lib/python3*/site-packages")
    ours = f"python{sys.version_info[0]}.{sys.version_info[1]}"
    if packages.parent.name == ours:
        for distribution in _needed():
            _copy(distribution, packages)
        shutil.copytree(REPOSITORY / "tracker", packages / "tracker", ignore=shutil.ignore_patterns("__pycache__"))
    else:  # what is compiled for one Python is of no use to another
        subprocess.run([sys.executable, "-m", "pip", "--python", str(prefix), "install", "-q", str(REPOSITORY)], check=True)
    script = prefix / "bin/batch-tracker"
    script.write_text("#!/opt/batch-tracker/bin/python3\nfrom tracker.cli import main\nmain()\n")
    script.chmod(0o755)


def _needed():
    """What batch-tracker needs to run, and what that needs."""
    found, wanted = {}, ["batch-tracker"]
    while wanted:
        distribution = metadata.distribution(wanted.pop())
        name = distribution.metadata["Name"].lower()
        if name in found:
            continue
        found[name] = distribution
        requirements = map(Requirement, distribution.requires or ())
        wanted += [each.name for each in requirements if not each.marker or each.marker.evaluate({"extra": ""})]
    return [distribution for name, distribution in found.items() if name != "batch-tracker"]


def _copy(distribution, packages):
    for file in distribution.files:
        if ".." not in file.parts and file.suffix != ".pyc":
            target = packages / file
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file.locate(), target)
