"""Every outgoing HTTP request: the client, connections, proxies, TLS and rate limits."""
