"""What is pinned, held to what pyproject.toml asks for; the bill of materials, held to what is pinned; and the workflows."""

import importlib.util
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
EXTRAS = PROJECT["project"]["optional-dependencies"]
TOOLS = [each for extra in EXTRAS.values() for each in extra if "batch-tracker" not in each]
LOCKS = {
    "deploy/requirements.txt": PROJECT["project"]["dependencies"],
    "deploy/postgres-requirements.txt": PROJECT["project"]["dependencies"] + EXTRAS["postgres"],
    "deploy/all-requirements.txt": PROJECT["project"]["dependencies"]
    + [each for extra in EXTRAS for each in EXTRAS[extra] if extra not in ("test", "dev")],
    "deploy/build-requirements.txt": PROJECT["build-system"]["requires"],
    "deploy/dev-requirements.txt": PROJECT["project"]["dependencies"] + TOOLS,
}
WORKFLOWS = sorted((ROOT / ".github" / "workflows").iterdir())
MAY_WRITE = {"release.yml": {"packages: write", "id-token: write", "contents: write"}}
INSTALLS = [ROOT / ".ci" / "run", ROOT / ".ci" / "package", ROOT / "deploy" / "Containerfile", *WORKFLOWS]


def pinned(lock):
    """Each pinned requirement by its name, and the hashes that it has."""
    text = re.sub(r"#.*", "", (ROOT / lock).read_text("utf-8")).replace("\\\n", " ")
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    found = {}
    for line in lines:
        requirement, *hashes = line.split(" --hash=")
        parsed = Requirement(requirement)
        name = canonicalize_name(parsed.name)
        assert name not in found or parsed.marker, "a second version is for other machines"
        if name not in found or parsed.marker.evaluate():
            found[name] = parsed, [each.strip() for each in hashes]
    return found


@pytest.mark.parametrize("lock", LOCKS)
def test_everything_is_pinned_to_one_version_with_hashes(lock):
    """Each line names one version and SHA-256 hashes, and no address of an index."""
    for requirement, hashes in pinned(lock).values():
        assert [each.operator for each in requirement.specifier] == ["=="]
        assert hashes
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes)
    assert "://" not in (ROOT / lock).read_text("utf-8")


@pytest.mark.parametrize("lock", LOCKS)
def test_what_is_asked_for_is_pinned_within_its_range(lock):
    """Each dependency of pyproject.toml is pinned, to a version that it allows."""
    pins = pinned(lock)
    for asked in map(Requirement, LOCKS[lock]):
        requirement, _ = pins[canonicalize_name(asked.name)]
        (pin,) = requirement.specifier
        assert asked.specifier.contains(pin.version), f"{requirement} is not what {asked} allows; deploy/lock regenerates it"


def test_replicas_get_what_every_other_daemon_gets():
    """The lock for PostgreSQL pins what the usual one does, to the same versions, and asyncpg."""
    usual, replicas = pinned("deploy/requirements.txt"), pinned("deploy/postgres-requirements.txt")
    assert replicas.keys() - usual.keys() == {"asyncpg"}
    assert {name: str(replicas[name][0]) for name in usual} == {name: str(one) for name, (one, _) in usual.items()}


def test_what_is_needed_by_what_is_pinned_is_pinned():
    """Whatever a pinned package requires here is pinned too, as far as just that version is installed."""
    pins = pinned("deploy/requirements.txt")
    needed = {canonicalize_name(Requirement(asked).name) for asked in PROJECT["project"]["dependencies"]}
    for name, (requirement, _) in pins.items():
        try:
            asked = list(map(Requirement, requires(name) or [])) if requirement.specifier.contains(version(name)) else []
        except PackageNotFoundError:
            continue  # for another Python, or another machine
        needed |= {canonicalize_name(each.name) for each in asked if each.marker is None or each.marker.evaluate({"extra": ""})}
    assert needed - pins.keys() == set()


def test_bill_of_materials_is_what_is_pinned():
    """deploy/sbom.json lists each pinned package with its version and hashes, and what each one needs, from the root on."""
    bill = json.loads((ROOT / "deploy" / "sbom.json").read_text("utf-8"))
    listed = {
        each["name"]: (each["version"], {f"sha256:{one['content']}" for one in each["externalReferences"][0]["hashes"]})
        for each in bill["components"]
    }
    pins = pinned("deploy/requirements.txt")
    assert listed == {name: (next(iter(one.specifier)).version, set(hashes)) for name, (one, hashes) in pins.items()}
    graph = {each["ref"]: set(each["dependsOn"]) for each in bill["dependencies"]}
    assert graph.keys() == {"batch-tracker", *(each["purl"] for each in bill["components"])}
    reached, left = set(), {"batch-tracker"}
    while left:
        reached |= left
        left = set().union(*(graph[ref] for ref in left)) - reached
    assert reached == graph.keys()
    asked = {canonicalize_name(Requirement(each).name) for each in PROJECT["project"]["dependencies"]}
    assert {ref.partition("/")[2].partition("@")[0] for ref in graph["batch-tracker"]} == asked


def test_bill_of_materials_is_made_the_same_again():
    """The documented command gives the very bytes that are there, whatever version of its tool is installed."""
    if importlib.util.find_spec("cyclonedx_py") is None and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip("cyclonedx-bom is not installed: pip install -e '.[dev]'")
    command = [sys.executable, ROOT / "deploy" / "sbom.py", "--check"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")


def test_audit_workflow_cannot_pass_without_an_audit():
    """The workflow runs the audit as its last step, with nothing that would make of its failure a success."""
    text = (ROOT / ".github" / "workflows" / "audit.yml").read_text("utf-8")
    assert text.rstrip().endswith("- run: .venv/bin/python deploy/audit")
    assert "schedule:" in text
    assert not re.search(r"continue-on-error|\|\||if:|\btrue\b", text)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_workflows_may_only_read_and_pin_what_they_use(workflow):
    """A workflow's token may read and no more, but for what a release needs; each action is named by its commit."""
    text = workflow.read_text("utf-8")
    assert "\npermissions:\n  contents: read\n" in text
    assert set(re.findall(r"^ +([a-z-]+: write\b)", text, re.MULTILINE)) == MAY_WRITE.get(workflow.name, set())
    assert re.findall(r"uses: (\S+)", text)
    own = "./.github/workflows/tests.yml"
    assert all(re.fullmatch(r"[\w/-]+@[0-9a-f]{40}", action) for action in re.findall(r"uses: (\S+)", text) if action != own)


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_no_workflow_leaves_its_token_to_what_it_runs(workflow):
    """Each checkout forgets the token that it was made with, before a test or a tool could read it."""
    steps = re.findall(r"- uses: actions/checkout@.*\n((?: {8,}.*\n)*)", workflow.read_text("utf-8"))
    assert len(steps) == workflow.read_text("utf-8").count("actions/checkout@") > 0
    assert all("persist-credentials: false" in step for step in steps)


@pytest.mark.parametrize("file", INSTALLS, ids=lambda path: path.name)
def test_nothing_is_installed_that_is_not_pinned(file):
    """What CI and the image install is held to the hashes in deploy/, but for this project, which brings nothing with it."""
    text = file.read_text("utf-8").replace("\\\n", " ")
    for command in re.findall(r"pip .*?install[^&#\n]*", text):
        assert "--require-hashes" in command or "--no-deps" in command, command
    assert not re.search(r"\b(npx|npm install|pipx|uvx|curl -)", text)


@pytest.mark.parametrize("status", [0, 1, 3])
def test_ci_claims_no_audit_that_was_none(tmp_path, status):
    """`.ci/run` goes on after an audit and, saying so, where none was possible; a vulnerability ends it."""
    script = (ROOT / ".ci" / "run").read_text("utf-8")
    step = script[script.index("audited=0") : script.index("export BATCH_TRACKER_CI")]
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    audit = tmp_path / ".venv" / "bin" / "python"
    audit.write_text(f"#!/bin/sh\nexit {status}\n")
    audit.chmod(0o755)
    done = subprocess.run(["bash", "-euc", f"{step}\necho on"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == (1 if status == 1 else 0)
    assert ("on" in done.stdout.splitlines()) is (status != 1)
    assert ("NOT AUDITED" in done.stdout) is (status == 3)
