"""The web server on `http.listen`: pages, API, stream and metrics."""
