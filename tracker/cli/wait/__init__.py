"""The `wait` command's parts: where it looks, what it knows, what it shows, how it ends."""
