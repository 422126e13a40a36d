"""Owns reading the requests to the files API: the parameters of a list, the form of an upload, the expiry of a link.

Names and limits are those of Mistral's official client; an invalid value is answered in the shape of the API's 422.
"""

from typing import Final

from starlette.datastructures import QueryParams

from tracker.simulator.files.file_store import FileQuery, Upload
from tracker.simulator.files.multipart import FormPart, parse_form
from tracker.simulator.request_parsing.shared_parameters import LARGEST_PAGE, Invalid, parse_flag, parse_number

LARGEST_FILE: Final = 512 * 1024 * 1024
"""Bytes."""

PURPOSES: Final = ("fine-tune", "batch", "ocr", "agentic_safety")
VISIBILITIES: Final = ("workspace", "user")
LONGEST_LINK: Final = 168
"""Hours."""


def parse_file_listing(given: QueryParams) -> tuple[FileQuery, int, int, bool]:
    """The query, the number of its page (from 0), the page's size, and whether the total is wanted."""
    query = FileQuery(
        sample_types=_several(given, "sample_type"),
        sources=_several(given, "source"),
        mimetypes=_several(given, "mimetypes"),
        purpose=given.get("purpose"),
        search=given.get("search"),
    )
    page, page_size = parse_number(given, "page", 0, 0, 10**9), parse_number(given, "page_size", 100, 1, LARGEST_PAGE)
    return query, page, page_size, parse_flag(given, "include_total", default=True)


def parse_expiry(given: QueryParams) -> int:
    """Hours for which a link is to be good."""
    return parse_number(given, "expiry", 24, 1, LONGEST_LINK)


def parse_upload(content_type: str, body: bytes) -> Upload:
    try:
        form = parse_form(content_type, body)
    except ValueError as error:
        raise Invalid(("body",), None, str(error)) from None
    file = form.get("file")
    if file is None or file.filename is None:
        raise Invalid(("body", "file"), None, "a file with a name")
    if len(file.content) > LARGEST_FILE:
        raise Invalid(("body", "file"), f"{len(file.content)} bytes", f"at most {LARGEST_FILE} bytes")
    return Upload(
        filename=file.filename,
        data=file.content,
        mimetype=file.mimetype,
        purpose=_one_of(form, "purpose", PURPOSES),
        visibility=_one_of(form, "visibility", VISIBILITIES),
        expiry=_hours(form.get("expiry")),
    )


def parse_range(header: str | None, size: int) -> tuple[int, int] | None:
    """The bytes that a `Range` header asks for, as first and last + 1 of `size`; None for all.

    Several ranges, and what makes no sense, are ignored (RFC 9110). Raises ValueError where there is no such byte.
    """
    unit, _, span = (header or "").partition("=")
    first, dash, last = (text.strip() for text in span.partition("-"))
    if unit.strip().lower() != "bytes" or not dash or not (first + last).isdecimal():
        return None
    start = int(first) if first else max(0, size - int(last))
    stop = min(size, int(last) + 1) if first and last else size
    if start >= size:
        raise ValueError(f"found a range that starts at byte {start} of {size}")
    return (start, stop) if start < stop else None


def _several(given: QueryParams, name: str) -> tuple[str, ...]:
    """A parameter that may be repeated, also in the way of `name[]`."""
    return (*given.getlist(name), *given.getlist(f"{name}[]"))


def _one_of(form: dict[str, FormPart], name: str, values: tuple[str, ...]) -> str:
    text = form[name].content.decode("utf-8", "replace") if name in form else values[0]
    if text not in values:
        raise Invalid(("body", name), text, f"one of {', '.join(values)}")
    return text


def _hours(part: FormPart | None) -> int | None:
    text = part.content.decode("utf-8", "replace") if part else ""
    if text and (not text.isdecimal() or int(text) < 1):
        raise Invalid(("body", "expiry"), text, "a whole number of hours from 1")
    return int(text) if text else None
