"""What the configuration and the environment say of traces: off by default, the file first, and each mistake named."""

import re

import pytest
from authority import Authority

from tracker.config.reloadable_changes import apply_changes
from tracker.config.telemetry import Telemetry
from tracker.config.warnings.security_warnings import security_warnings
from tracker.core.errors.config_error import ConfigError
from tracker.daemon.load_configuration import load

ACCOUNT = '[[accounts]]\nname = "a"\napi_key = { env = "KEY" }\n'
ENVIRON = {"HOME": "/nowhere", "KEY": "k" * 32, "OTLP_KEY": "canary-otlp-key"}
ON = "[telemetry]\ntraces = true\n"


@pytest.fixture
def config(tmp_path):
    def config(text="", **environ):
        (tmp_path / "tracker.toml").write_text(ACCOUNT + text)
        return load(str(tmp_path / "tracker.toml"), ENVIRON | environ)

    return config


@pytest.fixture
def mistakes(config, tmp_path):
    def mistakes(text="", **environ):
        with pytest.raises(ConfigError) as raised:
            config(text, **environ)
        assert "canary" not in str(raised.value)
        file = re.escape(str(tmp_path / "tracker.toml"))
        return [re.sub(rf"^{file}:(?:[0-9]+: )? ?", "", line) for line in str(raised.value).splitlines()]

    return mistakes


@pytest.mark.parametrize(
    ("text", "environ", "traces"),
    [
        ("", {}, False),
        ("", {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"}, False),
        ("", {"OTEL_TRACES_EXPORTER": "otlp"}, True),
        ("", {"OTEL_TRACES_EXPORTER": "console"}, False),
        (ON, {}, True),
        (ON, {"OTEL_TRACES_EXPORTER": "none"}, True),
        (ON, {"OTEL_SDK_DISABLED": "TRUE"}, False),
        ("[telemetry]\ntraces = false\n", {"OTEL_TRACES_EXPORTER": "otlp"}, False),
    ],
)
def test_traces_are_off_unless_they_are_asked_for(config, text, environ, traces):
    """The file or $OTEL_TRACES_EXPORTER asks for them, the file first; an endpoint alone does not, and the switch wins."""
    assert config(text, **environ).telemetry.traces is traces


def test_defaults_are_those_of_opentelemetry(config):
    """With nothing but `traces` they go to a collector on this machine, all of them, with the specification's limits."""
    assert config(ON).telemetry == Telemetry(traces=True)
    assert Telemetry().endpoint == "http://localhost:4318/v1/traces"


@pytest.mark.parametrize(
    ("text", "environ", "endpoint"),
    [
        (ON, {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c:1/otlp/"}, "https://c:1/otlp/v1/traces"),
        (ON, {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://c/as-it-is"}, "https://c/as-it-is"),
        (
            ON,
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "https://c", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t/x"},
            "https://t/x",
        ),
        (ON + 'endpoint = "https://f"\n', {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "https://t/x"}, "https://f/v1/traces"),
        (ON + 'endpoint = "https://f/v1/traces"\n', {}, "https://f/v1/traces"),
    ],
)
def test_endpoint_is_that_of_the_file_else_of_traces_else_of_all(config, text, environ, endpoint):
    """What names a collector gets the path of traces; what names traces is used as it is."""
    assert config(text, **environ).telemetry.endpoint == endpoint


def test_environment_says_the_rest(config, tmp_path):
    """Every variable of the specification that says how spans are exported is read."""
    authority = Authority(tmp_path)
    cert, key = authority.issue("client")
    telemetry = config(
        ON,
        OTEL_EXPORTER_OTLP_HEADERS="ignored=1",
        OTEL_EXPORTER_OTLP_TRACES_HEADERS="api-key=canary%20key, X-Scope=one",
        OTEL_EXPORTER_OTLP_TIMEOUT="2500",
        OTEL_EXPORTER_OTLP_COMPRESSION="gzip",
        OTEL_EXPORTER_OTLP_PROTOCOL="http/protobuf",
        OTEL_EXPORTER_OTLP_CERTIFICATE=str(authority.ca),
        OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE=str(cert),
        OTEL_EXPORTER_OTLP_CLIENT_KEY=str(key),
        OTEL_TRACES_SAMPLER="parentbased_traceidratio",
        OTEL_TRACES_SAMPLER_ARG="0.25",
        OTEL_BSP_SCHEDULE_DELAY="100",
        OTEL_BSP_MAX_QUEUE_SIZE="50",
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE="10",
        OTEL_RESOURCE_ATTRIBUTES="deployment.environment.name=prod,service.name=other,note=a%2Cb",
        OTEL_SERVICE_NAME="tracker-eu",
    ).telemetry
    assert [(each.name, each.value.reveal(), each.secret) for each in telemetry.headers] == [
        ("api-key", "canary key", True),
        ("x-scope", "one", True),
    ]
    assert telemetry.tls.certificate.cert == cert
    assert (telemetry.timeout, telemetry.compress, telemetry.sampled_share) == (2.5, True, 0.25)
    assert (telemetry.delay, telemetry.queue_size, telemetry.batch_size) == (0.1, 50, 10)
    assert dict(telemetry.resource) == {
        "service.name": "tracker-eu",
        "deployment.environment.name": "prod",
        "note": "a,b",
    }


@pytest.mark.parametrize(("sampler", "share"), [("always_on", 1.0), ("parentbased_always_off", 0.0), ("traceidratio", 1.0)])
def test_samplers(config, sampler, share):
    """Each sampler is a share of the traces."""
    assert config(ON, OTEL_TRACES_SAMPLER=sampler).telemetry.sampled_share == share


def test_headers_of_the_file_are_secrets_that_are_redacted(config):
    """A key by reference is a secret of the configuration, and shown by nothing; the environment's is too."""
    loaded = config(ON + 'headers = { Authorization = { env = "OTLP_KEY" }, X-Scope = "plain" }\n')
    assert [each.name for each in loaded.telemetry.headers] == ["authorization", "x-scope"]
    assert "canary-otlp-key" in loaded.secrets()
    assert "canary" not in repr(loaded)
    assert "canary key" in config(ON, OTEL_EXPORTER_OTLP_HEADERS="k=canary%20key").secrets()


@pytest.mark.parametrize(
    ("text", "environ", "mistake"),
    [
        ("[telemetry]\ntraces = 1\n", {}, "telemetry.traces: found 1, expected true or false"),
        ("[telemetry]\ntrace = true\n", {}, "telemetry.trace: unknown key; did you mean `traces`?"),
        (ON + 'endpoint = "collector:4318"\n', {}, "telemetry.endpoint: found 'collector:4318', expected an http or https URL"),
        (ON + 'headers = { Host = "x" }\n', {}, "telemetry.headers.Host: found a header that is set with each request"),
        (ON, {"OTEL_EXPORTER_OTLP_ENDPOINT": "ftp://x"}, "$OTEL_EXPORTER_OTLP_ENDPOINT: found 'ftp://x', expected an http"),
        (
            ON,
            {"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "$OTEL_EXPORTER_OTLP_PROTOCOL: found 'grpc', expected 'http/protobuf'",
        ),
        (
            ON,
            {"OTEL_EXPORTER_OTLP_TRACES_HEADERS": "canary"},
            "$OTEL_EXPORTER_OTLP_TRACES_HEADERS: found an entry (not shown) that is not NAME=VALUE",
        ),
        (
            ON,
            {"OTEL_EXPORTER_OTLP_HEADERS": "host=canary"},
            "$OTEL_EXPORTER_OTLP_HEADERS.host: found a header that is set with each request",
        ),
        (ON, {"OTEL_EXPORTER_OTLP_TIMEOUT": "10s"}, "$OTEL_EXPORTER_OTLP_TIMEOUT: found '10s', expected a whole number from 1"),
        (ON, {"OTEL_TRACES_SAMPLER": "jaeger_remote"}, "$OTEL_TRACES_SAMPLER: found 'jaeger_remote', expected 'always_on'"),
        (
            ON,
            {"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "2"},
            "$OTEL_TRACES_SAMPLER_ARG: found '2', expected a number from 0 to 1",
        ),
        (
            ON,
            {"OTEL_EXPORTER_OTLP_CERTIFICATE": "/nowhere/ca.pem"},
            "$OTEL_EXPORTER_OTLP_CERTIFICATE: the file /nowhere/ca.pem cannot be read",
        ),
        (
            ON,
            {"OTEL_EXPORTER_OTLP_CLIENT_KEY": "/nowhere/key.pem"},
            "$OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE: missing, expected the path of a certificate as PEM",
        ),
    ],
)
def test_mistakes_name_the_key_or_the_variable(mistakes, text, environ, mistake):
    """What is wrong is said by its key or its variable, with what was found and what is expected, and without a secret."""
    assert mistakes(text, **environ)[0].startswith(mistake)


def test_variables_of_a_program_that_exports_no_traces_are_not_read(config):
    """What the environment has for other programs is no mistake where traces are off."""
    assert config(OTEL_EXPORTER_OTLP_PROTOCOL="grpc", OTEL_TRACES_SAMPLER="x").telemetry == Telemetry()


def test_missing_extra_is_said_with_what_installs_it(mistakes, monkeypatch):
    """Where OpenTelemetry's classes are not installed the configuration is refused, and says how to install them."""
    monkeypatch.setattr("tracker.config.sections.telemetry_section.find_spec", lambda _: None)
    expected = "needs the extra opentelemetry: pip install 'batch-tracker[opentelemetry]', or set it to false"
    found = "telemetry.traces: found true, or otlp in $OTEL_TRACES_EXPORTER, which"
    assert mistakes(ON) == mistakes(OTEL_TRACES_EXPORTER="otlp") == [f"{found} {expected}"]


def test_another_collector_needs_a_restart(config):
    """A reload says that [telemetry] changes at the next start, and keeps what is in force."""
    old, new = config(ON), config(ON + 'endpoint = "https://new"\n')
    in_force, difference = apply_changes(old, new)
    assert in_force.telemetry == old.telemetry
    assert difference.restart == ("telemetry.endpoint",)


@pytest.mark.parametrize(
    ("endpoint", "warned"), [("http://collector.example", 1), ("http://127.0.0.1:4318", 0), ("https://c", 0)]
)
def test_collector_elsewhere_without_tls_is_warned_of(config, endpoint, warned):
    """Traces and headers that go to another machine in plain text are a warning, as a receiver's events are."""
    found = [each for each in security_warnings(config(ON + f'endpoint = "{endpoint}"\n')) if each.what == "telemetry.endpoint"]
    assert len(found) == warned
