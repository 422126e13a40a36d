"""Writes what the product knows into config/README.md and tracker/schemas/README.md; with --check says whether it is there.

A document keeps its prose. What is generated stands between two comments, `begin` and `end`. The configuration's keys and
their types come from the parser's own messages, defaults and explanations from config/tracker.toml; the events' payloads are
those of a simulated workspace, or of `send-test` where that has none of the type.
"""

import re
import sys
import tempfile
import tomllib
from collections.abc import Iterator
from pathlib import Path
from textwrap import wrap
from typing import Any, Final, NamedTuple

from payloads import WIDTH, payload, payload_of

from tracker.core.errors.config_error import ConfigError
from tracker.daemon.load_configuration import load
from tracker.schemas import definitions, event_schema

ROOT: Final = Path(__file__).parents[1]
REFERENCE: Final = ROOT / "config" / "tracker.toml"

ENVIRONMENT: Final = {"HOME": "/home/you", "MISTRAL_API_KEY": "k" * 32}
MINIMAL: Final = {
    "accounts": '[[accounts]]\nname = "default"\napi_key = { env = "MISTRAL_API_KEY" }\n',
    "prices": '[[prices]]\nmodel = "*"\ncurrency = "EUR"\ninput = 1\noutput = 2\n',
    "maintenance": '[[maintenance]]\nname = "w"\ndays = ["sat"]\nstart = "00:00"\nend = "01:00"\n',
    "receivers": '[[receivers]]\nname = "r"\nkind = "webhook"\nurl = "https://example.com"\n',
}
PROBES: Final = ('"99999999d"', '"99999999TB"', "true", "2")
"""Values that are wrong for one key or another; what the parser says of them says what is right."""

TEXTS: Final = tomllib.loads((ROOT / ".github" / "documents.toml").read_text("utf-8"))


TYPES_OF_FIELDS: Final = {
    "outcome": "On `batch.completed`. ",
    "eta": "On `batch.progress`. ",
    "files": "On `batch.archived` and `batch.results_gone`. ",
    "reminder": "On the reminders of `batch.stalled`, `account.unreachable` and `receiver.failing`. ",
    **dict.fromkeys(("digest", "usage", "cost"), "On `batch.archived`. "),
}
"""The types of events that have a field which not all have."""


class Key(NamedTuple):
    """A key of the configuration as the reference explains it; `default` is TOML, or words, or None where it is required."""

    section: str
    name: str
    text: str
    value: str
    default: str | None
    is_value: bool

    @property
    def path(self) -> str:
        return f"{self.section}.{self.name}"

    @property
    def example(self) -> str:
        example: str = TEXTS["examples"].get(self.path, f"{self.name} = {self.value}")
        return example


def main() -> None:
    """Write the documents, or with --check end with status 1 where one is not what would be written."""
    stale = {path: made for path, made in documents() if path.read_text("utf-8") != made}
    if stale and "--check" in sys.argv:
        names = ", ".join(str(path.relative_to(ROOT)) for path in stale)
        sys.exit(f"{names}: not what the product says; `python .github/documents.py` writes it")
    for path, made in stale.items():
        path.write_text(made, "utf-8")


def documents() -> Iterator[tuple[Path, str]]:
    """Each document and what it should be."""
    path = ROOT / "config" / "README.md"
    yield path, filled(path.read_text("utf-8"), "keys", "\n\n".join([key_index(), *map(key_entry, keys())]))
    path = ROOT / "tracker" / "schemas" / "README.md"
    text = filled(path.read_text("utf-8"), "fields", _fields())
    text = filled(text, "types", _types())
    yield path, filled(text, "events", "\n\n".join(map(event_entry, definitions())))


def filled(document: str, name: str, content: str) -> str:
    """The document with new content between the comments of this name."""
    pattern = rf"(<!-- begin {name}[^>]*-->\n).*?(\n<!-- end {name} -->)"
    made, count = re.subn(pattern, lambda found: f"{found[1]}\n{content}\n{found[2]}", document, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"no place for {name}")
    return made


def keys() -> Iterator[Key]:
    """Each key that the reference explains, in its order; where it stands twice, the first."""
    section, comment, seen = "", [], set()
    for line in REFERENCE.read_text("utf-8").splitlines():
        if header := re.fullmatch(r"#?\[+([a-z]+)\]+", line):
            section, comment = header[1], []
        elif entry := re.fullmatch(r"#?([a-z_]+) = (.+)", line):
            if comment and (section, entry[1]) not in seen:
                seen.add((section, entry[1]))
                yield _key(section, entry[1], entry[2], "\n".join(comment))
            comment = []
        elif line.startswith("#"):
            comment.append(line[1:].removeprefix(" "))
        else:
            comment = []


def _key(section: str, name: str, value: str, comment: str) -> Key:
    """What the comment says, without its last sentences about the default and the example."""
    found = re.search(r"\b(?:Default: (?P<default>.*)|(?P<required>Required.*))$", comment, re.DOTALL)
    text = comment[: found.start()] if found else comment
    text = re.sub(r"\s*This is an example\.\s*$", "", text).strip()
    if not found:
        return Key(section, name, text, value, value, is_value=True)
    if found["required"]:
        required = re.sub(r";? ?[Tt]his is an\s+example\.", "", " ".join(found["required"].split()))
        return Key(section, name, f"{text}\n{_sentence(required)}", value, None, is_value=False)
    default = re.sub(r" This is an\s+example\.", "", " ".join(found["default"].split())).rstrip(".")
    default = default.replace("the path below", f"`{value.strip(chr(34))}`")
    return Key(section, name, text, value, default, is_value=False)


def _sentence(text: str) -> str:
    return "" if text in ("Required", "Required.") else text.strip()


def key_index() -> str:
    """A table of the sections and links to the entries of their keys."""
    sections: dict[str, list[str]] = {}
    for key in keys():
        sections.setdefault(key.section, []).append(f"[`{key.name}`](#{key.section}{key.name})")
    rows = (f"| `{section}` | {' · '.join(links)} |" for section, links in sections.items())
    return "\n".join(["| section | keys |", "|---|---|", *rows])


def key_entry(key: Key) -> str:
    """The entry of a key: its type and default, what it does, and an example."""
    type_ = re.sub(r"\{ .*? \}", r"`\g<0>`", expected(key))
    default = "Required." if key.default is None else f"Default: {f'`{key.default}`' if key.is_value else key.default}."
    facts = "\n".join(_wrapped(f"{type_[0].upper()}{type_[1:]}. {default}"))
    return f"### `{key.path}`\n\n{facts}\n\n{_prose(key.text)}\n\n```toml\n{key.example}\n```"


def _wrapped(text: str) -> list[str]:
    return wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def _prose(comment: str) -> str:
    """The comment as paragraphs; what is indented there is code."""
    parts = re.split(r"\n?((?:^ {2,}.*$\n?)+)", comment.strip(), flags=re.MULTILINE)
    shaped = ("    " + part.strip() if part.startswith("  ") else "\n".join(_wrapped(part)) for part in parts)
    return "\n\n".join(part for part in shaped if part.strip())


def expected(key: Key) -> str:
    """What the parser says that it expects for this key."""
    found = [found for probe in PROBES for found in re.findall(r"expected (.+)", mistakes(key, probe)) if found]
    ranges = [each for each in found if " from " in each]
    text = (ranges or found or ["a string"])[0]
    return re.sub(r",? printable and not empty$", "", re.sub(r", such as .*", "", text))


def mistakes(key: Key, value: str) -> str:
    """What the parser says of a configuration in which the key has this value; only what is about this key."""
    text = configuration(key.section, key.name, f"{key.name} = {value}")
    return "\n".join(line for line in problems(text).splitlines() if re.search(rf"\.{key.name}: ", line))


def configuration(section: str, name: str, line: str) -> str:
    """A whole configuration with this line in this section, and besides only what is required."""
    wanted = MINIMAL.get(section, f"[{section}]\n")
    kept = "\n".join(each for each in wanted.splitlines() if not each.startswith(f"{name} ="))
    before = "" if section == "accounts" else MINIMAL["accounts"]
    return f"{before}{kept}\n{line}\n"


def problems(text: str) -> str:
    """Every mistake that the parser finds in the configuration, one a line."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tracker.toml"
        path.write_text(text, "utf-8")
        try:
            load(str(path), ENVIRONMENT)
        except ConfigError as error:
            return str(error)
    return ""


def accepted(section: str) -> set[str]:
    """The keys that the parser accepts in this section; of "" the sections."""
    odd = "zzzzzzzz"
    found = problems(configuration(section, odd, f"{odd} = 1") if section else f"{MINIMAL['accounts']}[{odd}]\n")
    (names,) = re.findall(rf"{odd}: unknown key, expected one of (.+)", found)
    return set(names.split(", "))


def event_entry(type_: str) -> str:
    """The entry of an event type: when it happens, what to do with it, and its payload."""
    schema = event_schema(type_)
    described = _wrapped(f"{schema['description']} **What to do:** {TEXTS['actions'][type_]}")
    name = definitions()[type_]
    return "\n".join(
        [f"### `{type_}`", "", *described, "", f"Schema: `{name}`.", "", "```json", payload(payload_of(type_)), "```"]
    )


def _fields() -> str:
    """A table of what every event has, and of what some have."""
    schema = event_schema()["$defs"]
    rows = {}
    for name in map(definitions().get, ("batch.completed", "batch.progress", "batch.archived", "batch.stalled")):
        for field, about in schema[name]["properties"].items():
            target = schema[about["$ref"].rpartition("/")[2]] if "$ref" in about else about
            rows.setdefault(field, _cell(field, about, target))
    rows["data"] = "What the event is about: the job as observed, or the state of an account or a receiver."
    rows["changes"] += " Empty on events that are about no change."
    return "\n".join(["| field | |", "|---|---|", *(f"| `{field}` | {text} |" for field, text in rows.items())])


def _cell(field: str, about: dict[str, Any], target: dict[str, Any]) -> str:
    if field == "type":
        return "One of the types below."
    only = TYPES_OF_FIELDS.get(field, "")
    if "const" in about:
        return f'Always `"{about["const"]}"`.'
    values = f" One of {', '.join(f'`{each}`' for each in target['enum'])}." if "enum" in target else ""
    return f"{only}{_code(target['description'])}{values}"


def _code(text: str) -> str:
    """The text with what is JSON in it as code."""
    return re.sub(r"\{.*?\}", r"`\g<0>`", text)


def _types() -> str:
    """A table of the event types."""
    rows = (f"| [`{type_}`](#{type_.replace('.', '')}) | {event_schema(type_)['description']} |" for type_ in definitions())
    return "\n".join(["| type | when |", "|---|---|", *rows])


if __name__ == "__main__":
    main()
