"""The one connection that writes: jobs, events, deliveries."""
