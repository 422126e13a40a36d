"""Batches that the official clients of Anthropic and Google submit to a simulated API, to end in every way."""

import json

from test_tracking import persist

WAYS = ("success", "partial", "all_failed", "timeout_exceeded", "cancelled")
REQUESTS = 30
_MESSAGE = {"model": "claude-sonnet-6", "max_tokens": 8, "messages": [{"role": "user", "content": "?"}]}
_LINES = b"".join(
    json.dumps({"key": str(number), "request": {"contents": [{"parts": [{"text": "?"}]}]}}).encode() + b"\n"
    for number in range(REQUESTS)
)


async def submit_to_anthropic(simulator, *, each):
    """Submit `each` batches of every kind: how each was asked to end, by ID."""
    from anthropic import AsyncAnthropic  # noqa: PLC0415 - long to load, and each worker collects all tests

    asked = {}
    async with AsyncAnthropic(api_key="test", base_url=simulator.url, max_retries=0) as client:
        batches = client.messages.batches
        for end in WAYS * each:
            user = {"metadata": {"user_id": f"simulate={_simulated(end)}"}}
            requests = [{"custom_id": str(number), "params": _MESSAGE | user} for number in range(REQUESTS)]
            asked[(await persist(batches.create, requests=requests)).id] = end
        for batch_id, end in asked.items():
            if end == "cancelled":
                await persist(batches.cancel, batch_id)
    return asked


async def submit_to_gemini(simulator, folder, *, each):
    """Submit `each` batches of every kind, and one that fails: how each was asked to end, by name."""
    from google import genai  # noqa: PLC0415 - long to load, and each worker collects all tests

    path = folder / "requests.jsonl"
    path.write_bytes(_LINES)
    asked = {}
    client = genai.Client(api_key="test", http_options={"base_url": simulator.url}).aio
    file = await persist(client.files.upload, file=str(path), config={"mime_type": "application/jsonl"})
    for end in (*WAYS, "failed") * each:
        name = {"display_name": f"nightly simulate={_simulated(end)}"}
        batch = await persist(client.batches.create, model="gemini-4-flash", src=file.name, config=name)
        asked[batch.name] = end
    for name, end in asked.items():
        if end == "cancelled":
            await persist(client.batches.cancel, name=name)
    await client.aclose()
    return asked


def _simulated(end):
    return "success" if end == "cancelled" else end
