"""The surfaces on `http.listen`."""
