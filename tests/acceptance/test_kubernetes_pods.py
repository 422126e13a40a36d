"""The pods of deploy/kubernetes, run as a kubelet would run them: the user, the files, the variables, the probes, the end."""

import json
import shlex

import pytest
from containerfile import arguments_of, stages
from kubernetes_objects import kustomized, one, pods
from read_only_machine import run_as_user
from tracking import COMMAND

pytestmark = pytest.mark.slow

SECRET = {"MISTRAL_API_KEY": "canary-key-3141", "BATCH_TRACKER_TOKEN": "canary-token-1618"}
PROGRAM = shlex.join(COMMAND)
SIMULATOR = (
    f"ip link set lo up; {PROGRAM} simulate --listen 127.0.0.1:9472 --api-key $MISTRAL_API_KEY --jobs 3 >/dev/null 2>&1 &"
)
CONFIG = "export BATCH_TRACKER_CONFIG=/mnt/etc/config/tracker.toml\n"

PROBES = """
ask() {{ # PATH, as a kubelet does: by the pod's address and without a token
  curl -s -o /dev/null -w "$1 %{{http_code}}\\n" -H 'Host: 10.244.1.7:9471' "${{@:2}}" "http://127.0.0.1:9471$1"
}}
probe() {{ # PATH, until it is as it should be
  until ask "$1" | grep ' 200$'; do kill -0 $pod || {{ cat log; exit 1; }}; sleep 0.2; done
}}
{program} {arguments} 2>>log & pod=$!
probe {startup}
probe {readiness}
probe {liveness}
ask /metrics
ask /metrics -H "Authorization: Bearer $BATCH_TRACKER_TOKEN"
{meanwhile}
kill -TERM $pod
begun=$SECONDS
wait $pod; echo "ended with $?"
[ $((SECONDS - begun)) -le {grace} ] && echo "in time"
"""


def config_map(objects, folder):
    """The ConfigMap as a kubelet mounts it, a folder that everyone may write to, of links; its account is the simulated one."""
    folder = folder / "config"
    version = folder / "..2026_11_29"
    version.mkdir(parents=True)
    for name, text in one(objects, "ConfigMap")["data"].items():
        account = 'base_url = "http://127.0.0.1:9472"\npoll_interval = "200ms"\n' if "[[accounts]]" in text else ""
        (version / name).write_text(text + account)
        (folder / name).symlink_to(f"..data/{name}")
    (folder / "..data").symlink_to(version.name)
    folder.chmod(0o777)
    return folder


def pod_script(template, meanwhile=":"):
    """What a kubelet does with this pod, from its start to its end."""
    (container,) = template["spec"]["containers"]
    entry = json.loads(arguments_of(stages()[-1], "ENTRYPOINT")[0])
    assert entry == ["batch-tracker"]
    probes = {name: container[f"{name}Probe"]["httpGet"]["path"] for name in ("startup", "readiness", "liveness")}
    grace = template["spec"]["terminationGracePeriodSeconds"]
    return PROBES.format(program=PROGRAM, arguments=shlex.join(container["args"]), meanwhile=meanwhile, grace=grace, **probes)


ANSWERS = ["/healthz 200", "/readyz 200", "/healthz 200", "/metrics 401", "/metrics 200"]
STOPPED = ["ended with 0", "in time"]
WARNINGS = 'grep -cE \'"level": *"(warning|error|critical)"\' log\n'


async def test_pod_with_a_volume_is_replaced_without_loss(tmp_path):
    """On a volume of the group it starts, is ready, keeps the token, stops in time, and the next pod goes on where it was."""
    objects = kustomized("sqlite")
    script = pod_script(pods(objects)["StatefulSet"], f"{PROGRAM} events --json | head -n 1 | cut -c 1-40")
    script = f"{CONFIG}{script}\n{script}\n{PROGRAM} verify | tail -n 1\n{WARNINGS}"
    done = await run_as_user(
        script, config=config_map(objects, tmp_path), environment=SECRET, state=("0:10001", "2775"), as_root=SIMULATOR
    )
    said = done.stdout.splitlines()
    one_pod = [*ANSWERS, said[5], *STOPPED]
    assert said[:16] == one_pod * 2, done.stderr + done.stdout
    assert said[5].startswith('{"id":')
    assert said[17:] == ["0"], done.stdout


@pytest.mark.xdist_group("postgres")
async def test_pod_on_postgres_is_a_replica_with_its_name(tmp_path, postgres_server):
    """The Job makes the tables with the owner's URL; then the pod starts, is ready, and is the replica of the pod's name."""
    name = postgres_server.create_database()
    socket = f"postgresql://postgres@/{name}?host={postgres_server.folder}&port={postgres_server.port}"
    migrate, daemon = kustomized("migrate"), kustomized("postgres")
    (container,) = pods(migrate)["Job"]["spec"]["containers"]
    environment = SECRET | {"DATABASE_URL": socket, "BATCH_TRACKER_REPLICA": "batch-tracker-7d4b9c-x2x7q"}
    job = f"{CONFIG}{PROGRAM} {shlex.join(container['args'])}; echo $?"
    done = await run_as_user(job, config=config_map(migrate, tmp_path / "job"), environment={"DATABASE_URL": socket})
    assert done.stdout.splitlines()[-1] == "0", done.stderr
    script = CONFIG + pod_script(pods(daemon)["Deployment"], f"{PROGRAM} replicas | grep -c batch-tracker-7d4b9c-x2x7q")
    done = await run_as_user(
        script + WARNINGS, config=config_map(daemon, tmp_path / "pod"), environment=environment, as_root=SIMULATOR
    )
    assert done.stdout.splitlines() == [*ANSWERS, "1", *STOPPED, "0"], done.stderr + done.stdout
