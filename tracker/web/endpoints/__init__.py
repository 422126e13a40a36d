"""What every route shares: its declaration, the parsing of requests, errors as problem details."""
