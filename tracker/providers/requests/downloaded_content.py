"""Owns the content of a result file on its way, over HTTP."""

from typing import Self

from tracker.core.errors.provider_failure import Failure, Reason
from tracker.core.ports.results import ContentError
from tracker.http.streaming import StreamCutError, StreamedAnswer


class DownloadedContent:
    """The `ContentStream` of a file."""

    def __init__(self, answer: StreamedAnswer) -> None:
        self._answer = answer

    @property
    def length(self) -> int | None:
        return self._answer.length

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        try:
            return await anext(self._answer)
        except StreamCutError as error:
            raise ContentError(Failure(Reason.NETWORK, str(error))) from error
