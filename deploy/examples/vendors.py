"""A receiver for the batches of several vendors, whose events are alike: one line for each job that has ended.

    pip install standardwebhooks
    WEBHOOK_SECRET=whsec_… python vendors.py

It is receiver.py with another `handle`. No vendor has a branch here; what only one of them says is in `data.native`.
"""

import json

import receiver

ENDS = {"batch.completed", "batch.failed", "batch.expired", "batch.cancelled"}


def handle(event):
    job = event["data"]
    if event["type"] not in ENDS:
        return
    line = {
        "vendor": job.get("provider", "mistral"),  # a job of Mistral's names no provider
        "account": event["account"],
        "job": job["id"],
        "outcome": event.get("outcome", event["type"].removeprefix("batch.")),  # a completed batch may have failed requests
        "succeeded": job["succeeded_requests"],
        "of": job["total_requests"],
        "results": job["output_file"],
        "errors": job["error_file"],
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    receiver.handle = handle
    receiver.main()
