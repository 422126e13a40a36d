"""The common parts of routes: endpoints, request parsing, problem details."""
