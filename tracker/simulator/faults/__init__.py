"""The faults that can be ordered: their catalog, error responses, spoiled responses, downloads, jobs and their files."""
