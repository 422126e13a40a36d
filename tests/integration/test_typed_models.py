"""The events' schema makes typed models: the commands of tracker/schemas/README.md, run as they stand there."""

import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest
from npm import installed, run

from tracker.core.events.sample import sample_event
from tracker.schemas import definitions, event_schema

pytestmark = pytest.mark.slow

SCHEMAS = Path(__file__).parents[2] / "tracker" / "schemas"
README = (SCHEMAS / "README.md").read_text("utf-8")
SCHEMA = SCHEMAS / "event.schema.json"
NARROWING = """
import { AccountUnreachable, AccountUnreachableType, BatchCompleted } from "./events.js";
import { BatchCompletedType, BatchFailed, Outcome } from "./events.js";

export function summary(event: BatchCompleted | BatchFailed | AccountUnreachable): string {
    if (event.type === BatchCompletedType.BatchCompleted)
        return event.outcome === Outcome.Success ? event.data.id : event.outcome;
    return event.type === AccountUnreachableType.AccountUnreachable ? event.data.reason : event.data.id;
}
"""
READING = """
import { readFileSync } from "node:fs";
import { Convert } from "./events.js";

for (const [name, event, other] of JSON.parse(readFileSync("events.json", "utf-8"))) {
    const read = Convert[`to${name}`](JSON.stringify(event));
    if (read.type !== event.type || read.seq !== event.seq) throw new Error(`${name} lost something`);
    let refused = false;
    try { Convert[`to${other}`](JSON.stringify(event)); } catch { refused = true; }
    if (!refused) throw new Error(`${other} takes a ${name}`);
    console.log(name);
}
"""


def command(program):
    """The arguments of the README's command that begins with this program."""
    (text,) = re.findall(rf"^    ({program} (?:.*\\\n)*.*)$", README, re.MULTILINE)
    return shlex.split(text.replace("\\\n", " "))[1:]


def sample(type_):
    return json.loads(msgspec.json.encode(sample_event(type_, "default", 1_750_861_214_312, "abc")))


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """The file that datamodel-codegen makes."""
    if importlib.util.find_spec("datamodel_code_generator") is None and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip("datamodel-code-generator is not installed: pip install -e '.[test]'")
    folder = tmp_path_factory.mktemp("models")
    shutil.copy(SCHEMA, folder)
    generator = [sys.executable, "-W", "ignore", "-m", "datamodel_code_generator"]
    done = run(*generator, *command("datamodel-codegen"), cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder / "events.py"


@pytest.fixture(scope="module")
def imported(models):
    """The same, imported."""
    spec = importlib.util.spec_from_file_location("typed_events", models)
    module = importlib.util.module_from_spec(spec)
    sys.modules["typed_events"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["typed_events"]


def test_python_models_have_the_names_of_the_schema(models):
    """Each definition is a class of its name, `Event` is any of the types, and no name is made up by the generator."""
    classes = re.findall(r"^class (\w+)\(", models.read_text("utf-8"), re.MULTILINE)
    assert sorted(classes) == sorted([*event_schema()["$defs"], "Event"])


@pytest.mark.parametrize("type_", definitions())
def test_python_models_read_every_event(imported, type_):
    """An event is read as the class of its type, with every property of its data, also those that the schema does not name."""
    event = sample(type_)
    read = imported.Event.model_validate_json(json.dumps(event)).root
    assert type(read).__name__ == definitions()[type_]
    assert (read.type, read.seq, read.id) == (type_, event["seq"], event["id"])
    assert read.data.model_dump(mode="json", exclude_unset=True).keys() == event["data"].keys()


@pytest.mark.parametrize("wrong", [{"type": "batch.unknown"}, {"outcome": "failure"}, {"seq": 0}, {"more": 1}], ids=str)
def test_python_models_refuse_what_is_no_event(imported, wrong):
    """A type, a value or a key that the schema does not have is refused."""
    with pytest.raises(ValueError, match="validation error"):
        imported.Event.model_validate(sample("batch.completed") | wrong)


def test_python_models_satisfy_a_strict_type_checker(models):
    """mypy, as strict as can be, finds nothing in the generated file."""
    if importlib.util.find_spec("mypy") is None and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip("mypy is not installed: pip install -e '.[dev]'")
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--cache-dir", "mypy", models.name],
        cwd=models.parent,
        capture_output=True,
        text=True,
        check=False,
        timeout=110,
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.slow
def test_typescript_models_compile_and_read_every_event(tmp_path):
    """Each type is an interface that TypeScript narrows to, and its reader accepts its own events and no others."""
    folder = installed("typed_models", tmp_path)
    shutil.copy(SCHEMA, folder)
    programs = folder / "node_modules" / ".bin"
    # without --just-types there are readers too, which check what they read
    arguments = [each for each in command("quicktype") if each != "--just-types"]
    made = run(programs / "quicktype", *arguments, cwd=folder)
    assert made.returncode == 0, made.stderr
    (folder / "summary.ts").write_text(NARROWING)
    (folder / "read.mjs").write_text(READING)
    options = "--strict", "--target", "es2022", "--module", "nodenext"
    compiled = run(programs / "tsc", *options, "events.ts", "summary.ts", cwd=folder)
    assert compiled.returncode == 0, compiled.stdout
    interfaces = re.findall(r"^export interface (\w+)", (folder / "events.ts").read_text(), re.MULTILINE)
    assert set(definitions().values()) <= set(interfaces)
    others = [*list(definitions().values())[1:], "BatchCreated"]
    samples = [[name, sample(type_), other] for (type_, name), other in zip(definitions().items(), others, strict=True)]
    (folder / "events.json").write_text(json.dumps(samples))
    shown = run("node", "read.mjs", cwd=folder)
    assert (shown.returncode, shown.stdout.split()) == (0, [*definitions().values()]), shown.stderr
