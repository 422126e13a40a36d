"""Templates of messages: other words for people, by jinja2, in a sandbox."""
