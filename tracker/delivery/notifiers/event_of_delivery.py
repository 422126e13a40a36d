"""Owns reading the event that a delivery carries."""

import msgspec

from tracker.core.deliveries.delivery import Delivery
from tracker.core.events.headline import EventJson


def event_of(delivery: Delivery) -> EventJson:
    event: EventJson = msgspec.json.decode(delivery.body)
    return event
