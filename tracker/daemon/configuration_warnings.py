"""The warnings about a valid configuration: implausible settings, failing templates, insecure files, orphaned deliveries."""

import anyio.to_thread
import msgspec
import structlog

from tracker.config import Config
from tracker.config.warnings.plausibility_warnings import implausible_settings
from tracker.config.warnings.security_warnings import security_warnings
from tracker.core.errors.storage_error import StorageError
from tracker.core.ports.store import Store
from tracker.core.queries.orphaned_deliveries import Orphans
from tracker.delivery.notifiers.templates.trial import failing_templates
from tracker.runtime.clock import now


async def log_configuration_warnings(config: Config, store: Store) -> None:
    """Log each implausible or insecure setting, and what the database has of names that the configuration lacks."""
    log = structlog.get_logger()
    for doubt in (*implausible_settings(config), *failing_templates(config, now())):
        log.warning("configuration.doubtful", about=doubt)
    for insecurity in await anyio.to_thread.run_sync(security_warnings, config):
        log.warning("configuration.insecure", **msgspec.structs.asdict(insecurity))
    receivers, accounts = ([each.name for each in of] for of in (config.receivers, config.accounts))
    try:
        orphans = await store.orphans(receivers, accounts)
    except StorageError as error:
        structlog.get_logger().error("storage.failed", error=str(error))
        return
    _log_orphans(orphans)


def _log_orphans(orphans: Orphans) -> None:
    log = structlog.get_logger()
    for name, backlog in orphans.receivers.items():
        to_do = f"batch-tracker deliveries --move {name} OTHER, or --drop {name}"
        log.warning("deliveries.orphaned", receiver=name, pending=backlog.pending, dead=backlog.dead, to_do=to_do)
    for name, jobs in orphans.accounts.items():
        log.warning("jobs.orphaned", account=name, active=jobs, to_do="an account of this name would watch them again")
