"""Writes the definitions of events in `tracker/schemas/event.schema.json` from the table of event types.

    python .github/schema.py            # write what has changed
    python .github/schema.py --check    # exit with 1 if the file is not up to date

What all events share, and what a job, a report or an outcome is, stays as it is in the file.
"""

import json
import re
import sys
from pathlib import Path
from typing import Any, Final

from tracker.core.events.event_type import EventType
from tracker.core.events.event_type_table import EVENT_TYPES

FILE: Final = Path(__file__).parents[1] / "tracker" / "schemas" / "event.schema.json"
OWN: Final = {
    "batch.progress": ("eta",),
    "batch.completed": ("outcome",),
    "batch.archived": ("files", "digest", "usage", "cost"),
    "batch.results_gone": ("files",),
    "batch.stalled": ("reminder",),
    "account.unreachable": ("reminder",),
    "receiver.failing": ("reminder",),
}
"""What events of a type have beyond the others."""
OPTIONAL: Final = {"eta", "digest", "usage", "cost", "reminder"}
REPORTS: Final = {
    "account": "AccountReport",
    "receiver": "ReceiverReport",
    "receiver.failing": "FailingReceiverReport",
    "replica": "ReplicaReport",
    "replica.lost": "LostReplicaReport",
    "silence": "SilenceReport",
    "silence.ended": "EndedSilenceReport",
}
"""The definition of what an event reports, by its type, else by what it is about."""


def generated(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema with the definitions that the table of event types gives."""
    old = schema["$defs"]
    old_names = {ref["$ref"].rpartition("/")[2] for ref in schema["oneOf"]}
    jobs = {each.status: _job_name(each, old) for each in EVENT_TYPES if each.status}
    events = {_name(each): _event(each, jobs, old) for each in EVENT_TYPES}
    others: dict[str, Any] = {}
    for name, definition in old.items():
        if name not in old_names and name not in jobs.values():
            others[name] = definition
        if name == "BatchJob":
            others |= {job: _job(job, status) for status, job in jobs.items()}
    refs = [{"$ref": f"#/$defs/{name}"} for name in events]
    return {**schema, "oneOf": refs, "$defs": events | others}


def written(schema: dict[str, Any]) -> str:
    """The text of the file."""
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _name(type_: EventType) -> str:
    return "".join(map(str.title, re.split(r"[._]", type_.name)))


def _job_name(type_: EventType, old: dict[str, Any]) -> str:
    """The definition of a job with the status of the type: the one that there is, else by the label of the type."""
    described = f"A job with the status {type_.status}."
    return next((name for name, each in old.items() if each.get("description") == described), f"{type_.label.title()}Job")


def _job(name: str, status: str) -> dict[str, Any]:
    of_status = {"type": "object", "properties": {"status": {"type": "string", "const": status}}}
    described = f"A job with the status {status}."
    return {"title": name, "description": described, "allOf": [{"$ref": "#/$defs/BatchJob"}, of_status]}


def _event(type_: EventType, jobs: dict[str, str], old: dict[str, Any]) -> dict[str, Any]:
    shared, progress = old["BatchCreated"]["properties"], old["BatchProgress"]["properties"]
    own = {"eta": progress["eta"], "outcome": _ref("Outcome"), "digest": _ref("Digest"), "usage": _ref("Usage")}
    own |= {
        "reminder": _ref("Reminder"),
        "cost": _ref("Cost"),
        "files": _ref("MissingFiles" if type_.is_problem else "ArchivedFiles"),
    }
    data = REPORTS.get(type_.name) or REPORTS.get(type_.subject) or (jobs[type_.status] if type_.status else "BatchJob")
    properties: dict[str, Any] = {name: shared[name] for name in shared if name != "data"}
    properties["type"] = {"type": "string", "const": type_.name}
    properties["changes"] = {"$ref": f"#/$defs/{'Changes' if type_.has_changes else 'NoChanges'}"}
    properties |= {name: own[name] for name in OWN.get(type_.name, ())}
    properties["data"] = {"$ref": f"#/$defs/{data}"}
    return {
        "title": _name(type_),
        "description": type_.summary,
        "type": "object",
        "properties": properties,
        "required": [name for name in properties if name not in OPTIONAL],
        "additionalProperties": False,
    }


def _ref(name: str) -> dict[str, str]:
    return {"$ref": f"#/$defs/{name}"}


def main() -> None:
    """Write the file, or check it."""
    before = FILE.read_text("utf-8")
    after = written(generated(json.loads(before)))
    if after == before:
        return
    if "--check" in sys.argv:
        sys.exit(f"{FILE.name} is not up to date: python .github/schema.py writes it")
    FILE.write_text(after, "utf-8")


if __name__ == "__main__":
    main()
