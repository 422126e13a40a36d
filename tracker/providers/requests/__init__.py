"""The requests that every vendor's package makes: with the account's key, in its turn, with errors as typed failures."""
