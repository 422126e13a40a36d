"""What a person sees: tables, `wait` and `top` on a terminal of some size, read from its screen."""

import re
import signal
import subprocess

import anyio
import msgspec
import pytest
from job_changes import moved, seen
from matrix import matrix
from rich.cells import cell_len
from screens import on_a_terminal
from simulated_jobs import begin, end
from tracking import COMMAND, Installation, simulated

from tracker.core.deliveries.fan_out import Subscription
from tracker.core.ports.store import Checkpoint
from tracker.runtime.clock import now
from tracker.store.opening import open_store

pytestmark = pytest.mark.slow

HOSTILE = "\x1b]0;owned\x07\x1b[31mred\nforged\r\u202e"
WIDE = "模型-七海"
IDS = [f"{number:08x}-0000-4000-8000-000000000000" for number in range(250)]


@pytest.fixture(scope="module")
async def written(tmp_path_factory, anyio_backend):  # noqa: ARG001 - an asynchronous fixture of a module needs it
    """A database of 250 jobs: one that has run for two minutes, one of a wide name, one hostile, the others over."""
    installation = Installation(tmp_path_factory.mktemp("written"), "http://127.0.0.1:1")
    with installation.config.open("a") as config:
        config.write('[[receivers]]\nname = "pipeline"\nkind = "webhook"\nurl = "http://127.0.0.1:1/x"\n')
    began = now() - 120_000
    created = began // 1000

    def first(number, **properties):
        return seen(IDS[number], now=began, **{"created_at": created + number, "model": "mistral-small-latest"} | properties)

    done = {"status": "SUCCESS", "total_requests": 9, "completed_requests": 9, "succeeded_requests": 9}
    async with open_store(installation.database, [Subscription(receiver="pipeline", events=("batch.*",))]) as store:
        await store.checkpoint("default", Checkpoint(since=began, horizon=0))
        await store.record("default", [first(number, **done, completed_at=created + number) for number in range(3, 250)])
        running = first(0, status="RUNNING", total_requests=1000)
        hostile = {"model": HOSTILE, "status": HOSTILE, "metadata": {HOSTILE: HOSTILE}}
        await store.record("default", [running, first(1, status="RUNNING", model=WIDE), first(2, **hostile)])
        for step in range(1, 5):
            counted = {"completed_requests": 100 * step, "succeeded_requests": 100 * step}
            running = moved(running, now=began + 29_000 * step, **counted)
            await store.record("default", [running])
    return installation


def piped(installation, *arguments, **environment):
    return subprocess.run(
        [*COMMAND, "--config", str(installation.config), *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env=installation.environment | environment,
    )


@pytest.mark.parametrize("columns", matrix([60, 80, 120, 200]))
def test_tables_fit_the_terminal(written, columns):
    """No line of `jobs`, `events` and `deliveries` is longer than the terminal, and each has the essential columns."""
    for command, wanted in (
        ("jobs", ("status", IDS[0][:8], "RUNNING", "400/1,000 40 %")),
        ("events", (IDS[0][:8], "batch.progress")),
        ("deliveries", ("pipeline", "pending", "batch.progress")),
    ):
        with on_a_terminal(written, command, "--limit", "20", columns=columns, lines=30) as screen:
            assert screen.ends() == 0
            shown = [line for line in screen.lines if line and not line.startswith("no daemon is running")]
            assert len(shown) == 20 + (command != "events"), screen.text
            assert all(words in screen.text for words in wanted), screen.text
            assert max(map(cell_len, screen.lines)) <= columns
        assert (IDS[0] in screen.text) == (columns >= {"jobs": 110, "deliveries": 150}.get(command, 999))


def test_what_jobs_hold_is_harmless_and_aligned(written):
    """A wide name takes its cells, escape sequences and line breaks become marks; nothing steers the terminal."""
    with on_a_terminal(written, "jobs", "--limit", "3", columns=150) as screen:
        assert screen.ends() == 0
    assert b"\x1b]0;" not in screen.raw
    assert WIDE in "".join(screen.text.split())
    assert "forged" not in [line.split()[0] for line in screen.lines if line]
    assert "no daemon is running" in screen.text
    columns = {line.index("default") for line in screen.lines if "default" in line}
    assert len(columns) == 1, screen.text


@pytest.mark.slow
@pytest.mark.parametrize("environment", matrix([{"NO_COLOR": "1"}, {"TERM": "dumb"}]))
def test_colors_are_left_out_where_they_are_not_wanted(written, environment):
    """A terminal gets colors, but none with NO_COLOR or TERM=dumb, and a pipe gets no escape sequence at all."""
    colored = re.compile(rb"\x1b\[[0-9;]*3[0-9]")
    with on_a_terminal(written, "jobs", "--limit", "3") as screen:
        screen.ends()
        assert colored.search(screen.raw)
    with on_a_terminal(written, "jobs", "--limit", "3", **environment) as screen:
        screen.ends()
        assert not colored.search(screen.raw)
    assert "\x1b" not in piped(written, "jobs", "--limit", "3").stdout


@pytest.mark.slow
def test_long_lists_are_cut_with_a_hint_or_streamed(written):
    """A table has 100 lines unless more are asked for, and says so; --json gives all of them, active ones first."""
    for command, total in (("jobs", 250), ("deliveries", 504)):
        table = piped(written, command)
        assert len(table.stdout.splitlines()) == 101
        assert "--limit N shows more of them, --json all" in table.stderr
        everything = piped(written, command, "--json")
        assert len(everything.stdout.splitlines()) == total
        assert everything.stderr == "no daemon is running; no sweep is recorded\n"
        assert len(piped(written, command, "--limit", "200").stdout.splitlines()) == 201
    jobs = [msgspec.json.decode(line) for line in piped(written, "jobs", "--json").stdout.splitlines()]
    assert [job["id"] for job in jobs] == [IDS[2], IDS[1], IDS[0], *reversed(IDS[3:])]


@pytest.mark.parametrize(
    ("arguments", "count"),
    matrix(
        [
            (("jobs", "--active"), 3),
            (("jobs", "--over"), 247),
            (("jobs", "--model", "模*"), 1),
            (("jobs", "--job", IDS[7][:8]), 1),
            (("jobs", "--since", "1h", "--until", "0s"), 121),
            (("jobs", "--status", "running", "--status", "queued"), 2),
            (("jobs", "--endpoint", "nothing"), 0),
            (("events", "--status", "running", "--limit", "3"), 3),
            (("events", "--type", "batch.progress", "--since", "1h"), 4),
            (("events", "--model", "模*"), 2),
            (("events", "--until", "2020-01-01"), 0),
        ],
        default=2,
    ),
)
def test_filters(written, arguments, count):
    """Each filter shows just what it is for, times as ISO 8601 or as ages."""
    listed = piped(written, *arguments, "--json").stdout.splitlines()
    if arguments[-2:] == ("--until", "0s"):  # they were created a second apart, up to about now
        assert 100 < len(listed) < 250
    else:
        assert len(listed) == count


@pytest.mark.slow
def test_last_events_are_shown_in_the_order_of_the_log(written):
    """`events --limit` takes the end of the log."""
    listed = [
        msgspec.json.decode(line)["seq"] for line in piped(written, "events", "--limit", "7", "--json").stdout.splitlines()
    ]
    assert listed == list(range(listed[-1] - 6, listed[-1] + 1))
    assert listed[-1] == 504


@pytest.mark.slow
@pytest.mark.parametrize("encoding", matrix(["ascii", "latin-1"]))
def test_outputs_that_know_few_characters(written, encoding):
    """JSON stays JSON, and a table shows a mark; neither ends in a traceback."""
    for command in ("jobs", "events"):
        as_json = piped(written, command, "--json", "--model", "模*", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
        assert {msgspec.json.decode(line).get("model", WIDE) for line in as_json.stdout.splitlines()} == {WIDE}
        table = piped(written, command, "--model", "模*", PYTHONIOENCODING=encoding, PYTHONUTF8="0")
        assert (table.returncode, "Traceback" in table.stderr) == (0, False)
        assert IDS[1] in table.stdout


@pytest.mark.parametrize("command", matrix(["jobs", "jobs --json", "events", "deliveries --json", "deliveries", "demo"]))
def test_head_ends_it_quietly(written, command):
    """`… | head -n 1` ends without a traceback, whatever it is that is cut short."""
    line = f"{' '.join(COMMAND)} --config {written.config} {command} | head -n 1"
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=False, timeout=30)
    assert (done.stdout.count("\n"), "Traceback" in done.stderr) == (1, False)


@pytest.mark.parametrize(
    ("typed", "offered"),
    matrix(
        [
            ("wait ", [0, 1, 2]),
            ("wait 00000000", [0]),
            ("job 000000f", [*range(240, 250)]),
            ("events --job 00000007", [7]),
            ("job z", []),
        ]
    ),
)
def test_ids_are_offered_to_the_shell(written, typed, offered):
    """`wait` is completed by the jobs that go on, the others by all, by their beginnings; shells that show words get some."""
    line = f"batch-tracker --config {written.config} {typed}"
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" "))}
    bash = piped(written, _BATCH_TRACKER_COMPLETE="bash_complete", **asked)
    assert sorted(bash.stdout.split()) == [f"plain,{IDS[number]}" for number in offered]
    zsh = piped(written, _BATCH_TRACKER_COMPLETE="zsh_complete", **asked).stdout
    assert zsh.count("mistral-small-latest") == len([number for number in offered if number not in (1, 2)])
    assert "\x1b" not in zsh


def test_top_is_piped_as_one_picture(written):
    """Without a terminal it prints what there is and ends: jobs with what is left, receivers, accounts."""
    shown = piped(written, "top")
    assert shown.returncode == 0
    assert "\x1b" not in shown.stdout
    assert re.search(rf"RUNNING +{IDS[0][:8]} +mistral-small-latest .* 400/1,000 40 % +3\.4/s ", shown.stdout), shown.stdout
    assert "receiver  pipeline  ok  501 pending" in shown.stdout
    assert re.search(
        r"─ overview ─.*\n.* needs .*\n.* active  .*mistral-small-latest █+ 1 .*\n.* ended   [·▁-█]{24}  ", shown.stdout
    )
    assert re.search(r"account   default   ok  .*2 RUNNING  247 SUCCESS", shown.stdout)
    assert "q quit" not in shown.stdout


@pytest.mark.parametrize("way", matrix(["q", "Ctrl-C"]))
def test_top_obeys_its_keys_and_leaves_the_terminal_as_it_was(written, way):
    """Scrolling, all jobs or active ones, another size; then the screen and the cursor are given back, status 0."""
    with on_a_terminal(written, "top", columns=100, lines=24) as screen:
        screen.shows("no daemon is running", "3 active of 250 jobs", IDS[0][:8], "left", "q quit")
        assert screen.color_of("no daemon") == "red"
        assert not screen.echoes
        screen.press(b"a")
        screen.shows("jobs 1 to ")
        screen.press(b"\x1b[B\x1b[Bj")
        screen.shows("jobs 4 to ")
        screen.press(b"a\x1b[A")
        screen.shows("─ jobs ─")
        screen.press(b"o")
        screen.shows("─ overview ─", "needs ", "mistral-small-latest █████ 1", "247 ended")
        screen.press(b"o")
        screen._until(lambda: "─ overview ─" not in screen.text, "the jobs alone")
        screen.resize(60, 20)
        screen.shows("3 active · ")
        assert max(map(cell_len, screen.lines)) <= 60
        if way == "q":
            screen.press(b"q")
        else:
            screen.process.send_signal(signal.SIGINT)
        assert screen.ends() == 0
        assert screen.echoes
    assert screen.raw.rindex(b"\x1b[?1049l") > screen.raw.rindex(b"\x1b[?1049h")
    assert screen.raw.rindex(b"\x1b[?25h") > screen.raw.rindex(b"\x1b[?25l")


async def test_wait_shows_bars_and_then_what_to_download(tmp_path):
    """A bar for each job on the terminal, narrow or wide; in the end what became of it and its files, in color."""
    async with simulated() as simulator:
        first, second = begin(simulator, 2)
        installation = Installation(tmp_path, simulator.url, poll_interval="100ms")
        with on_a_terminal(installation, "wait", first[:8], second, columns=90, lines=12) as screen:
            await anyio.to_thread.run_sync(screen.shows, f"RUNNING  {first[:8]}  ━", f"RUNNING  {second[:8]}  ━", "0/50 0 %")
            end(simulator, first)
            await anyio.to_thread.run_sync(
                screen.shows, f"{first}  Batch completed in ", "  all 50 requests succeeded", "  output_file  "
            )
            assert screen.color_of(first) == "green"
            screen.resize(60, 12)
            end(simulator, second, "partial")
            assert await anyio.to_thread.run_sync(screen.ends) == 1
    assert "40 of 50 requests" in screen.text.replace("\n", "")
    assert "error_file" in screen.text
    assert screen.lines[-1] == "" or "did not succeed" in screen.text
    assert screen.raw.rindex(b"\x1b[?25h") > screen.raw.rindex(b"\x1b[?25l"), "the cursor is back"


@pytest.mark.slow
async def test_wait_shows_lines_without_a_terminal(tmp_path):
    """On a dumb terminal, as in CI, there are lines and no escape sequences."""
    async with simulated() as simulator:
        (job_id,) = begin(simulator)
        installation = Installation(tmp_path, simulator.url, poll_interval="100ms")
        with on_a_terminal(installation, "wait", job_id, CI="true", columns=120) as screen:
            await anyio.to_thread.run_sync(screen.shows, f"{job_id}  RUNNING  0/50 0 %")
            end(simulator, job_id)
            assert await anyio.to_thread.run_sync(screen.ends) == 0
    assert b"\x1b" not in screen.raw
