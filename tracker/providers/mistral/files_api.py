"""Owns Mistral's files API: where its files are."""

from tracker.providers.requests.files_api import FilesApi


class MistralFiles(FilesApi):
    """The `ResultSource` of one account."""

    path = "/v1/files"
