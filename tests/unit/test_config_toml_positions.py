"""Each mistake in a configuration names the line of what it is about, however the file is laid out."""

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracker.config.toml.toml_positions import line_of_excess, lines_of, with_lines
from tracker.core.errors.config_error import ConfigError
from tracker.daemon.load_configuration import load

LAYOUT = '''# [[accounts]]
[storage]
note = """
[[accounts]]
name = "decoy" \\""" """"

[[accounts]]   # the first
"name" = 1
api_key.env = "KEY"
api_key.extra = 2

[[ accounts ]]
name = 'two words'
api_key = { env = "KEY" }
poll_interval = 5
[http]
listen = [
  "127.0.0.1:0",  # ] } "
  7,
]
[[receivers]]
[[receivers]]
name = "r"
kind = "webhook"
url = "https://a"
retry = [ "5s", [ ], { a = [ 1, { b = 2 } ] },
  "x" ]
match = { model = '', metadata = { team = 5 }, modle = LITERAL }
[receivers.match2]
"[[x]]" = 1
'''.replace("LITERAL", "'''[[accounts]]\n'''")


def test_every_mistake_names_its_line(tmp_path):
    """Keys, dotted and quoted ones, later tables, inline ones: each by its own line; what is missing, by its table's."""
    file = tmp_path / "tracker.toml"
    file.write_text(LAYOUT, "utf-8")
    with pytest.raises(ConfigError) as raised:
        load(str(file), {"HOME": "/home/someone", "KEY": "key-of-test"})
    found = [line.removeprefix(f"{file}:").split(": ")[:2] for line in str(raised.value).splitlines()]
    assert {where: int(line) for line, where in found} == {
        "storage.note": 3,
        "http.listen": 17,
        "accounts[0].name": 8,
        "accounts[0].api_key": 9,
        "accounts[1].name": 13,
        "accounts[1].poll_interval": 15,
        "receivers[0].name": 21,
        "receivers[0].kind": 21,
        "receivers[0].url": 21,
        "receivers[1].retry": 26,
        "receivers[1].match.model": 28,
        "receivers[1].match.metadata": 28,
        "receivers[1].match.modle": 28,
        "receivers[1].match2": 30,
    }


@pytest.mark.parametrize("ends", ["\n", "\r\n"], ids=["LF", "CRLF"])
def test_ends_of_lines(ends):
    """A file from Windows has the same lines."""
    assert lines_of(LAYOUT.replace("\n", ends)) == lines_of(LAYOUT)


def test_a_missing_table_stands_on_the_first_line():
    """What no line is about is about the whole file."""
    assert with_lines("t.toml", "\n\na = 1\n", ["accounts: found none", "a.b[0]: c", "none"]) == [
        "t.toml:1: accounts: found none",
        "t.toml:3: a.b[0]: c",
        "t.toml:1: none",
    ]


@pytest.mark.parametrize("text", [f"a{'.a' * 50_000} = 1\n", f"[a{'.a' * 50_000}]\nb = 1\n"], ids=["key", "header"])
def test_a_path_without_an_end(text):
    """A key of 50,000 parts costs no more than its length."""
    assert len(lines_of(text * 3)) < 20


def test_what_gives_no_place():
    """A number of thousands of digits is found by its line, as brackets without an end are; strings do not count."""
    assert line_of_excess("a = 1\nb = " + "9" * 5000) == 2
    assert line_of_excess('a = "' + "[" * 200 + '"\nb = [\n' + "[" * 200) == 3


names = st.integers(0, 10**9).map("k{}".format)
decoys = st.sampled_from(["[[accounts]]", "x = 1", "# y", "]", "}", "'", "a, b", "=", "[", "{", ""])
spaces = st.sampled_from(["", " ", "\t", "  "])
breaks = st.sampled_from(["", "\n", " # ]'\"\n", "\n\n"])
scalars = (
    st.sampled_from(["1", "-1.5", "true", "2026-01-02T03:04:05.6Z", "1979-05-27 07:32:00", "nan", "1_000", "0xff"])
    | decoys.map(lambda text: f'"{text}\\""')
    | decoys.filter(lambda text: "'" not in text).map("'{}'".format)
    | st.tuples(decoys, decoys).map('"""\n{0[0]}\\"\n""{0[1]}\n"""""'.format)
    | st.tuples(decoys, decoys).map(lambda two: "'''\n{}\n''{}\n'''''".format(*(each.strip("'") for each in two)))
)


@st.composite
def keys(draw):
    """A key of one or two parts, each written in one of three ways."""
    written = st.sampled_from(["{}", '"{}"', "'{}'"])
    parts = [draw(written).format(draw(names)) for _ in range(draw(st.integers(1, 2)))]
    return draw(st.sampled_from([".", " . "])).join(parts)


@st.composite
def tables(draw, values):
    """An inline table."""
    pairs = [f"{draw(keys())}{draw(spaces)}={draw(spaces)}{draw(values)}" for _ in range(draw(st.integers(0, 3)))]
    return f"{{ {', '.join(pairs)} }}"


@st.composite
def arrays(draw, values):
    """An array over several lines, with comments."""
    items = [f"{draw(breaks)}{draw(values)}{draw(breaks)}" for _ in range(draw(st.integers(0, 3)))]
    return f"[{','.join(items)}{draw(breaks)}]"


values = st.recursive(scalars, lambda inner: tables(inner) | arrays(inner), max_leaves=6)


headers = st.sampled_from(["[[a]]", "[[a.b]]", "[[ 'a' ]]", "[{}]", "[a.{}]", "[{}.{}]"])


@st.composite
def documents(draw):
    """A document whose keys all have names of their own, but for the arrays of tables `a` and `a.b`."""
    lines = []
    for header in ["", *draw(st.lists(headers, max_size=6))]:
        if header and header not in ("[[a]]", "[[ 'a' ]]") and "a" in header and "[[a]]" not in lines:
            continue
        lines.append("[[a]]" if "'a'" in header else header.format(draw(names), draw(names)))
        lines += [
            f"{draw(spaces)}{draw(keys())}{draw(spaces)}={draw(spaces)}{draw(values)}{draw(st.sampled_from(['', ' # [b]']))}"
            for _ in range(draw(st.integers(0, 3)))
        ]
    return "\n".join(lines)


def paths(value, path=""):
    """The path of everything in a value that `tomllib` has read."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        here = f"{path}[{key}]" if isinstance(value, list) else f"{path}.{key}".removeprefix(".")
        yield here
        yield from paths(each, here)


@given(text=documents())
def test_any_layout(text):
    """The keys that are found are those that `tomllib` finds, and each stands in the line that is given."""
    try:
        parsed = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return  # the same name twice
    lines = text.split("\n")
    found = lines_of(text)
    assert found.keys() == {path for path in paths(parsed) if path.count(".") + path.count("[") < 8} | {
        path for path in found if path.count(".") + path.count("[") >= 8
    }
    for path, line in found.items():
        if not path.endswith("]") and path.rpartition(".")[2] not in ("a", "b"):
            assert path.rpartition(".")[2] in lines[line - 1]
    tables_of_a = [number for number, line in enumerate(lines, 1) if line == "[[a]]"]
    assert [found[f"a[{index}]"] for index in range(len(tables_of_a))] == tables_of_a
