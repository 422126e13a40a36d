"""Owns reading a page of metrics, and setting the active jobs that it shows."""

from prometheus_client.parser import text_string_to_metric_families


def families(page):
    """Each family of the page by its name as it stands there."""
    found = text_string_to_metric_families(page.decode())
    return {family.name + ("_total" if family.type == "counter" else ""): family for family in found}


def samples(page):
    """Every value of the page, by name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(page.decode())
        for sample in family.samples
    }


def changed(before, after):
    """What is different in the second page, a series that was not there being 0: name, without the prefix, and labels to value.

    Buckets do not count.
    """
    was = samples(before)
    return {
        (name.removeprefix("batchtracker_"), *dict(labels).values()): value
        for (name, labels), value in samples(after).items()
        if was.get((name, labels), 0) != value and not name.endswith("_bucket") and name.startswith("batchtracker_")
    }


def set_active(metrics, account, jobs):
    """Have these jobs active, by id, as the store's snapshots and the start of a sweep would."""
    before = metrics.active._snapshot_of
    metrics.active.read_from(lambda name: dict(jobs) if name == account else before(name))
    metrics.has_active(account, jobs.values())
