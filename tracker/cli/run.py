"""Owns `batch-tracker run`: the daemon as a process, its log and its exit status."""

import os
import sys

import anyio
import click
import structlog

from tracker import daemon, log
from tracker.cli.options import config_option
from tracker.config import Config, load
from tracker.core.listen_error import ListenError
from tracker.core.ports import StorageError


@click.command
@config_option
@click.option("--verbose", is_flag=True, help="Log every sweep and every batch.progress too.")
def command(config: str | None, verbose: bool) -> None:
    """Watch the accounts and log every change of their jobs, until SIGTERM or Ctrl-C; SIGHUP reads the configuration anew."""
    loaded = load(config)
    redaction = log.configure(loaded.secrets(), verbose=verbose, journal=log.is_journal(os.environ))  # noqa: TID251 - JOURNAL_STREAM is the process's

    def read() -> Config:
        read_anew = load(config)
        redaction.add(read_anew.secrets())
        return read_anew

    try:
        anyio.run(daemon.run, loaded, read)
    except* (StorageError, ListenError) as group:
        for error in group.exceptions:
            structlog.get_logger().critical("cannot run", error=str(error))
        sys.exit(1)
    except* Exception:  # noqa: BLE001 - the end of the process, told with its traceback
        structlog.get_logger().critical("died", exc_info=True)
        sys.exit(1)
