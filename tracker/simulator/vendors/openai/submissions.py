"""Owns reading the requests to OpenAI's simulated API: the body of a creation and the form of an upload."""

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from tracker.simulator.files.file_store import FileStore, Upload
from tracker.simulator.files.multipart import parse_form
from tracker.simulator.random_job_plans import SIMULATE_VALUES
from tracker.simulator.request_parsing.shared_parameters import Invalid
from tracker.simulator.vendors.ids import FILE, parsed

LARGEST_FILE: Final = 200 * 1024 * 1024
"""Bytes."""

_READ_FOR_THE_MODEL: Final = 64 * 1024
_DAYS: Final = {"24h": 1, "48h": 2, "3d": 3, "5d": 5, "7d": 7}


class BatchCreation(msgspec.Struct):
    """The body of `POST /v1/batches`. The windows beyond "24h" are Groq's."""

    input_file_id: str
    endpoint: Annotated[str, Meta(pattern="^/v1/")]
    completion_window: Literal["24h", "48h", "3d", "5d", "7d"]
    metadata: dict[Annotated[str, Meta(max_length=64)], Annotated[str, Meta(max_length=512)]] | None = None

    @property
    def end(self) -> str | None:
        """How the job is to end and what is wrong with it, of `SIMULATE_VALUES` with commas between."""
        return (self.metadata or {}).get("simulate")

    def properties(self, speed: float, files: FileStore, at: float) -> dict[str, Any]:
        """The properties of the plan that the creation decides. Raises `Invalid` where there is no such input file."""
        file_id = parsed(FILE, self.input_file_id)
        custom_ids = None if file_id is None else files.custom_ids(file_id)
        if file_id is None or custom_ids is None:
            raise Invalid(("body", "input_file_id"), self.input_file_id, "the ID of a file with the purpose batch")
        return {
            "endpoint": self.endpoint,
            "model": _model_of(files, file_id, at),
            "metadata": self.metadata or {},
            "input_files": (file_id,),
            "custom_ids": custom_ids,
            "requests": len(custom_ids),
            "timeout": _DAYS[self.completion_window] * 24 * 3600 / speed,
            "as_openai": True,
        }


class _Line(msgspec.Struct):
    body: Mapping[str, Any] = {}


def parse_creation(body: bytes) -> BatchCreation:
    try:
        creation = msgspec.json.decode(body, type=BatchCreation)
    except msgspec.DecodeError as error:
        raise Invalid(("body",), None, str(error)) from None
    if creation.end is not None and not {*creation.end.split(",")} <= {*SIMULATE_VALUES}:
        raise Invalid(("body", "metadata", "simulate"), creation.end, f"one or more of {', '.join(SIMULATE_VALUES)}")
    return creation


def parse_upload(content_type: str, body: bytes) -> Upload:
    try:
        form = parse_form(content_type, body)
    except ValueError as error:
        raise Invalid(("body",), None, str(error)) from None
    file, purpose = form.get("file"), form.get("purpose")
    if file is None or file.filename is None or len(file.content) > LARGEST_FILE:
        raise Invalid(("body", "file"), None, f"a file with a name and at most {LARGEST_FILE} bytes")
    if purpose is None:
        raise Invalid(("body", "purpose"), None, "a purpose, such as batch")
    return Upload(
        filename=file.filename, data=file.content, mimetype=file.mimetype, purpose=purpose.content.decode("utf-8", "replace")
    )


def _model_of(files: FileStore, file_id: str, at: float) -> str | None:
    """The model that the first request names."""
    file = files.get(file_id, at)
    first = b"" if file is None else b"".join(file.content.chunks(0, _READ_FOR_THE_MODEL)).split(b"\n")[0]
    try:
        model = msgspec.json.decode(first, type=_Line).body.get("model")
    except msgspec.DecodeError:
        return None
    return model if isinstance(model, str) else None
