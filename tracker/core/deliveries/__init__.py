"""Deliveries as values: who gets an event, schedules, circuits, signatures."""
