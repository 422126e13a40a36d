"""The JSON API, the stream and the metrics: a module for each group of routes."""
