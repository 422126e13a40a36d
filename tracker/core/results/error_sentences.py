"""Owns why requests of a job failed, as sentences: from the digest of its result files, else from the job's own errors."""

from collections.abc import Mapping
from typing import Any, Final

from tracker.core.jobs.request_errors import LONGEST_SENTENCE, LONGEST_SUMMARY, as_many_as_fit, error_sentences
from tracker.core.results.message_normalization import normalize_message
from tracker.core.text.one_line import one_line

MOST_SHOWN: Final = 3
"""Errors that a message names."""

_STATUS_ALONE: Final = normalize_message("HTTP 429")
"""The message of a group whose lines have a status and no message."""


def frequent_errors(job: Mapping[str, Any], digest: Mapping[str, Any] | None, most: int = MOST_SHOWN) -> list[str]:
    """The most frequent errors of `job`, at most `most`, and one more line that counts the others, if there are any.

    Both are JSON. Each line is printable and has at most 300 characters: "12 requests: rate limited (HTTP 429)". Empty if
    neither gives a reason.
    """
    return (digest_sentences(digest, most) if digest else []) or error_sentences(job, most)


def digest_summary(digest: Mapping[str, Any] | None, longest: int = LONGEST_SUMMARY) -> str:
    """The first failure groups of `digest` (its JSON) as one line of at most `longest` characters; empty without one."""
    return as_many_as_fit(lambda most: digest_sentences(digest, most), longest) if digest else ""


def digest_sentences(digest: Mapping[str, Any], most: int) -> list[str]:
    """The failure groups of `digest` (its JSON), then the job's errors that are in no group, at most `most`; see above."""
    groups, job_errors = digest.get("groups") or [], digest.get("job_errors") or []
    sentences = [*map(group_sentence, groups), *(one_line(str(each), LONGEST_SENTENCE) for each in job_errors)]
    others = max(0, len(sentences) - most) + (digest.get("groups_omitted") or 0)
    return [*sentences[:most], f"and {others:,} other error{'' if others == 1 else 's'}"] if others else sentences[:most]


def group_sentence(group: Mapping[str, Any]) -> str:
    """A failure group (its JSON) in one line: "12 requests: rate limited (HTTP 429, rate_limited)"."""
    count, (message, about) = group.get("count"), group_message(group)
    words = f"{message} ({', '.join(about)})" if about else message
    return one_line(f"{count:,} request{'' if count == 1 else 's'}: {words}", LONGEST_SENTENCE)


def group_message(group: Mapping[str, Any]) -> tuple[str, list[str]]:
    """The message of a failure group (its JSON), and its status and code: "rate limited", ["HTTP 429", "rate_limited"].

    Where the lines say nothing but a status, this is the message: "HTTP 503", [].
    """
    status, code, message = (group.get(name) for name in ("status", "code", "message"))
    about = [f"HTTP {status}"] if status else []
    if code and str(code) != str(status):
        about.append(str(code))
    return (about.pop(0), about) if status and message == _STATUS_ALONE else (str(message), about)


def group_sample(group: Mapping[str, Any]) -> str | None:
    """The sample of a failure group (its JSON); None if it adds nothing to the message."""
    sample = group.get("sample")
    return sample if sample and sample not in (group.get("message"), group_message(group)[0]) else None
