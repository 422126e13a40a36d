"""The `download` command's parts: which job, where its files come from, the local files, what is shown meanwhile."""
