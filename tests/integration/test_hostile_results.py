"""Unexpected contents: each is archived to the byte, recorded and read again, and ends no archiver."""

import json

import pytest
from archive_world import archive_world
from files_api import File, sha256

DEEP = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
FAILED = '{"custom_id": %s, "response": null, "error": %s}'
CONTENTS = {
    "half of a surrogate pair": FAILED % ('"\\ud800"', '"\\udfff quota \\ud800"'),
    "NUL": FAILED % ('"\\u0000"', '{"message": "\\u0000", "code": "\\u0000"}'),
    "controls": FAILED % ('"\\u001b[2J"', '"\\u001b]0;title\\u0007 \\u202e \\u2028"'),
    "huge numbers": '{"response": {"status_code": 1e999, "body": {"usage": {"total_tokens": %s}}}}' % ("9" * 5000),
    "no numbers": '{"response": {"status_code": NaN, "body": {"usage": {"total_tokens": -Infinity}}}}',
    "negative usage": '{"response": {"status_code": 200, "body": {"usage": {"total_tokens": -5, "prompt_tokens": 1.5}}}}',
    "every type where a text is expected": FAILED % ("[1]", '{"message": {"a": [null]}, "code": true}'),
    "a model that is no text": '{"response": {"status_code": 200, "body": {"model": ["m"], "usage": "none"}}}',
    "a model of a megabyte": '{"response": {"status_code": 200, "body": {"model": "%s", "usage": {}}}}' % ("m" * 1_000_000),
    "no object": '[1, 2]\n"text"\nnull\n7',
    "twice the same key": '{"error": null, "error": "a", "error": {"message": "b"}}',
    "not UTF-8": b'{"custom_id": "\xff\xfe", "error": "\xc3"}',
    "UTF-16": '{"custom_id": "1"}'.encode("utf-16"),
    "a byte order mark": b'\xef\xbb\xbf{"custom_id": "1", "error": "a"}',
    "carriage returns": b'{"custom_id": "1", "error": "a"}\r\n\r{"custom_id": "2", "error": "b"}\r',
    "deep JSON": DEEP,
    "one long line": b'{"custom_id": "' + b"x" * 20_000_000 + b'"}',
    "no line at all": b"\n" * 100_000,
    "zeros": bytes(3_000_000),
}


@pytest.mark.parametrize("what", CONTENTS)
async def test_hostile_content_is_archived(tmp_path, what):
    """Whatever the lines are, the file is stored and its results can be read from the log, by other programs too."""
    content = CONTENTS[what]
    data = (content if isinstance(content, bytes) else content.encode()) + b"\n"
    async with archive_world(tmp_path, out=File(data, num_lines=None)) as world:
        archiver, task = world.archiver(), await world.ended(output_file="out")
        for _ in range(3):  # of a file whose last line is not readable three equal downloads are believed
            if not world.observed.results:
                await archiver.archive_once(task)
        found = await world.results()
    assert world.observed.results[0].files[0].sha256 == sha256(data)
    said = json.dumps(found, ensure_ascii=False).encode()
    assert len(said) < 32_768
    assert found["digest"]["failed"] + found["digest"]["unreadable"] + found["usage"]["total"]["requests"] >= (
        what[:4] != "no l"
    )
