"""Reading requests to the API: the parameters that all calls share, those of jobs and those of files."""
