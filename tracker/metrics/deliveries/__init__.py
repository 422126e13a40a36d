"""The metrics of deliveries, receivers and silences."""
