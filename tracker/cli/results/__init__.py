"""The `results` command's parts: why nothing is archived, the results of a job, usage and cost of many jobs."""
