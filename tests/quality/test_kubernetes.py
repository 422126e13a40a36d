"""deploy/kubernetes: right by the published schemas, as little allowed as can be, and the chart says what the manifests say."""

import importlib.util
import subprocess
import sys
import tomllib

import pytest
import yaml
from kubernetes_objects import FOLDER, kustomized, one, oracle, pods, rendered

ROOT = FOLDER.parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
MONITORED = {"monitoring": {"enabled": True}}
MIGRATED = {"storage": "postgres", "postgres": {"migrate": {"enabled": True}}}
CORNERS = {  # everything that a template asks about
    "image": {"repository": "registry.example.com/batch-tracker", "digest": f"sha256:{'0' * 64}", "pullSecrets": ["pull"]},
    "sqlite": {"storageClassName": "fast", "accessMode": "ReadWriteOncePod"},
    "networkPolicy": {"ingressFrom": [], "egress": [{"ports": [{"port": 8443}]}]},
    "monitoring": {"enabled": True, "labels": {"release": "prometheus"}},
    "serviceAccountName": "results",
    "podAnnotations": {"a": "b"},
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "affinity": {"nodeAffinity": {}},
    "extraVolumes": [{"name": "results", "persistentVolumeClaim": {"claimName": "results"}}],
    "extraVolumeMounts": [{"name": "results", "mountPath": "/var/lib/results"}],
    "config": "[[accounts]]\nname = 'a'\n",
}
SOURCES = {
    "sqlite": lambda: kustomized("sqlite", components=("monitoring",)),
    "postgres": lambda: kustomized("postgres", components=("monitoring",)),
    "migrate": lambda: kustomized("migrate"),
    "chart, sqlite": lambda: rendered(MONITORED),
    "chart, postgres": lambda: rendered({**MIGRATED, **MONITORED}),
    "chart, all values": lambda: rendered(CORNERS, name="another"),
    "chart, all values, postgres": lambda: rendered({**CORNERS, "storage": "postgres"}, name="another"),
}


@pytest.fixture(scope="module", params=SOURCES)
def objects(request):
    """The objects that a user applies."""
    return SOURCES[request.param]()


@pytest.mark.parametrize("version", ["1.25.0", "1.37.0"])
def test_every_object_is_valid(objects, version):
    """By the published schemas of an old and a new Kubernetes, which know no other property, each object is right."""
    kubernetes_validate = oracle("kubernetes_validate", "kubernetes-validate")
    core = [each for each in objects if not each["apiVersion"].startswith("monitoring.")]
    for each in core:
        kubernetes_validate.validate(each, version, strict=True)
    broken = core[0] | {"nonsense": 1}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(broken, version, strict=True)


def test_pods_are_restricted(objects):
    """Each pod keeps the restricted profile of the pod security standards, writes to its volumes alone, and has no token."""
    for pod in pods(objects).values():
        spec = pod["spec"]
        assert not spec.keys() & {"hostNetwork", "hostPID", "hostIPC", "hostUsers", "initContainers"}
        assert spec["automountServiceAccountToken"] is False
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["runAsUser"] == spec["securityContext"]["runAsGroup"] == 10001
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert {key for volume in spec["volumes"] for key in volume} <= {
            "name",
            "configMap",
            "emptyDir",
            "persistentVolumeClaim",
        }
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }
            assert container["resources"].keys() >= {"requests", "limits"}
            assert not any("hostPort" in port for port in container.get("ports", ()))


def test_secrets_are_references(objects):
    """No object is a Secret or has a value of a variable: each comes from a Secret or is the pod's own name."""
    assert "Secret" not in {each["kind"] for each in objects}
    for pod in pods(objects).values():
        for container in pod["spec"]["containers"]:
            assert all(set(each) == {"secretRef"} for each in container["envFrom"])
            assert all(set(each["valueFrom"]) == {"fieldRef"} for each in container.get("env", ()))


def test_parts_fit_together(objects):
    """Service, policy, budget and monitor select the daemon's pods and no others, by ports that these have."""
    kinds = {each["kind"]: each for each in objects}
    daemon = next((pod for kind, pod in pods(objects).items() if kind != "Job"), None)
    selectors = [kinds[kind]["spec"]["podSelector"]["matchLabels"] for kind in ("NetworkPolicy",) if kind in kinds]
    selectors += [kinds[kind]["spec"]["selector"]["matchLabels"] for kind in ("PodDisruptionBudget",) if kind in kinds]
    selectors += [kinds["Service"]["spec"]["selector"]] if "Service" in kinds else []
    if "Job" in kinds:
        assert not any(
            selector.items() <= kinds["Job"]["spec"]["template"]["metadata"]["labels"].items() for selector in selectors
        )
    if daemon is None:
        return
    assert len(selectors) >= 2
    assert all(selector.items() <= daemon["metadata"]["labels"].items() for selector in selectors)
    (container,) = daemon["spec"]["containers"]
    assert [(port["name"], port["containerPort"]) for port in container["ports"]] == [("http", 9471)]
    probes = [container[name]["httpGet"] for name in ("startupProbe", "livenessProbe", "readinessProbe")]
    assert probes == [{"path": path, "port": "http"} for path in ("/healthz", "/healthz", "/readyz")]
    assert [port["targetPort"] for port in kinds["Service"]["spec"]["ports"]] == ["http"]
    assert kinds["NetworkPolicy"]["spec"]["ingress"][0]["ports"] == [{"port": "http", "protocol": "TCP"}]
    monitor = kinds["ServiceMonitor"]["spec"]
    assert monitor["selector"]["matchLabels"].items() <= kinds["Service"]["metadata"]["labels"].items()
    assert [each["port"] for each in monitor["endpoints"]] == [kinds["Service"]["spec"]["ports"][0]["name"]]
    scraped = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text("utf-8"))["scrape_configs"]
    assert kinds["Service"]["metadata"]["labels"][monitor["jobLabel"]] == scraped[0]["job_name"]


def test_volumes_are_where_the_image_expects_them(objects):
    """The configuration and the state are mounted where the image's command looks for them, and each mount has its volume."""
    image = (ROOT / "deploy" / "Containerfile").read_text("utf-8")
    for kind, pod in pods(objects).items():
        (container,) = pod["spec"]["containers"]
        mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
        assert f"{mounts['config']}/tracker.toml" in image
        assert kind == "Job" or f"STATE_DIRECTORY={mounts['state']}" in image
        claims = {"state"} if kind == "StatefulSet" else set()
        assert {volume["name"] for volume in pod["spec"]["volumes"]} | claims == mounts.keys()


def test_one_process_writes_to_the_file():
    """With SQLite there is one pod, of a kind that ends it before it starts the next, and its disk outlives it."""
    spec = one(kustomized("sqlite"), "StatefulSet")["spec"]
    assert (spec["replicas"], spec["updateStrategy"]["type"]) == (1, "RollingUpdate")
    assert spec["persistentVolumeClaimRetentionPolicy"] == {"whenDeleted": "Retain", "whenScaled": "Retain"}
    (claim,) = spec["volumeClaimTemplates"]
    assert (claim["metadata"]["name"], claim["spec"]["accessModes"]) == ("state", ["ReadWriteOnce"])


def test_replicas_have_the_names_of_their_pods():
    """On PostgreSQL each pod's replica is called as the pod, an upgrade adds before it removes, a drain takes one by one."""
    objects = kustomized("postgres")
    deployment = one(objects, "Deployment")["spec"]
    assert deployment["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    assert one(objects, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    (container,) = deployment["template"]["spec"]["containers"]
    assert container["env"] == [{"name": "BATCH_TRACKER_REPLICA", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]
    assert {"ports": [{"port": 5432, "protocol": "TCP"}]} in one(objects, "NetworkPolicy")["spec"]["egress"]


def test_new_configuration_makes_new_pods():
    """With another configuration the pods' template is another one, in the chart as by Kustomize's names of ConfigMaps."""
    templates = [pods(rendered({"config": f"# {number}"}))["StatefulSet"] for number in range(2)]
    assert templates[0] != templates[1]
    (volume,) = pods(kustomized("sqlite"))["StatefulSet"]["spec"]["volumes"]
    assert volume["configMap"]["name"] == one(kustomized("sqlite"), "ConfigMap")["metadata"]["name"] != "batch-tracker"


def test_rules_are_those_of_prometheus():
    """What is generated is as its source has it, for the manifests and in the chart, whose alerts can link to your runbook."""
    done = subprocess.run([sys.executable, FOLDER / "generate.py", "--check"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    rules = (ROOT / "deploy/prometheus/batch-tracker.rules.yml").read_text("utf-8")
    assert one(kustomized("sqlite", components=("monitoring",)), "PrometheusRule")["spec"] == yaml.safe_load(rules)
    linked = one(rendered({"monitoring": {"enabled": True, "runbook": "https://runbook.example.com/"}}), "PrometheusRule")
    assert linked["spec"] == yaml.safe_load(rules.replace("deploy/prometheus/RUNBOOK.md", "https://runbook.example.com/"))


def test_stale_rules_are_noticed(tmp_path, monkeypatch):
    """With `--check` a rule that was changed in one place is an error that names the command."""
    spec = importlib.util.spec_from_file_location("generate_kubernetes", FOLDER / "generate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    changed = tmp_path / "rules.yml"
    changed.write_text(module.RULES.read_text("utf-8") + "# another\n")
    monkeypatch.setattr(module, "RULES", changed)
    monkeypatch.setattr(sys, "argv", ["generate.py", "--check"])
    with pytest.raises(SystemExit, match=r"python3 deploy/kubernetes/generate\.py writes it"):
        module.main()


def test_versions_are_the_product_s():
    """Chart, its application and the tags of the kustomizations are of this version."""
    chart = yaml.safe_load((FOLDER / "chart" / "Chart.yaml").read_text("utf-8"))
    assert chart["version"] == chart["appVersion"] == PROJECT["version"]
    assert chart["description"] == PROJECT["description"]
    for name in ("sqlite", "postgres", "migrate"):
        (container,) = next(iter(pods(kustomized(name)).values()))["spec"]["containers"]
        assert container["image"] == f"batch-tracker:{PROJECT['version']}"


@pytest.mark.slow
def test_operator_of_prometheus_knows_every_property():
    """ServiceMonitor and PrometheusRule have nothing that the operator's own types lack: none is lost when they are read."""
    v1 = oracle("cloudcoil.models.prometheus_operator.v1", "cloudcoil-models-prometheus-operator")
    for source in ("sqlite", "chart, all values"):
        for kind in ("ServiceMonitor", "PrometheusRule"):
            found = one(SOURCES[source](), kind)
            read = getattr(v1, kind).model_validate(found)
            assert read.model_dump(by_alias=True, exclude_unset=True, mode="json") == found
