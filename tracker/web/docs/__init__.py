"""The documentation under `/docs`: the guides, the files that they name, and the reference of the API."""
