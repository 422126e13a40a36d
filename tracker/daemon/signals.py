"""The signals of the daemon: SIGHUP reloads the configuration, SIGTERM and SIGINT stop the process."""

import signal

import anyio
import structlog

from tracker.config import Config
from tracker.config.secrets.credentials import Learned
from tracker.config.systemd_service import NO_SERVICE, SystemdService
from tracker.daemon.reload import Reading
from tracker.daemon.startup import ignore_secrets, open_daemon, report_started
from tracker.runtime.task_groups import task_group


async def run_until_signal(
    config: Config, read: Reading, service: SystemdService = NO_SERVICE, learned: Learned = ignore_secrets
) -> None:
    """Run the daemon until SIGTERM or SIGINT; each SIGHUP reloads the configuration by `read`. Raises what else ended it.

    `learned` is given each secret that replaces another one, before it is used.
    """
    log = structlog.get_logger()
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT, signal.SIGHUP) as signals:
        async with open_daemon(config, service, learned) as running, task_group() as group:
            report_started(running, config)
            await running.reloader.log_warnings()
            group.start_soon(running.reloader.run, read)
            async for number in signals:
                if number != signal.SIGHUP:
                    log.info("process.stopping", signal=signal.Signals(number).name)
                    running.systemd.stopping()
                    break
                running.reloader.request()
            group.cancel_scope.cancel()
    log.info("process.stopped")
