"""Owns the lines of result files that tests are made of, in every documented shape."""

import json

CHAT = {"prompt_tokens": 12, "completion_tokens": 30, "total_tokens": 42}
MODEL = "mistral-small-latest"


def line(custom_id="0", response=None, error=None, **more):
    """A line as bytes, without its line feed."""
    return json.dumps(
        {"id": "batch-cd0da3ab-1-x", "custom_id": custom_id, "response": response, "error": error} | more
    ).encode()


def response(body, status=200):
    return {"status_code": status, "body": body}


def success(custom_id="0", model=MODEL, usage=CHAT, text="Hello"):
    """A line of chat."""
    choices = [{"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}]
    return line(custom_id, response({"object": "chat.completion", "model": model, "choices": choices, "usage": usage}))


def page(custom_id="0", pages=3, model="mistral-ocr-latest"):
    """A line of OCR."""
    info = {"pages_processed": pages, "doc_size_bytes": 1000}
    return line(custom_id, response({"pages": [{"index": 0, "markdown": "# A"}], "model": model, "usage_info": info}))


def failure(custom_id="0", message="rate limited", status=429, code=None):
    """A line of a failed request, as the API's synchronous answer."""
    return line(custom_id, response({"object": "error", "message": message, "type": "t", "code": code}, status))
