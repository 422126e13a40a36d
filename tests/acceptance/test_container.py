"""The container image as far as it can be proved without an engine: its file, its build steps, and the command in it."""

import json
import os
import shlex
import shutil
import subprocess
import sys
from fnmatch import fnmatchcase

import pytest
from containerfile import ROOT, arguments_of, stages
from read_only_machine import run_as_user
from tracking import COMMAND, Installation, simulated

AS_USER = """
set -u
id -u
"$@" run 2>log & daemon=$!
until healthy=$("$@" {health} 2>&1); do kill -0 $daemon || {{ cat log; exit 1; }}; sleep 0.2; done
echo "$healthy"
kill -{stop} $daemon; wait $daemon; echo "ended with $?"
"$@" {health}; echo "then $?"
grep -c '"level": "error"' log
find / -xdev -user 10001 -newer /mnt/etc/tracker.toml -not -path '/proc/*' -not -path '/mnt/state/*' 2>/dev/null
ls
"""


@pytest.fixture(scope="module")
def image():
    """The stage that becomes the image."""
    return stages()[-1]


def test_it_runs_as_any_user(image):
    """The user is a number that no machine knows, the state directory its own, and the state is a volume."""
    (user,), (volume,), (state,) = arguments_of(image, "USER"), arguments_of(image, "VOLUME"), arguments_of(image, "WORKDIR")
    assert (user, volume) == ("10001:10001", state)
    (made,) = arguments_of(image, "RUN")
    assert f"install -d -o 10001 -g 10001 -m 0700 {state}" in made
    assert any(f"STATE_DIRECTORY={state}" in each for each in arguments_of(image, "ENV"))


@pytest.mark.slow
async def test_what_it_starts_is_a_command(image, tmp_path):
    """Entry point, command and health check are lists, so that signals arrive, and the real command knows them."""
    entry, command = json.loads(arguments_of(image, "ENTRYPOINT")[0]), json.loads(arguments_of(image, "CMD")[0])
    health = json.loads(arguments_of(image, "HEALTHCHECK")[0].partition(" CMD ")[2])
    assert (entry, health[0]) == (["batch-tracker"], "batch-tracker")
    assert arguments_of(image, "STOPSIGNAL") == ["SIGTERM"]
    installation = Installation(tmp_path, "http://127.0.0.1:1")
    for arguments in (command, health[1:]):
        assert (await installation.command(*arguments, "--help")).returncode == 0


def test_it_copies_what_there_is_and_nothing_secret():
    """What is copied exists and is let through by .dockerignore, which keeps all else out; no ENV or ARG is a secret."""
    lines = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    let_through = [line[1:] for line in lines if line.startswith("!")]
    assert "*" in lines
    for stage in stages():
        for copied in arguments_of(stage, "COPY"):
            if "--from=" not in copied:
                for source in copied.split()[:-1]:
                    assert (ROOT / source).exists()
                    assert any(fnmatchcase(source, allowed) or source.startswith(f"{allowed}/") for allowed in let_through), (
                        source
                    )
        for each in [*arguments_of(stage, "ENV"), *arguments_of(stage, "ARG")]:
            assert not any(word in each.upper() for word in ("KEY", "TOKEN", "SECRET", "PASSWORD")), each


@pytest.mark.long
@pytest.mark.timeout(300)
def test_its_build_steps_build_it(tmp_path):
    """Run one by one, the steps of the build stage give an environment that has just what is pinned, and the command."""
    venv, folder = tmp_path / "opt", tmp_path
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "base"], check=True, timeout=120)
    environment = {
        **os.environ,
        "PATH": f"{tmp_path / 'base' / 'bin'}:{os.environ['PATH']}",
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    }
    for name, arguments in stages()[0]:
        if name == "WORKDIR":
            folder = tmp_path / arguments.strip("/")
            folder.mkdir()
        elif name == "COPY":
            *sources, target = arguments.split()
            for source in sources:
                _copy(ROOT / source, folder / target if target != "./" else folder, is_directory=target.endswith("/"))
        elif name == "ARG":
            argument, _, default = arguments.partition("=")
            environment[argument] = default
        elif name == "RUN":
            step = arguments.replace("/opt/batch-tracker", str(venv))
            done = subprocess.run(
                ["sh", "-euc", step], cwd=folder, env=environment, capture_output=True, text=True, timeout=240, check=False
            )
            assert done.returncode == 0, f"{step}\n{done.stderr}"
    listed = subprocess.run(
        [tmp_path / "base/bin/pip", "--python", venv, "list", "--format=json"], capture_output=True, check=True
    )
    names = {each["name"].lower().replace("_", "-") for each in json.loads(listed.stdout)}
    pinned = {line.partition("==")[0] for line in (ROOT / "deploy/requirements.txt").read_text().splitlines() if "==" in line}
    assert names == {"batch-tracker", *(name for name in pinned if not name.startswith(" "))}
    version = subprocess.run([venv / "bin/batch-tracker", "--version"], capture_output=True, text=True, check=True, cwd="/")
    assert version.stdout.startswith("batch-tracker, version ")


def _copy(source, target, *, is_directory):
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"), dirs_exist_ok=True)
    else:
        if is_directory:
            target.mkdir(exist_ok=True, parents=True)
        shutil.copy(source, target)


@pytest.mark.slow
async def test_it_lives_on_a_read_only_root(image, tmp_path):
    """As another user, where only the state can be written, the image's own configuration runs, is healthy and stops."""
    health = json.loads(arguments_of(image, "HEALTHCHECK")[0].partition(" CMD ")[2])[1:]
    async with simulated(jobs=5, api_keys=("canary-key",)) as simulator:
        settings = (ROOT / "deploy" / "container.toml").read_text("utf-8")
        assert 'listen = "0.0.0.0:9471"' in settings
        (tmp_path / "tracker.toml").write_text(settings.replace(":9471", ":0") + f'base_url = "{simulator.url}"\n')
        script = AS_USER.format(health=shlex.join(health), stop=arguments_of(image, "STOPSIGNAL")[0])
        command = shlex.join([*COMMAND, "--config", "/mnt/etc/tracker.toml"])
        environment = {"MISTRAL_API_KEY": "canary-key", "BATCH_TRACKER_TOKEN": "canary-token-1618"}
        done = await run_as_user(
            f"set -- {command}\n{script}", config=tmp_path / "tracker.toml", environment=environment, network=True
        )
    database = "/mnt/state/tracker.db"
    assert done.stdout.splitlines() == [
        "10001",
        f"{database}: its daemon is running",
        "ended with 0",
        "then 1",
        "0",
        *["log", "tracker.db", "tracker.db.lock"],
    ], done.stderr
    assert done.stderr == f"{database}: no daemon answers for it\n"
