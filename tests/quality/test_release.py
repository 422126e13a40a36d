"""A release, as far as it needs no hosting: which tag may be released, what comes before what, and who may write what."""

import importlib.util
import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[2]
WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "release.yml").read_text("utf-8"))
JOBS = WORKFLOW["jobs"]
CHANGELOG = "# Changelog\n\n## 1.2.0 (2026-11-29)\n\n### Added\n\n- It is new.\n\n## 1.1.0 (2026-10-01)\n\n- It was new.\n"


@pytest.fixture(scope="module")
def release():
    spec = importlib.util.spec_from_file_location("release", ROOT / ".github" / "release.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(("version", "text"), [("1.2.0", "### Added\n\n- It is new.\n"), ("1.1.0", "- It was new.\n")])
def test_notes_are_the_section_of_the_version(release, version, text):
    """A tag of the version, whose section has a date, is released with that section as its notes, and no other."""
    assert release.notes(f"v{version}", version, CHANGELOG) == text


@pytest.mark.parametrize(
    ("tag", "changelog", "error"),
    [
        ("v1.2.1", CHANGELOG, r"the tag is v1\.2\.1, expected v1\.2\.0"),
        ("1.2.0", CHANGELOG, r"the tag is 1\.2\.0, expected v1\.2\.0"),
        ("v1.2.0", CHANGELOG.replace("2026-11-29", "unreleased"), r"found .*\(unreleased\).*as YYYY-MM-DD"),
        ("v1.2.0", CHANGELOG.replace(" (2026-11-29)", ""), r"found .*expected the day of the release"),
        ("v1.2.0", CHANGELOG.replace("2026-11-29", "2026-11-31"), r"found .*\(2026-11-31\)"),
        ("v1.2.0", CHANGELOG.replace("2026-11-29", "20261129"), r"found .*\(20261129\)"),
        ("v1.2.0", CHANGELOG.replace("1.2.0", "1.2.01"), r"has no text for this version"),
        ("v1.2.0", CHANGELOG.replace("### Added\n\n- It is new.\n", ""), r"has no text for this version"),
    ],
)
def test_tag_of_no_dated_version_is_refused(release, tag, changelog, error):
    """Another version's tag is refused, and a version without a date or a text; the error says what is expected."""
    with pytest.raises(SystemExit, match=error):
        release.notes(tag, "1.2.0", changelog)


def before(job):
    """The jobs that must have passed before this one starts."""
    needed = set(JOBS[job].get("needs", ()))
    return needed.union(*(before(each) for each in needed))


def test_nothing_is_published_before_everything_was_tried():
    """Whatever may write waits for all tests and for the packages, whose job begins with the check of the tag."""
    writing = {name for name, job in JOBS.items() if "write" in job.get("permissions", {}).values()}
    assert writing == JOBS.keys() - {"tests", "package"}
    assert all(before(name) >= {"tests", "package"} for name in writing)
    assert JOBS["tests"]["uses"] == "./.github/workflows/tests.yml"
    commands = [step["run"] for step in JOBS["package"]["steps"] if "run" in step]
    assert '.github/release.py "$GITHUB_REF_NAME"' in commands[0]
    assert commands[-1] == ".ci/package packages"


def test_each_job_may_write_what_it_publishes_and_no_more():
    """The image job pushes packages, the index gets an identity and no password, and one job makes the release."""
    may = {name: {key for key, value in job.get("permissions", {}).items() if value == "write"} for name, job in JOBS.items()}
    assert may == {"tests": set(), "package": set(), "image": {"packages"}, "index": {"id-token"}, "release": {"contents"}}


def test_image_is_for_both_architectures_and_says_what_is_in_it():
    """The image is built for amd64 and arm64 from the file that is tried here, with a bill of materials and its provenance."""
    (build,) = (step["with"] for step in JOBS["image"]["steps"] if "docker/build-push-action" in step.get("uses", ""))
    assert build["platforms"].split(",") == ["linux/amd64", "linux/arm64"]
    assert (build["sbom"], build["provenance"], build["push"]) == (True, "mode=max", True)
    arguments = dict(line.split("=", 1) for line in build["build-args"].splitlines())
    containerfile = (ROOT / build["file"]).read_text("utf-8")
    assert set(arguments) <= set(re.findall(r"^ARG (\w+)=", containerfile, re.MULTILINE))
    assert (ROOT / "deploy" / arguments["REQUIREMENTS"]).exists()


@pytest.mark.parametrize("workflow", sorted((ROOT / ".github" / "workflows").iterdir()), ids=lambda path: path.name)
def test_workflow_names_no_host(workflow):
    """Where it is hosted is a setting of the repository: a workflow names no registry."""
    text = workflow.read_text("utf-8")
    assert re.findall(r"://|\b(?:ghcr|pypi|docker)\.(?:io|org|com)\b|repository-url", text) == []
