"""Starts the command line: `python -m tracker` is `batch-tracker`."""

from tracker.cli import main

if __name__ == "__main__":
    main()
