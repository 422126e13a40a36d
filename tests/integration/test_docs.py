"""The documentation under /docs: every guide and the reference of the API, over the real application."""

import json
import re
import shlex
import subprocess
import sys
from html import unescape
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from jsonschema import Draft202012Validator
from web_application import RIGHT, TOKEN, served_application

from tracker.core.events.event_type_table import TYPES
from tracker.web.docs import guides
from tracker.web.docs.api_reference import operations
from tracker.web.docs.examples import Examples
from tracker.web.docs.guides import Guides
from tracker.web.public_url import PublicUrl

ROOT = Path(__file__).parents[2]
GUIDES = Guides()


def links(html):
    return {
        unescape(href) for href in re.findall(r'<a [^>]*href="([^"]+)"', html.partition("<article")[2].partition("</main>")[0])
    }


def anchors(html):
    return set(re.findall(r' id="([^"]+)"', html))


async def test_every_link_leads_somewhere(tmp_path):
    """Each guide is a page, and each link in it names a page of the daemon and a heading of that page, below the base path."""
    prefix = "/team/tracker"
    async with served_application(tmp_path / "tracker.db", public_url=PublicUrl(base_path=prefix)) as app:
        pages = {"/docs": "", "/docs/api": ""} | {f"/docs/{name}": "" for name in GUIDES.by_name}
        for path in pages:
            answer = await app.get(prefix + path)
            assert answer.status_code == 200
            pages[path] = answer.text
        files = {path for html in pages.values() for path in links(html) if path.startswith(f"{prefix}/docs/files/")}
        assert {path.removeprefix(f"{prefix}/docs/files/") for path in files} >= {"config/tracker.toml"}
        for path in files:
            assert (await app.get(path)).status_code == 200
    for here, html in pages.items():
        for link in links(html) - files:
            parts = urlsplit(link)
            if parts.scheme or parts.path == f"{prefix}/api/openapi.json":
                continue
            assert parts.path.removeprefix(prefix) in {*pages, ""}, (here, link)
            target = pages[parts.path.removeprefix(prefix) or here]
            assert not parts.fragment or parts.fragment in anchors(target), (here, link)


async def test_documentation_is_read_by_whoever_may_read_the_pages(tmp_path):
    """Where reading needs a token, /docs does; it has the security headers; without a database it is still there."""
    async with served_application(tmp_path / "tracker.db", token=TOKEN) as app:
        for path in ("/docs", "/docs/api", "/docs/start", "/docs/files/config/tracker.toml"):
            refused, shown = await app.get(path), await app.get(path, headers=RIGHT)
            assert (refused.status_code, shown.status_code) == (401, 200)
            assert "script-src 'self'" in shown.headers["content-security-policy"]
            assert not re.search(r"<script(?![^>]* src=)|<style| style=| on\w+=", shown.text)


@pytest.mark.parametrize("path", ["/docs/nothing", "/docs/files/config/../../pyproject.toml", "/docs/files/pyproject.toml"])
async def test_what_no_guide_names_is_not_served(tmp_path, path):
    """An unknown guide, and a file that no guide names, are not found."""
    async with served_application(tmp_path / "tracker.db") as app:
        assert (await app.get(path)).status_code == 404


async def test_events_stand_with_real_payloads(tmp_path):
    """The guide has each event type with a payload, as the repository's document has it."""
    async with served_application(tmp_path / "tracker.db") as app:
        html = (await app.get("/docs/events")).text
    payloads = [json.loads(unescape(found)) for found in re.findall(r"<code>(\{ ?&#34;id&#34;.*?)</code>", html, re.DOTALL)]
    assert {each["type"] for each in payloads} == {*TYPES}


def access_of(path, security):
    """What a request needs, by the OpenAPI document: one without a token is allowed where {} is among the alternatives."""
    if path in {"/healthz", "/readyz"}:
        return "needs no token"
    if security == [{}]:
        return "needs a signature"
    return "needs the token where reading needs one" if {} in security else "always needs the token"


async def test_reference_has_every_route_with_its_parameters(tmp_path):
    """Each operation of the OpenAPI document is on the page: its path, parameters, answers, and a command to copy."""
    async with served_application(tmp_path / "tracker.db") as app:
        document, page = (await app.get("/api/openapi.json")).json(), (await app.get("/docs/api")).text
    text = " ".join(unescape(re.sub(r"<[^>]*>", " ", page)).split())
    found = {(each.method, each.path): each for each in operations(document)}
    for path, method, described in described_operations(document):
        shown = found.pop((method, path))
        assert f"{method} {path}" in text
        assert " ".join(shown.command.split()) in text
        assert [each.name for each in shown.parameters] == [each["name"] for each in described["parameters"]]
        assert all(each.about for each in shown.parameters), "each is explained"
        assert shown.access == access_of(path, described["security"])
        assert {each.status for each in shown.answers} | {each[:3] for each in shown.problems} == {*described["responses"]}
    assert not found


async def test_examples_of_the_reference_are_true(tmp_path):
    """The example of each answer, and the body of each command, is what the OpenAPI document says it is."""
    async with served_application(tmp_path / "tracker.db") as app:
        document = (await app.get("/api/openapi.json")).json()
    examples, tried = Examples(document["components"]["schemas"]), 0
    commands = {(each.method, each.path): each.command for each in operations(document)}
    for path, method, described in described_operations(document):
        for answer in described["responses"].values():
            if schema := answer.get("content", {}).get("application/json", {}).get("schema"):
                tried += 1
                assert mistakes(document, schema, examples.of(schema)) == []
        if "requestBody" in described:
            sent = json.loads(re.search(r" -d '(.*?)' ", commands[method, path])[1])
            assert mistakes(document, described["requestBody"]["content"]["application/json"]["schema"], sent) == []
    assert tried > 15


def described_operations(document):
    """Each path, method and operation of the document."""
    for path, methods in document["paths"].items():
        for method, described in methods.items():
            yield path, method.upper(), described


def mistakes(document, schema, value):
    """What is wrong with the value by the schema, and where."""
    whole = {**schema, "components": document["components"]}
    return [(error.message, *error.absolute_path) for error in Draft202012Validator(whole).iter_errors(value)]


async def test_commands_of_the_reference_are_accepted(tmp_path):
    """Each command is a request that its route takes: what it names may be unknown here, and nothing else is wrong with it."""
    statuses = {}
    async with served_application(tmp_path / "tracker.db", token=TOKEN) as app:
        document = (await app.get("/api/openapi.json", headers=RIGHT)).json()
        for each in operations(document):
            command = shlex.split(each.command.replace("\\\n", " "))
            headers = dict(value.split(": ") for flag, value in pairwise(command) if flag == "-H")
            headers["Authorization"] = headers.get("Authorization", "").replace("$TOKEN", TOKEN)
            body = next((value.replace("default", "one") for flag, value in pairwise(command) if flag == "-d"), None)
            if each.path != "/api/stream":  # it never ends
                answer = await app.client.request(each.method, urlsplit(command[-1]).path, headers=headers, content=body)
                statuses[each.method, each.path] = answer.status_code
    assert len(statuses) > 20
    assert {way: status for way, status in statuses.items() if status not in (200, 204, 404, 409, 503)} == {}


async def test_installation_without_the_documents_says_so(tmp_path, monkeypatch):
    """Where the package was copied without them, a guide is not found, and the answer says why; the reference is there."""
    monkeypatch.setattr(guides, "_CHECKOUT", tmp_path)
    async with served_application(tmp_path / "tracker.db") as app:
        missing, index, api = [await app.get(path) for path in ("/docs/start", "/docs", "/docs/api")]
    assert (missing.status_code, index.status_code, api.status_code) == (404, 200, 200)
    assert "this installation has no README.md" in missing.text


def test_daemon_starts_without_the_parser_of_markdown():
    """Loading the application does not load it: it takes as long as a tenth of the start."""
    program = "import sys, tracker.web.app; sys.exit('markdown_it' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0
