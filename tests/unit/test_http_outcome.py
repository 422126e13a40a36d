"""What is kept of a bad answer: its beginning, and nothing secret of the URL that it may quote."""

import pytest
from core_samples import NOW

from tracker.core.deliveries.delivery import Result
from tracker.delivery.notifiers.http_outcome import MAX_KEPT_ANSWER, outcome_of
from tracker.http.client import Answer, NoAnswer

URL = "https://user-one:pass-word-two@example.com:8443/hooks/T0-canary/B0canary?key=a%2Fcanary%20key&v=1"


def kept(body, url=URL):
    return outcome_of(Answer(404, {}, body.encode()), NOW, url).answer


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ("", ""),
        ("no such page", "no such page"),
        ("Cannot POST /hooks/T0-canary/B0canary", "Cannot POST /hooks/[redacted]/[redacted]"),
        ("<pre>T0-canary</pre>", "<pre>[redacted]</pre>"),
        ("T0-canary T0-canary", "[redacted] [redacted]"),
        ("T0-canary2 B0canary-3 xB0canary", "T0-canary2 B0canary-3 xB0canary"),
        (r"{\"path\": \"\/hooks\/T0-canary\/B0canary\"}", r"{\"path\": \"\/hooks\/[redacted]\/[redacted]\"}"),
        ("?key=a%2Fcanary%20key&amp;v=1", "?key=[redacted]&amp;v=1"),
        ("key is 'a/canary key'", "key is '[redacted]'"),
        ("user-one:pass-word-two@example.com", "[redacted]:[redacted]@example.com"),
        ("hooks key v 1 example.com", "hooks key v 1 example.com"),
    ],
)
def test_secret_parts_of_the_url_are_left_out(body, answer):
    """The user and all longer parts of path and query, as they are or decoded; the host and short words stay."""
    assert kept(body) == answer


def test_long_part_is_left_out_wherever_it_stands():
    """A part that is too long to be a word by chance is left out even where it is glued to others."""
    assert kept("xT0-canary-B0-canary1", "https://example.com/T0-canary-B0-canary") == "x[redacted]1"


def test_word_of_the_url_is_left_in_other_words():
    """The parts of a URL that are words leave the words of an answer that have them in them."""
    assert kept("the webhooks-api of batches-old", "https://example.com/webhooks/batches") == "the webhooks-api of batches-old"


def test_part_that_begins_with_another_is_left_out_whole():
    """The longer of two parts is not left half."""
    assert kept("canary-and-more canary", "https://example.com/canary/canary-and-more") == "[redacted] [redacted]"


@pytest.mark.parametrize("url", ["", "https://example.com", "https://example.com/", "https://example.com/a/b?c=d"])
def test_url_without_a_secret_changes_nothing(url):
    """An answer is kept as it came where there is nothing to hide."""
    assert kept("https://example.com/a/b?c=d", url) == "https://example.com/a/b?c=d"


@pytest.mark.parametrize("before", range(MAX_KEPT_ANSWER - 12, MAX_KEPT_ANSWER + 1))
def test_nothing_of_a_secret_stands_at_the_cut(before):
    """Wherever a secret begins before the end of what is kept, none of its letters are."""
    answer = kept("." * before + "T0-canary")
    assert len(answer) <= MAX_KEPT_ANSWER
    assert not set("T0-y") & set(answer)


def test_answer_that_is_none_and_a_success_keep_nothing():
    """There is nothing to keep of what did not come, or of a 2xx."""
    assert outcome_of(NoAnswer("ReadError"), NOW, URL).answer == ""
    assert outcome_of(Answer(200, {}, b"fine"), NOW, URL).answer == ""
    assert outcome_of(Answer(200, {}, b"fine"), NOW, URL).result is Result.DELIVERED
