"""`deploy/audit`: it passes when everything was audited and nothing was found, and in no other case."""

import importlib.util
import json
import os
import sys
from pathlib import Path

import anyio
import pytest
from matrix import matrix
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tracker.server.embedded import open_server

AUDIT = Path(__file__).parents[2] / "deploy" / "audit"
LOCK = """\
idna==3.20 \\
    --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000
sniffio==1.3.1 ; sys_platform != 'win32' \\
    --hash=sha256:0000000000000000000000000000000000000000000000000000000000000000
    # via httpx
"""
ADVISORY = {
    "id": "PYSEC-2026-1",
    "summary": "made up",
    "details": "made up",
    "published": "2026-01-01T00:00:00Z",
    "modified": "2026-01-01T00:00:00Z",
    "affected": [
        {
            "package": {"name": "idna", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.21"}]}],
            "versions": ["3.20"],
        }
    ],
}


@pytest.fixture(autouse=True)
def _has_its_tool():
    if importlib.util.find_spec("pip_audit") is None and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip("pip-audit is not installed: pip install -e '.[dev]'")


@pytest.fixture
def lock(tmp_path):
    path = tmp_path / "lock.txt"
    path.write_text(LOCK)
    return path


async def audited(lock, *arguments, **environment):
    """The exit status, and all that was said."""
    with anyio.fail_after(60):
        done = await anyio.run_process(
            [sys.executable, str(AUDIT), "--lock", str(lock), *arguments], check=False, env={**os.environ, **environment}
        )
    return done.returncode, (done.stdout + done.stderr).decode()


def service(answers):
    """A stand-in for the vulnerability service, which knows these packages: their advisories, or the status of its failure."""

    async def app(scope, receive, send):
        asked = await Request(scope, receive).json()
        known = answers.get(asked["package"]["name"], 500)
        answer = Response(status_code=known) if isinstance(known, int) else JSONResponse({"vulns": known} if known else {})
        await answer(scope, receive, send)

    return open_server(app, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("answers", "status", "said"),
    matrix(
        [
            ({"idna": [], "sniffio": []}, 0, ["2 pinned packages audited, none has a known vulnerability"]),
            (
                {"idna": [ADVISORY], "sniffio": []},
                1,
                ["VULNERABLE: idna 3.20: PYSEC-2026-1, fixed in 3.21", "1 vulnerabilities"],
            ),
            ({"idna": [], "sniffio": 503}, 3, ["NOT AUDITED"]),
            ({"idna": 400, "sniffio": 400}, 3, ["NOT AUDITED"]),
        ]
    ),
    ids=["clean", "vulnerable", "half", "nothing"],
)
async def test_what_the_service_says_decides(lock, answers, status, said):
    """Only a service that answers for each package makes it pass; one advisory makes it fail."""
    async with service(answers) as address:
        ended, output = await audited(lock, "-s", "osv", "--osv-url", f"{address.url}/v1/query")
    assert (ended, [words for words in said if words not in output]) == (status, []), output


@pytest.mark.slow
async def test_a_service_that_cannot_be_reached_is_no_audit(lock):
    """An unreachable service is reported, with a status of its own."""
    ended, output = await audited(lock, "-s", "osv", "--osv-url", "http://127.0.0.1:1/v1/query")
    assert ended == 3
    assert output.startswith("NOT AUDITED: none of 2 pinned packages: pip-audit ended with status 1")


RECORDED = {
    "skipped": [
        {"name": "idna", "version": "3.20", "vulns": []},
        {"name": "sniffio", "skip_reason": "Dependency not found on PyPI and could not be audited: sniffio (1.3.1)"},
    ],
    "left out": [{"name": "idna", "version": "3.20", "vulns": []}],
    "another version": [{"name": "idna", "version": "3.20", "vulns": []}, {"name": "sniffio", "version": "1.3.0", "vulns": []}],
    "nothing": [],
}


@pytest.mark.parametrize("recorded", RECORDED.values(), ids=RECORDED)
async def test_what_pip_audit_skips_is_no_audit(lock, tmp_path, recorded):
    """pip-audit ends with 0 where it left a package out, for whatever reason; the audit does not."""
    (tmp_path / "pip_audit.py").write_text(f"print({json.dumps(json.dumps({'dependencies': recorded, 'fixes': []}))})")
    ended, output = await audited(lock, PYTHONPATH=str(tmp_path))
    assert (ended, "NOT AUDITED: sniffio 1.3.1: " in output) == (3, True), output
    assert "none has a known" not in output


@pytest.mark.parametrize("said", matrix(["", "null", "[]", "{}", "No known vulnerabilities found"]))
async def test_what_cannot_be_read_is_no_audit(lock, tmp_path, said):
    """An answer of pip-audit that is not its JSON is no audit, though it ends with 0."""
    (tmp_path / "pip_audit.py").write_text(f"print({said!r})")
    assert (await audited(lock, PYTHONPATH=str(tmp_path)))[0] == 3


async def test_a_lock_that_pins_nothing_is_no_audit(tmp_path):
    """An empty lock, or one that is not a lock, does not pass for want of vulnerabilities."""
    (tmp_path / "lock.txt").write_text("# nothing\n")
    (tmp_path / "pip_audit.py").write_text('print(\'{"dependencies": [], "fixes": []}\')')
    assert (await audited(tmp_path / "lock.txt", PYTHONPATH=str(tmp_path)))[0] == 3
