"""Owns the reference of the API for people: what the OpenAPI document says of each route, with an example of each."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from markupsafe import Markup

from tracker.web.access.request_guard import PROBES
from tracker.web.docs.examples import Examples, Schema
from tracker.web.docs.markdown_rendering import anchor_of, render_line

_PROBLEMS: Final = "application/problem+json"

_OPEN: Final = "needs no token"
_SIGNED: Final = "needs a signature"

_LONGEST_LINE: Final = 90
"""Characters of a command that stands in one line."""

_LAST_SECOND: Final = 253_402_300_799
"""The bound of what is a time in Unix seconds."""

_GROUPS: Final = {"jobs": "Jobs", "events": "Events", "stream": "Events", "deliveries": "Deliveries", "replay": "Deliveries"}
_OTHERS: Final = {"healthz": "Health", "readyz": "Health", "metrics": "Health", "hooks": "Webhooks of vendors"}


class Field(NamedTuple):
    """A parameter or a property: where it is, its type and bounds in words, and what it is."""

    name: str
    place: str
    required: bool
    kind: Markup
    about: Markup


class Answer(NamedTuple):
    """An answer; `example` is "" where it has no body."""

    status: str
    about: Markup
    media_type: str
    fields: tuple[Field, ...]
    example: str


class Operation(NamedTuple):
    """A route, as a person reads it."""

    group: str
    anchor: str
    method: str
    path: str
    summary: Markup
    access: str
    parameters: tuple[Field, ...]
    body: tuple[Field, ...]
    body_about: Markup
    command: str
    answers: tuple[Answer, ...]
    problems: tuple[str, ...]


def operations(document: Schema) -> list[Operation]:
    """Every route of the OpenAPI document, in its order, the groups one after the other."""
    reference = _Reference(document)
    found = [
        reference.operation(path, method, described)
        for path, methods in document["paths"].items()
        for method, described in methods.items()
    ]
    order = list(dict.fromkeys(each.group for each in found))
    return sorted(found, key=lambda each: order.index(each.group))


class _Reference:
    def __init__(self, document: Schema) -> None:
        self._components: Mapping[str, Schema] = document["components"]["schemas"]
        self._base = document["servers"][0]["url"].rstrip("/")
        self._examples = Examples(self._components)

    def operation(self, path: str, method: str, described: Schema) -> Operation:
        answers = {status: each for status, each in described["responses"].items() if not _is_problem(each)}
        return Operation(
            group=_group(path),
            anchor=anchor_of(described["operationId"]),
            method=method.upper(),
            path=path,
            summary=render_line(described["summary"]),
            access=_access(described["security"], path),
            parameters=tuple(self._parameter(each) for each in described["parameters"]),
            body=tuple(self._fields(self._body(described))),
            body_about=render_line(self._resolved(self._body(described)).get("description", "")),
            command=self._command(path, method, described),
            answers=tuple(self._answer(status, each) for status, each in answers.items()),
            problems=tuple(
                f"{status} {each['description']}" for status, each in described["responses"].items() if _is_problem(each)
            ),
        )

    def _parameter(self, parameter: Schema) -> Field:
        schema = parameter["schema"]
        about = parameter.get("description") or _about(schema)
        return Field(parameter["name"], parameter["in"], parameter["required"], self._kind(schema), render_line(about))

    def _body(self, described: Schema) -> Schema:
        body: Schema = described.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
        return body

    def _answer(self, status: str, answer: Schema) -> Answer:
        contents: Schema = answer.get("content", {})
        media_type = next(iter(contents), "")
        schema = contents[media_type].get("schema", {}) if contents else {}
        is_json = media_type == "application/json"
        return Answer(
            status=status,
            about=render_line(answer["description"]),
            media_type=media_type,
            fields=tuple(self._fields(schema)) if is_json else (),
            example=_json(self._examples.of(schema)) if is_json else "",
        )

    def _fields(self, schema: Schema) -> Iterator[Field]:
        """The properties of an object; of a page of a list those of its entries too."""
        whole = self._resolved(schema)
        for name, each in whole.get("properties", {}).items():
            of = self._resolved(each)
            about = _about(each) or of.get("description", "")
            yield Field(name, "", name in whole.get("required", ()), self._kind(each), render_line(about))
            if "items" in of and (entries := self._resolved(of["items"])).get("properties"):
                for field in self._fields(entries):
                    yield field._replace(name=f"{name}[].{field.name}")

    def _resolved(self, schema: Schema) -> Schema:
        if "$ref" in schema:
            return self._resolved(self._components[schema["$ref"].rpartition("/")[2]])
        if "allOf" in schema:
            parts = [self._resolved(each) for each in schema["allOf"]]
            properties = {name: each for part in parts for name, each in part.get("properties", {}).items()}
            return {"properties": properties, "required": [name for part in parts for name in part.get("required", ())]}
        return schema

    def _kind(self, schema: Schema) -> Markup:
        """The type of a value and its bounds, in words."""
        if "const" in schema:
            return Markup("<code>{}</code>").format(json.dumps(schema["const"]))
        if "enum" in schema:
            return Markup(" or ").join(Markup("<code>{}</code>").format(json.dumps(each)) for each in schema["enum"])
        if "$ref" in schema:
            return self._kind_of_component(schema["$ref"].rpartition("/")[2])
        if "anyOf" in schema or "oneOf" in schema:
            return Markup(" or ").join(self._kind(each) for each in schema.get("anyOf") or schema["oneOf"])
        if schema.get("type") == "array":
            return Markup("list of {}").format(self._kind(schema.get("items", {})))
        return Markup(" ").join(filter(None, (_type(schema), *_bounds(schema))))

    def _kind_of_component(self, name: str) -> Markup:
        component = self._components[name]
        return self._kind(component) if "enum" in component else Markup("{}").format(name)

    def _command(self, path: str, method: str, described: Schema) -> str:
        """The request as a command for a shell."""
        filled = re.sub(r"\{(\w+)\}", lambda found: quote(self._value(described, found[1]), safe=""), path)
        parts = ["curl"]
        if _access(described["security"], path) not in (_OPEN, _SIGNED):
            parts.append('-H "Authorization: Bearer $TOKEN"')
        if method not in ("get", "post"):
            parts.append(f"-X {method.upper()}")
        if "requestBody" in described:
            parts += [
                "-H 'Content-Type: application/json'",
                f"-d '{json.dumps(self._examples.body(self._body(described)), ensure_ascii=False)}'",
            ]
        parts.append(f"http://127.0.0.1:9471{self._base}{filled}")
        line = " ".join(parts)
        return line if len(line) <= _LONGEST_LINE else " \\\n  ".join([" ".join(parts[:2]), *parts[2:]])

    def _value(self, described: Schema, name: str) -> str:
        (schema,) = (each["schema"] for each in described["parameters"] if each["name"] == name and each["in"] == "path")
        return str(self._examples.of(schema, name))


def _about(schema: Schema) -> str:
    """What the schema says that the value is; of a list, or of a value that may be null, what its parts say."""
    parts = [schema.get("items", {}), *schema.get("anyOf", ())]
    return next((str(each["description"]) for each in [schema, *parts] if "description" in each), "")


def _is_problem(answer: Schema) -> bool:
    return _PROBLEMS in answer.get("content", {})


def _group(path: str) -> str:
    first, _, rest = path.strip("/").partition("/")
    if first != "api":
        return _OTHERS.get(first, "Others")
    name = rest.partition("/")[0]
    return _GROUPS.get(name, name.replace("-", " ").capitalize())


def _access(security: Iterable[Schema], path: str) -> str:
    schemes = list(security)
    if path in PROBES:
        return _OPEN
    if schemes == [{}]:
        return _SIGNED
    return "needs the token where reading needs one" if {} in schemes else "always needs the token"


def _type(schema: Schema) -> Markup:
    return Markup("{}").format(schema.get("format") or schema.get("type", "any value"))


def _bounds(schema: Schema) -> Iterator[Markup]:
    low, high = schema.get("minimum"), schema.get("maximum")
    if high == _LAST_SECOND:
        yield Markup("(Unix seconds)")
    elif low is not None and high is not None and high < 2**53:
        yield Markup("from {} to {}").format(low, high)
    elif low:
        yield Markup("from {}").format(low)
    if schema.get("default") not in (None, "", []):
        yield Markup("(default <code>{}</code>)").format(json.dumps(schema["default"]))


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)
