"""Traces of jobs and deliveries, exported by OpenTelemetry's protocol over HTTP; only the daemon imports this package."""
