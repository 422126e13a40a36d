"""What is published, as far as it can be tried here: built, installed where nothing else is, and run."""

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from kubernetes_objects import FOLDER, oracle

ROOT = Path(__file__).parents[2]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("packages"), pytest.mark.timeout(300)]


GUIDE = (ROOT / "deploy" / "README.md").read_text("utf-8")
PLATFORMS = {machine: [f"manylinux_2_{minor}_{machine}" for minor in range(17, 42)] for machine in ("x86_64", "aarch64")}
"""Of wheels that run on the image's Debian 13, whose libc is 2.41."""


@pytest.fixture(scope="module")
def packages(tmp_path_factory):
    """The folder of what is published, by the command of the release: it builds it and tries each in a bare environment."""
    for module in ("build", "twine", "helm_python"):
        oracle(module, module)
    folder = tmp_path_factory.mktemp("packages")
    run(ROOT / ".ci" / "package", folder, environment={"PYTHON": sys.executable})
    return folder


@pytest.fixture(scope="module")
def dist(packages):
    return packages / "dist"


@pytest.fixture(scope="module")
def wheel(dist):
    (found,) = dist.glob("*.whl")
    return found


@pytest.fixture
def home(tmp_path):
    """The environment of a person who has nothing yet."""
    return {"HOME": str(tmp_path), "XDG_STATE_HOME": str(tmp_path / "state"), "PIPX_HOME": str(tmp_path / "pipx")}


def commands(heading):
    """The lines of the first block below this heading of deploy/README.md: five at most."""
    (section,) = re.findall(rf"^### {heading}\n(.*?)^##", GUIDE, re.MULTILINE | re.DOTALL)
    lines = [line.strip() for line in re.search(r"(?:^ {4}.+\n)+", section, re.MULTILINE)[0].splitlines()]
    assert 1 <= len(lines) <= 5
    return lines


def plain_name(name):
    """As pip compares names of packages."""
    return re.sub(r"[-_.]+", "-", name).lower()


def run(*command, environment=None, **options):
    ours = ("COV_", "PYTEST_", "SSL_CERT_")  # the last ones know the authority of the tests alone
    known = {name: value for name, value in os.environ.items() if not name.startswith(ours)} | {"UV_SYSTEM_CERTS": "true"}
    done = subprocess.run(
        command, env=known | (environment or {}), capture_output=True, text=True, check=False, timeout=280, **options
    )
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout


def test_packages_have_each_file_and_no_other(dist, wheel):
    """Wheel and source distribution have what git has of `tracker`, whatever its suffix; the wheel has the guides besides."""
    listed = run("git", "-c", "safe.directory=*", "ls-files", "tracker", cwd=ROOT).splitlines()
    with zipfile.ZipFile(wheel) as opened:
        packed = {name for name in opened.namelist() if ".dist-info/" not in name}
    guides = {name for name in packed if name.startswith("tracker/web/docs/guides/")}
    assert packed - guides == set(listed)
    assert guides
    (source,) = dist.glob("*.tar.gz")
    with tarfile.open(source) as opened:
        names = {name.partition("/")[2] for name in opened.getnames()}
    assert {name for name in names if name.startswith("tracker/") and Path(name).suffix} >= set(listed)


def test_packaged_chart_is_the_chart(packages):
    """The archive of the chart is of this version and has its values, its templates and the rules."""
    helm = oracle("helm_python", "helm-python-sdk")
    version = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["version"]
    with (
        helm.Chart.load(packages / "chart" / f"batch-tracker-{version}.tgz") as packed,
        helm.Chart.load(FOLDER / "chart") as chart,
    ):
        assert (packed.values, packed.templates, packed.files) == (chart.values, chart.templates, chart.files)


def test_demo_by_uvx(wheel, home):
    """The one line for a look runs, but that the package is the wheel that was built, and the demo ends by itself."""
    (line,) = commands("uvx")
    assert line == "uvx batch-tracker demo"
    uvx = Path(sys.executable).with_name("uvx")
    said = run(uvx, "--python", sys.executable, "--from", wheel, *line.split()[1:], "--duration", "5s", environment=home)
    assert "batch.completed" in said


def test_commands_for_pipx(wheel, home):
    """The lines for pipx install the command for a person and check the key, for which the vendor's API would be needed."""
    install, export, check, start = commands("pipx")
    bin_folder = Path(home["HOME"], "bin")
    person = home | {"PIPX_BIN_DIR": str(bin_folder), "PIPX_DEFAULT_PYTHON": sys.executable}
    program, *arguments = install.split()
    assert (program, arguments) == ("pipx", ["install", "batch-tracker"])
    run(sys.executable, "-m", "pipx", "install", wheel, environment=person)
    assert export == "export MISTRAL_API_KEY=…"
    known = person | {"MISTRAL_API_KEY": "canary-key-3141"}
    assert check.split() == ["batch-tracker", "check", "--online"]
    assert "account   default" in run(bin_folder / "batch-tracker", "check", environment=known)
    run(bin_folder / "batch-tracker", *start.split()[1:], "--help", environment=known)


def test_commands_for_pip(wheel, home, tmp_path):
    """The lines for pip make an environment with what is pinned and the package, whose command checks its configuration."""
    folder = tmp_path / "opt"
    lines = [line.replace("/opt/batch-tracker", str(folder)) for line in commands("pip")]
    for line in lines[:2]:
        run("bash", "-euc", line.replace("python3 ", f"{sys.executable} ", 1), cwd=ROOT, environment=home)
    install = lines[2].split()
    assert install[-1] == "."
    run(*install[:-1], wheel, environment=home)
    checked = run(*lines[3].split()[:-1], environment=home | {"MISTRAL_API_KEY": "canary-key-3141"})
    assert "account   default" in checked


@pytest.mark.parametrize("machine", PLATFORMS)
def test_image_can_be_built_for_both_architectures(tmp_path, machine):
    """Each package that the released image pins has a wheel for the architecture, with a hash that is pinned."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--quiet", "--ignore-installed", f"--target={tmp_path}"]
    command += ["--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version=3.13", "--implementation=cp"]
    command += ["--abi=cp313", "--abi=abi3", "--abi=none", *(f"--platform={each}" for each in PLATFORMS[machine])]
    pins, report = ROOT / "deploy" / "all-requirements.txt", tmp_path / "report.json"
    run(*command, f"--report={report}", "-r", pins)
    found = [(each["metadata"], each["download_info"]) for each in json.loads(report.read_text("utf-8"))["install"]]
    assert {plain_name(metadata["name"]) for metadata, _ in found} == {
        plain_name(name) for name in re.findall(r"^([\w.-]+)==", pins.read_text("utf-8"), re.MULTILINE)
    }
    assert {info["url"].rpartition(".")[2] for _, info in found} == {"whl"}
    assert [info["url"] for _, info in found if info["archive_info"]["hashes"]["sha256"] not in pins.read_text("utf-8")] == []
