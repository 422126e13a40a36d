"""The JSON Schema of the events is generated from the table of event types."""

import importlib
import json
import sys
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / ".github"))
schema = importlib.import_module("schema")


def test_schema_is_up_to_date():
    """The file in the package is what `.github/schema.py` writes."""
    text = schema.FILE.read_text("utf-8")
    assert schema.written(schema.generated(json.loads(text))) == text


def test_stale_schema_fails_the_check(tmp_path, monkeypatch):
    """With `--check` a file that lacks a type ends the script with an error and stays as it is; without, it is written."""
    whole = schema.FILE.read_text("utf-8")
    stale = json.loads(whole)
    stale["oneOf"].pop()
    del stale["$defs"]["ReceiverRecovered"]
    file = tmp_path / "event.schema.json"
    file.write_text(schema.written(stale))
    monkeypatch.setattr(schema, "FILE", file)
    monkeypatch.setattr(sys, "argv", ["schema.py", "--check"])
    with pytest.raises(SystemExit, match=r"python \.github/schema\.py writes it"):
        schema.main()
    assert json.loads(file.read_text()) == stale
    monkeypatch.setattr(sys, "argv", ["schema.py"])
    schema.main()
    assert file.read_text("utf-8") == whole


def test_new_type_needs_only_its_row(monkeypatch):
    """A type with a status of its own gets a definition, and its job another one, beside what there was."""
    row = msgspec.structs.replace(
        schema.EVENT_TYPES[1], name="batch.hibernating", label="hibernating", status="HIBERNATING", rank=99
    )
    monkeypatch.setattr(schema, "EVENT_TYPES", (*schema.EVENT_TYPES, row))
    before = json.loads(schema.FILE.read_text("utf-8"))
    after = schema.generated(before)
    assert after["oneOf"] == [*before["oneOf"], {"$ref": "#/$defs/BatchHibernating"}]
    assert after["$defs"].keys() - before["$defs"].keys() == {"BatchHibernating", "HibernatingJob"}
    assert {name: after["$defs"][name] for name in before["$defs"]} == before["$defs"]
    assert after["$defs"]["BatchHibernating"]["properties"]["data"] == {"$ref": "#/$defs/HibernatingJob"}
