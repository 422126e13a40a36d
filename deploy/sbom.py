"""Writes sbom.json, the CycloneDX bill of materials of requirements.txt: the same lock gives the same bytes.

cyclonedx-py lists the components. It cannot know which component needs which; the lock's `# via` lines say that. What changes
with the line, the index or the tool's version is left out.
"""

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
LOCK, PROJECT, SBOM = HERE / "requirements.txt", HERE.parent / "pyproject.toml", HERE / "sbom.json"
ROOT = "batch-tracker"

_PIN = re.compile(r"^([a-z0-9-]+)==(\S+)")
_VIA = re.compile(r"^    # +(?:via +)?(\S.*)$")


def main() -> None:
    """Write the file, or with --check say whether it is what would be written: exit status 1 where not."""
    made = json.dumps(bill(), indent=1, sort_keys=True) + "\n"
    if "--check" not in sys.argv:
        SBOM.write_text(made, "utf-8")
    elif SBOM.read_text("utf-8") != made:
        sys.exit(f"{SBOM}: is not what {LOCK} pins; deploy/lock regenerates it")


def bill() -> dict[str, Any]:
    command = [sys.executable, "-W", "ignore", "-m", "cyclonedx_py", "requirements", str(LOCK), "--pyproject", str(PROJECT)]
    listed = subprocess.run([*command, "--output-reproducible", "--spec-version=1.6"], check=True, capture_output=True).stdout
    made: dict[str, Any] = json.loads(listed)
    components = sorted(map(_component, made["components"]), key=lambda each: each["name"])
    purls = {each["name"]: each["purl"] for each in components}
    made["metadata"]["tools"] = {"components": [{"type": "application", "name": "cyclonedx-py"}]}
    made["metadata"]["component"]["bom-ref"] = ROOT
    needs = needed_by(LOCK.read_text("utf-8"))
    made["components"] = components
    made["dependencies"] = [
        {"ref": ref, "dependsOn": sorted(purls[name] for name, by in needs.items() if who in by)}
        for who, ref in [(ROOT, ROOT), *purls.items()]
    ]
    return made


def _component(listed: dict[str, Any]) -> dict[str, Any]:
    (reference,) = listed["externalReferences"]
    distributions = {"type": "distribution", "url": listed["purl"], "hashes": reference["hashes"]}
    kept = {key: listed[key] for key in ("type", "name", "version", "purl")}
    return {"bom-ref": listed["purl"], **kept, "externalReferences": [distributions]}


def needed_by(lock: str) -> dict[str, set[str]]:
    """By the name of each pinned package, those that need it; what pyproject.toml itself names is needed by `ROOT`."""
    needs: dict[str, set[str]] = {}
    name = ""
    for line in lock.splitlines():
        if pin := _PIN.match(line):
            name = pin[1]
            needs[name] = set()
        elif name and (via := _VIA.match(line)) and via[1] != "via":
            needs[name].add(ROOT if ROOT in via[1] else via[1])
    return needs


if __name__ == "__main__":
    main()
