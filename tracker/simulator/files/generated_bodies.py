"""Owns the bodies of successful results, for each endpoint of the batch API, and the requests that they answer.

Sources: the response models of Mistral's official client, and the examples of its documentation of batch processing.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

VARIANTS: Final = 8
"""Different answers of an endpoint; requests get them in turn."""

ID: Final = "@id@"
"""Where a body has an ID that differs from line to line."""

DEFAULT_MODEL: Final = "mistral-medium-latest"
"""The model of a job that names an agent in its place."""

CREATED: Final = 1_795_478_400
"""Unix seconds of every answer."""

_SENTENCES: Final = (
    "The invoice is due at the end of the month.",
    "Die Lieferung kam zwei Tage früher als zugesagt.",
    "Le client demande un remboursement complet.",
    "No further action is required.",
    "契約は自動的に更新されます。",
    'She said "yes" and signed the second page.',
    "Total: 1 249.50 €",
    "The label is\tpositive.\nConfidence is high.",
)


def answer(endpoint: str, model: str | None, variant: int, length: int) -> dict[str, Any]:
    """The body of a success; its text has at least `length` characters."""
    text = text_of(variant, length)
    return _ANSWERS.get(endpoint, _chat)(model or DEFAULT_MODEL, variant, text)


def request(endpoint: str, variant: int) -> dict[str, Any]:
    """The body of a request."""
    text = _SENTENCES[variant % VARIANTS]
    return _REQUESTS.get(endpoint, _messages)(text)


def _messages(text: str) -> dict[str, Any]:
    return {"max_tokens": 256, "messages": [{"role": "user", "content": text}]}


def text_of(variant: int, length: int) -> str:
    """The text of an answer, of at least `length` characters."""
    sentence = _SENTENCES[variant % VARIANTS]
    return (sentence + " ") * (length // (len(sentence) + 1)) + sentence


def _usage(variant: int, answered: int) -> dict[str, Any]:
    prompt = 120 + 17 * variant
    return {"prompt_tokens": prompt, "completion_tokens": answered, "total_tokens": prompt + answered}


def _chat(model: str, variant: int, text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text, "tool_calls": None, "prefix": False}
    choice = {"index": 0, "finish_reason": "stop", "message": message}
    return {
        "id": ID,
        "object": "chat.completion",
        "created": CREATED,
        "model": model,
        "choices": [choice],
        "usage": _usage(variant, max(1, len(text) // 4)),
    }


def _embeddings(model: str, variant: int, text: str) -> dict[str, Any]:
    vector = [round((variant + 1) / (place + 2) - 0.25, 6) for place in range(max(16, len(text) // 10))]
    nothing = {"prompt_audio_seconds": None, "prompt_token_details": None, "request_count": None}
    return {
        "id": ID,
        "object": "list",
        "data": [{"object": "embedding", "embedding": vector, "index": 0}],
        "model": model,
        "usage": _usage(variant, 0) | nothing,
    }


def _ocr(model: str, variant: int, text: str) -> dict[str, Any]:
    pages = [
        {"index": index, "markdown": f"# {text}", "images": [], "dimensions": {"dpi": 200, "height": 2200, "width": 1700}}
        for index in range(1 + variant % 3)
    ]
    usage = {"pages_processed": len(pages), "doc_size_bytes": 10_000 * (variant + 1)}
    return {"pages": pages, "model": model, "document_annotation": None, "usage_info": usage}


def _moderations(model: str, variant: int, _text: str) -> dict[str, Any]:
    scores = {"hate_and_discrimination": 0.01 * variant, "pii": 0.12 * variant, "health": 0.0}
    result = {"categories": {name: score > 0.5 for name, score in scores.items()}, "category_scores": scores}
    return {"id": ID, "model": model, "results": [result], "usage": _usage(variant, 0)}


def _classifications(model: str, variant: int, _text: str) -> dict[str, Any]:
    scores = {"positive": variant / VARIANTS, "negative": 1 - variant / VARIANTS}
    return {"id": ID, "model": model, "results": [{"sentiment": {"scores": scores}}]}


def _conversations(model: str, variant: int, text: str) -> dict[str, Any]:
    entry = {"object": "entry", "type": "message.output", "role": "assistant", "content": text, "model": model}
    return {
        "conversation_id": ID,
        "object": "conversation.response",
        "outputs": [entry],
        "usage": _usage(variant, max(1, len(text) // 4)),
    }


def _transcriptions(model: str, variant: int, text: str) -> dict[str, Any]:
    usage = _usage(variant, max(1, len(text) // 4)) | {"prompt_audio_seconds": 10 + variant}
    return {"model": model, "text": text, "language": None, "segments": [], "usage": usage}


_ANSWERS: Final[Mapping[str, Callable[[str, int, str], dict[str, Any]]]] = {
    "/v1/embeddings": _embeddings,
    "/v1/ocr": _ocr,
    "/v1/moderations": _moderations,
    "/v1/chat/moderations": _moderations,
    "/v1/classifications": _classifications,
    "/v1/chat/classifications": _classifications,
    "/v1/conversations": _conversations,
    "/v1/audio/transcriptions": _transcriptions,
}
_REQUESTS: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {
    "/v1/embeddings": lambda text: {"input": [text]},
    "/v1/moderations": lambda text: {"input": [text]},
    "/v1/classifications": lambda text: {"input": [text]},
    "/v1/conversations": lambda text: {"inputs": text},
    "/v1/fim/completions": lambda text: {"prompt": text, "max_tokens": 256},
    "/v1/ocr": lambda _: {"document": {"type": "document_url", "document_url": "https://example.com/invoice.pdf"}},
    "/v1/audio/transcriptions": lambda _: {"file_url": "https://example.com/call.mp3"},
}
