"""Owns `batch-tracker run`: the daemon as a process, its log and its exit status."""

import os
import resource
import sys
from contextlib import suppress

import anyio
import click
import structlog

from tracker.cli.arguments.options import config_option, examples
from tracker.config import Config
from tracker.config.key_and_token_length import refuse_short_keys
from tracker.config.systemd_service import read_service
from tracker.core.errors.listen_error import ListenError
from tracker.core.errors.storage_error import StorageError
from tracker.daemon.load_configuration import load
from tracker.daemon.reload import Reading
from tracker.daemon.signals import run_until_signal
from tracker.logs import setup as log
from tracker.logs.throttling import LogThrottle
from tracker.runtime.task_groups import task_group


@click.command(epilog=examples("run", "--config tracker.toml run --verbose"))
@config_option
@click.option("--verbose", is_flag=True, help="Log every sweep and every event of a job too.")
def command(config: str | None, verbose: bool) -> None:
    """Watch the accounts and log every change of their jobs, until SIGTERM or Ctrl-C; SIGHUP reloads the configuration."""
    loaded = refuse_short_keys(load(config))
    _raise_file_limit()
    logging = log.configure(loaded.secrets(), verbose=verbose, journal=log.is_journal(os.environ))  # noqa: TID251 - JOURNAL_STREAM is the process's

    def read() -> Config:
        reloaded = refuse_short_keys(load(config))
        logging.redaction.add(reloaded.secrets())
        return reloaded

    try:
        try:
            anyio.run(_run, loaded, read, logging, backend_options={"use_uvloop": True})
        finally:
            logging.throttle.flush_all()
    except* (StorageError, ListenError) as group:
        for error in group.exceptions:
            structlog.get_logger().critical("process.start_failed", error=str(error))
        sys.exit(1)
    except* Exception:  # noqa: BLE001 - the process ends: its traceback is logged
        structlog.get_logger().critical("process.crashed", exc_info=True)
        sys.exit(1)


def _raise_file_limit() -> None:
    """Raise the soft limit of open files to the hard one: a hundred busy receivers need more than the usual soft limit."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with suppress(ValueError, OSError):  # some systems promise more than they grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


async def _run(config: Config, read: Reading, logging: log.Log) -> None:
    """Run the daemon, and flush the throttled log lines when they are due."""
    async with task_group() as group:
        group.start_soon(_flush_when_due, logging.throttle)
        await run_until_signal(config, read, read_service(), logging.redaction.add)
        group.cancel_scope.cancel()


async def _flush_when_due(throttle: LogThrottle) -> None:
    while True:
        seconds = throttle.flush_due()
        await anyio.sleep(seconds)
