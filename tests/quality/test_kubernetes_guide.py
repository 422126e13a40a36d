"""The guide of deploy/kubernetes: its commands do what it says, by the real kubectl where no cluster is needed."""

import re
import subprocess
from base64 import b64decode
from pathlib import Path

import pytest
import yaml
from kubernetes_objects import FOLDER, chart_values, keys_in, kubectl, kustomized, one

from tracker.cli import COMMANDS
from tracker.daemon.load_configuration import load

ROOT = FOLDER.parents[1]
GUIDE = (FOLDER / "README.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^## ([^\n]+)\n(.*?)(?=^## |\Z)", GUIDE, re.MULTILINE | re.DOTALL))


@pytest.mark.parametrize(
    ("storage", "sections"), [("sqlite", ["One pod"]), ("postgres", ["One pod", "Replicas on PostgreSQL"])]
)
def test_configuration_is_valid_with_the_documented_secret(tmp_path, storage, sections):
    """The product reads each ConfigMap, given no more than the keys of the Secret that the guide makes."""
    (text,) = one(kustomized(storage), "ConfigMap")["data"].values()
    (tmp_path / "tracker.toml").write_text(text)
    keys = re.findall(r"\b([A-Z][A-Z_]+)=", "".join(SECTIONS[name] for name in sections))
    environment = dict.fromkeys(keys, "canary-of-sixteen-letters") | {"STATE_DIRECTORY": str(tmp_path)}
    if "DATABASE_URL" in keys:
        environment["DATABASE_URL"] = "postgresql://writer@db.example.com/tracker?sslmode=verify-full"
    config = load(tmp_path / "tracker.toml", environment)
    assert config.http.token is not None
    assert [account.name for account in config.accounts] == ["default"]


def blocks(section):
    """The commands of each block of a section."""
    found = re.findall(r"(?:^ {4}.+\n)+", SECTIONS[section], re.MULTILINE)
    return [[line.strip() for line in block.splitlines()] for block in found]


@pytest.mark.parametrize("section", ["One pod", "Replicas on PostgreSQL", "Helm"])
def test_each_way_takes_five_commands(section):
    """The guide's first block of each way is all that it takes, in at most five lines."""
    assert 1 <= len(blocks(section)[0]) <= 5


def test_documented_secret_is_what_kubectl_makes(tmp_path):
    """The guide's own lines write the file and make the Secret of it, by the real kubectl, whose answer has both keys."""
    written, made = (line for line in blocks("One pod")[0] if "secret" in line and "create namespace" not in line)
    command = f"{written}\n{made} --dry-run=client --output=yaml"
    environment = {"PATH": f"{Path(kubectl()).parent}:/usr/bin:/bin", "HOME": str(tmp_path)}
    done = subprocess.run(
        ["bash", "-euc", command], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True, timeout=60
    )
    secret = yaml.safe_load(done.stdout)
    assert (secret["metadata"]["name"], secret["metadata"]["namespace"]) == ("batch-tracker", "batch-tracker")
    assert {key: len(b64decode(value)) for key, value in secret["data"].items()}["BATCH_TRACKER_TOKEN"] == 64
    assert secret["data"].keys() == {"MISTRAL_API_KEY", "BATCH_TRACKER_TOKEN"}
    assert (tmp_path / "secret.env").stat().st_mode & 0o077 == 0


def test_commands_of_the_guide_name_what_there_is():
    """Each folder that the guide applies is a kustomization, each object that it asks for exists, and our commands are ours."""
    lines = [line for section in SECTIONS for block in blocks(section) for line in block]
    applied = {path for line in lines for path in re.findall(r"apply -k (\S+)", line)}
    assert {path.rpartition("/")[2] for path in applied} == {"sqlite", "postgres", "migrate"}
    assert all((ROOT / path / "kustomization.yaml").is_file() for path in applied)
    objects = kustomized("sqlite") + kustomized("postgres") + kustomized("migrate")
    made = {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in objects}
    asked = set(re.findall(r"\b((?:statefulset|deployment|service|job)/[a-z-]+)", GUIDE))
    assert asked == {
        "statefulset/batch-tracker",
        "deployment/batch-tracker",
        "service/batch-tracker",
        "job/batch-tracker-migrate",
    }
    assert asked <= made
    assert set(re.findall(r"-- batch-tracker (\w+)", GUIDE)) <= set(COMMANDS)
    values = set(re.findall(r"--set(?:-file)? ([\w.]+)=", GUIDE)) | {"postgres.migrate.enabled"}
    assert {tuple(each.split(".")) for each in values} <= keys_in(chart_values())
