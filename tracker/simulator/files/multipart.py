"""Owns reading a form with files as browsers and clients send it (RFC 7578)."""

from email.message import Message
from email.parser import HeaderParser
from typing import Final

import msgspec

_CRLF: Final = b"\r\n"


class FormPart(msgspec.Struct, frozen=True):
    """One field of a form; `filename` and `mimetype` are those of a file."""

    content: bytes
    filename: str | None = None
    mimetype: str | None = None


def parse_form(content_type: str, body: bytes) -> dict[str, FormPart]:
    """The parts of a `multipart/form-data` body by name. Raises ValueError with the mistake."""
    boundary = _parsed(content_type).get_param("boundary")
    if not content_type.lower().startswith("multipart/form-data") or not isinstance(boundary, str):
        raise ValueError(f"found content type {content_type!r}, expected multipart/form-data with a boundary")
    _, *parts, end = (_CRLF + body).split(_CRLF + b"--" + boundary.encode())
    if not end.startswith(b"--"):
        raise ValueError("found a form that is cut short, expected its closing boundary")
    return dict(_part(part) for part in parts)


def _part(data: bytes) -> tuple[str, FormPart]:
    head, found, content = data.partition(_CRLF * 2)
    headers = HeaderParser().parsestr(head.decode("utf-8", "replace").lstrip())
    name = headers.get_param("name", header="content-disposition")
    if not found or not isinstance(name, str):
        raise ValueError("found a part of a form without a name")
    filename = headers.get_filename()
    mimetype = headers.get_content_type() if headers["content-type"] else None
    return name, FormPart(content, filename and filename.replace("%22", '"'), mimetype)  # a quote is sent as %22


def _parsed(content_type: str) -> Message:
    message = Message()
    message["content-type"] = content_type
    return message
