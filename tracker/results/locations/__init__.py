"""Where archived files are: a local directory, or an object store."""
