"""A template gives a message other words, can do nothing else, and says where it is wrong."""

import json
import re
from pathlib import Path

import msgspec
import pytest
from core_samples import NOW, job

from tracker.core.events.event import batch_event, plain_event
from tracker.core.events.message_text import message_text
from tracker.delivery.notifiers.templates.failure import InvalidTemplate, TemplateFailure
from tracker.delivery.notifiers.templates.message_template import MessageTemplate, as_message
from tracker.delivery.notifiers.templates.sandbox import MAX_ITERATIONS, MAX_TEXT
from tracker.delivery.notifiers.templates.trial import failing_samples

URL = "https://ops.example.com"
ERRORS = [{"message": "context too long", "count": 12}]


def doubled(twice, first="[title]"):
    """A template that has a value of twice as much 20 times over."""
    return "".join(f"{{% set a = {each} %}}" for each in [first, *[twice] * 20]) + "{{ a|length }}"


def as_json(event):
    return json.loads(msgspec.json.encode(event))


def event(type_="batch.failed", **changed):
    changed = {"status": "FAILED", "errors": ERRORS} | changed
    return as_json(batch_event(type_, "research", job(**changed), {}, NOW))


def rendered(source, *events, escape=str):
    return MessageTemplate(source, escape).render(events or [event()], URL)


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{{ title }}", "Batch failed: 900 of 1,000 requests done, 20 failed (mistral-small-latest)"),
        ("{{ job_title }} of {{ account }}: {{ first_error }}", "research · run: 7 of research: 12 requests: context too long"),
        ("{{ job.model|upper }} took {{ duration }}", "MISTRAL-SMALL-LATEST took 3h 5m"),
        ("{{ account }}{{ ', after ' ~ duration if not duration }}", "research"),
        ("{{ event.type }} {{ event.data.status }}", "batch.failed FAILED"),
        ("{% if tone == 'bad' %}:fire:{% endif %} {{ lines[0] }}", ":fire: First error: 12 requests: context too long"),
        ("{{ link }}", f"{URL}/jobs/{job().id}?account=research"),
        ("{% for name, value in job.metadata.items() %}{{ name }}={{ value }};{% endfor %}", "team=research;run=7;"),
        ("{{ event.outcome if event.outcome is defined else 'none' }}", "none"),
        ("{{ job.succeeded_requests / job.total_requests * 100 }} %", "88.0 %"),
        ("{{ 'a' ~ 1 ~ 'b' }}{{ ['x', 'y']|join('-') }}{{ 'aa'|replace('a', 'b') }}", "a1bx-ybb"),
        ("{{ job.metadata }}{{ none }}{{ true }}", '{"team":"research","run":"7"}true'),
    ],
)
def test_variables_of_a_template(source, text):
    """What the documents promise: the standard text and its parts, the event as its JSON, and its job."""
    assert rendered(source) == text


def test_text_is_the_standard_text():
    """A template may add to what would be sent without it."""
    assert rendered("Look: {{ text }}") == f"Look: {message_text([event()], URL)}"


@pytest.mark.parametrize(
    ("source", "failure"),
    [
        ("a\n{{ job.modle }}", TemplateFailure(2, "'dict object' has no attribute 'modle'")),
        ("{% set x = 1 %}\n\n{{ y }}", TemplateFailure(3, "'y' is undefined")),
        ("{{ 1 / 0 }}", TemplateFailure(1, "division by zero")),
        (" \n ", TemplateFailure(0, "it gives no text")),
        ("{{ ''.__class__ }}", TemplateFailure(1, "access to attribute '__class__' of 'str' object is unsafe")),
        ("{{ job.clear() }}", TemplateFailure(1, "access to attribute 'clear' of 'dict' object is unsafe")),
        ("{{ 'x'.ljust(999) }}", TemplateFailure(1, "access to attribute 'ljust' of 'str' object is unsafe")),
        ("{{ '{:>9}'.format(1) }}", TemplateFailure(1, "access to attribute 'format' of 'str' object is unsafe")),
        ("{{ 'x' * 999999999 }}", TemplateFailure(1, "`*` is only for numbers")),
        ("{{ '%999999999d' % 1 }}", TemplateFailure(1, "`%` is only for numbers")),
        ("{{ 9 ** 99999 }}", TemplateFailure(1, "`**` is not allowed")),
        ("{{ range(99999) }}", TemplateFailure(1, "a range has at most 1000 numbers")),
        ("{% for a in range(99) %}{% for b in range(99) %}{% endfor %}{% endfor %}",
         TemplateFailure(1, f"its loops go round more than {MAX_ITERATIONS} times")),
        (doubled("[a, a]"), TemplateFailure(1, "the value is too long")),
        (doubled("(a, a)"), TemplateFailure(1, "the value is too long")),
        (doubled("{1: a, 2: a}"), TemplateFailure(1, "the value is too long")),
        ("{% set a = range(999)|list %}{% set b = [a] + [a] %}" + doubled("a + a", "b"),
         TemplateFailure(1, "the value is too long")),
        ("{{ event.items }}",
         TemplateFailure(1, "found a builtin_function_or_method, expected text, a number, a list or a table")),
        ("{% for a in lines %}{{ loop }}{% endfor %}",
         TemplateFailure(1, "found a LoopContext, expected text, a number, a list or a table")),
        ("{% set a = 'x'|replace('x', 'y' * 1) %}", TemplateFailure(1, "`*` is only for numbers")),
    ],
)  # fmt: skip
def test_mistake_is_a_failure_with_its_line(source, failure):
    """What does not exist, may not be reached, or would take too long or too much memory, is a failure and no more."""
    assert rendered(source) == failure


@pytest.mark.parametrize("growth", ["x ~ x", "x + x", "[x, x]|join", "x|replace('a', 'aa')"])
def test_text_cannot_grow_without_end(growth):
    """A text that doubles with each line is stopped while it is small."""
    failure = rendered("{% set x = 'aaaaaaaaaa' %}" + f"{{% set x = {growth} %}}" * 60 + "{{ x }}")
    assert isinstance(failure, TemplateFailure)


def test_text_is_cut():
    """What is longer than any message is not made."""
    assert len(rendered("{% for a in range(1000) %}" + "x" * 50 + "{% endfor %}")) == MAX_TEXT


@pytest.mark.parametrize(
    ("source", "mistake"),
    [
        ("a\n{{ title", "line 2: unexpected end of template, expected 'end of print statement'"),
        ("{% include 'x' %}", "line 1: `include` is not allowed"),
        ("\n{% import 'x' as y %}", "line 2: `import` is not allowed"),
        ("{% macro m() %}{{ m() }}{% endmacro %}", "line 1: `macro` is not allowed"),
        ("{% for a in lines recursive %}{% endfor %}", "line 1: a loop that is `recursive` is not allowed"),
        ("{{ title|nofilter }}", "line 1: No filter named 'nofilter'"),
        ("{{ title|xmlattr }}", "line 1: No filter named 'xmlattr'"),
    ],
)
def test_template_that_cannot_be_read_is_refused(source, mistake):
    """A mistake of the language is found before anything is rendered, with its line."""
    with pytest.raises(InvalidTemplate) as raised:
        MessageTemplate(source)
    assert str(raised.value) == mistake


def test_burst_has_the_standard_text_unless_the_template_knows_events():
    """A template of one event is not rendered for a burst; one that uses `events` is, with the last of each job."""
    burst = [event("batch.started", id="a"), event(id="a"), event(id="b")]
    assert rendered("{{ title }}", *burst) is None
    assert (
        rendered("{{ events|length }}: {{ events|map(attribute='type')|join(', ') }}", *burst)
        == "2: batch.failed, batch.failed"
    )


def test_values_are_escaped_and_the_template_is_not():
    """What a job says is text, without a mention of everyone; the template's own formatting stays."""
    hostile = event(metadata={"name": "<!channel> @here\x1b[31m"})
    text = rendered("<!here> *{{ job.metadata.name }}*", hostile, escape=lambda value: value.replace("<", "&lt;"))
    assert text == "<!here> *&lt;!channel> \N{FULLWIDTH COMMERCIAL AT}here[31m*"


def test_first_line_is_the_title():
    """In the place of the standard text a rendered one has its first line as title; the link is added unless it has it."""
    standard = message_text([event()], URL)
    message = as_message("One\nTwo\nThree", standard)
    assert (message.title, message.lines, message.link, message.tone) == ("One", ("Two", "Three"), standard.link, "bad")
    assert as_message(f"One {standard.link}", standard).link == ""


def test_trial_names_each_type_that_fails():
    """Each type that the receiver gets is tried, and a burst; a type that it does not get is not."""
    failing = failing_samples(MessageTemplate("{{ title }}\n{{ job.model }}"), ["batch.failed", "account.*"], "eu", URL, NOW)
    samples = "a sample of account.unreachable, a sample of account.recovered"
    assert list(failing) == [f"line 2: 'dict object' has no attribute 'model', with {samples}"]
    assert not list(failing_samples(MessageTemplate("{{ title }} {{ job.model }}"), ["batch.*"], "eu", None, NOW))
    (burst,) = failing_samples(
        MessageTemplate("{{ title }}{% if events|length > 1 %}{{ x }}{% endif %}"), ["batch.*"], "", URL, NOW
    )
    assert burst == "line 1: 'x' is undefined, with a burst of all types"


def test_example_of_the_documents_is_a_template():
    """The example of config/README.md gives a text about an event of each type, and what it looks like to give."""
    document = (Path(__file__).parents[2] / "config" / "README.md").read_text("utf-8")
    (source,) = re.findall(r"```jinja\n(.*?)```", document, re.DOTALL)
    assert list(failing_samples(MessageTemplate(source), ["*"], "default", URL, NOW)) == []
    assert rendered(source).splitlines() == [
        "<!here> *Batch failed: 900 of 1,000 requests done, 20 failed (mistral-small-latest)*",
        "research · run: 7 of research, after 3h 5m",
        "> 12 requests: context too long",
    ]


def test_account_has_no_job():
    """Of an event about an account `job` is empty, so that a template can ask."""
    down = as_json(
        plain_event("account.unreachable", "eu", {"account": "eu", "reason": "network", "detail": "", "since": ""}, NOW)
    )
    assert rendered("{% if job %}{{ job.model }}{% else %}{{ account }}{{ duration }}{% endif %}", down) == "eu"
