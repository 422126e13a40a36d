"""Owns OpenAI's files API: where its files are. They have no number of lines; their bytes prove a download whole."""

from tracker.providers.requests.files_api import FilesApi


class OpenAIFiles(FilesApi):
    """The `ResultSource` of one account."""

    path = "/v1/files"
