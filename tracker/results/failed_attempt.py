"""Owns why an attempt to archive a file failed, where a later one may succeed."""

from typing import Final, Literal

import msgspec

from tracker.core.errors.provider_failure import Failure

ARCHIVE: Final = "archive"
"""The archive cannot be written or read."""

DISK_FULL: Final = "disk_full"
"""There is too little free space where the archive is written."""

CONTRADICTED: Final = "contradicted"
"""The content contradicts the API's facts about the file."""


class FailedAttempt(msgspec.Struct, frozen=True, kw_only=True):
    """`reason` is a metric's label: one of these, or of `Reason`. `detail` is a sentence, with nothing of the content.

    `retry_after` is the wait that the API requested, in seconds. `others_fail`: whether the files of other jobs would fail
    likewise; "perhaps" where the API did not answer or the archive failed, which may be for this file alone.
    """

    reason: str
    detail: str
    retry_after: float | None = None
    others_fail: Literal["no", "perhaps", "yes"] = "no"


def failed_attempt_of(failure: Failure) -> FailedAttempt:
    return FailedAttempt(
        reason=failure.reason,
        detail=failure.detail,
        retry_after=failure.retry_after,
        others_fail="yes" if failure.refuses_account else "perhaps" if failure.concerns_account else "no",
    )
