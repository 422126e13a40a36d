"""Owns the error messages of downloads."""

from tracker.cli.command_errors import CommandError
from tracker.core.errors.provider_failure import FORBIDDEN, Failure, Reason
from tracker.core.text.escaping import plain


class DownloadError(CommandError):
    """A file cannot be downloaded; the message says which, and why."""

    def __init__(self, message: str, *, status: int = 1) -> None:
        super().__init__(plain(message))
        self.status = status


def refused(what: str, account: str, failure: Failure) -> DownloadError:
    """The error that says why the API of `account` does not give `what`: a file, or the job."""
    if failure.status == FORBIDDEN:
        return DownloadError(f"{what} may not be read with the key of account {account} ({failure.detail})")
    match failure.reason:
        case Reason.NOT_FOUND:
            return DownloadError(f"{what} does not exist any more ({failure.detail})")
        case Reason.UNAUTHORISED:
            return DownloadError(f"account {account}: its key is refused ({failure.detail})", status=2)
        case Reason.NOT_ENABLED:
            return DownloadError(f"account {account}: batch is not enabled ({failure.detail})", status=2)
    return DownloadError(f"{what} cannot be downloaded: {failure.reason}: {failure.detail}")
