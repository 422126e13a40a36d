"""Reading lists of jobs page by page: pages that have numbers, and pages that only follow each other."""
