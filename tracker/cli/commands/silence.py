"""Owns `batch-tracker silence`: making a silence, or ending one."""

import getpass
import sys
from datetime import datetime
from typing import Any, Final, NoReturn

import anyio
import click
import msgspec

from tracker.cli.arguments.options import config_option, duration, examples
from tracker.cli.formatting import quantities
from tracker.cli.formatting.printing import echo, echo_error
from tracker.cli.silences import changes
from tracker.cli.silences.scope_options import read_scope, scope_options
from tracker.core.silences.shown_silence import SilenceAnswer
from tracker.core.silences.silence import SilenceRequest
from tracker.core.text.escaping import plain
from tracker.daemon.control.control_client import Refused

_LONGEST: Final = "366d"


def _time(_ctx: click.Context, _parameter: click.Parameter, given: str | None) -> int | None:
    """A callback that reads a time as Unix milliseconds; without an offset it is by this machine's clock."""
    if given is None:
        return None
    try:
        return round(datetime.fromisoformat(given).timestamp() * 1000)
    except (ValueError, OverflowError, OSError):
        raise click.BadParameter(f"found {given!r}, expected a time, such as 2025-06-25T18:00+02:00") from None


@click.command(
    epilog=examples(
        "silence --account staging --for 2h --reason 'load test'",
        "silence --receiver team --for 30m --reason 'the channel moves'",
        "silence --match metadata.team=eval --for 1d --reason tests",
        "silence --end sil_0123456789abcdef0123",
    )
)
@config_option
@scope_options
@click.option(
    "--for",
    "seconds",
    metavar="DURATION",
    callback=duration("1s", _LONGEST),
    help="End it after this time, such as 30m, 2h or 1d.",
)
@click.option("--until", metavar="TIME", callback=_time, help="End it at this time, as ISO 8601, in place of --for.")
@click.option("--from", "starts_at", metavar="TIME", callback=_time, help="Start it at this time, as ISO 8601.  [default: now]")
@click.option("--reason", metavar="TEXT", help="Show this reason with the silence, in lists and messages.")
@click.option("--end", "ended", metavar="ID", help="End this silence now, and send what says what was missed.")
def command(config: str | None, ended: str | None, **options: Any) -> None:
    """Deliver nothing of what matches, until a time: all that is given must match, and everything does where nothing is.

    What is silenced is kept, and can be replayed. At the end each receiver that missed something gets one message, which says
    what. Webhooks get everything as ever, unless --webhooks says otherwise.
    """
    if ended is not None:
        _refuse_others(options)
        _end(config, ended)
        return
    request = _request(options)
    done, has_daemon = anyio.run(changes.add, config, request)
    if isinstance(done, Refused):
        _fail(done)
    _print(done, has_daemon=has_daemon)


def _request(options: dict[str, Any]) -> SilenceRequest:
    if (options["seconds"] is None) == (options["until"] is None):
        raise click.UsageError("expected --for DURATION or --until TIME: there is no silence without an end")
    if not (options["reason"] or "").strip():
        raise click.UsageError("expected --reason TEXT: it is shown with the silence, in lists and messages")
    fields = {name: options[name] for name in ("seconds", "until", "starts_at", "reason")}
    try:
        request = msgspec.convert({"scope": read_scope(options), "created_by": _user(), **fields}, SilenceRequest)
        msgspec.json.encode(request)
    except UnicodeEncodeError:
        raise click.UsageError("found bytes in what is silenced or in the reason that are not UTF-8") from None
    except msgspec.ValidationError as error:
        raise click.UsageError(str(error)) from None
    return request


def _refuse_others(options: dict[str, Any]) -> None:
    if any(value not in (None, False, ()) for value in options.values()):
        raise click.UsageError("--end stands alone")


def _end(config: str | None, silence_id: str) -> None:
    if not silence_id.isascii():
        raise click.UsageError(f"found {silence_id!r}, expected the ID of a silence: sil_…")
    done, has_daemon = anyio.run(changes.lift, config, silence_id)
    if isinstance(done, Refused):
        _fail(done)
    echo(f"{plain(silence_id)} has ended; {_when_sent(has_daemon=has_daemon)}")


def _print(done: SilenceAnswer, *, has_daemon: bool) -> None:
    silence = done.silence
    start = f"from {quantities.moment(silence.starts_at)} " if silence.state == "scheduled" else ""
    echo(f"{silence.id} silences {plain(silence.scope.words())} {start}until {quantities.moment(silence.ends_at)}")
    if done.pending_silenced:
        are = "delivery is" if done.pending_silenced == 1 else "deliveries are"
        echo(f"{done.pending_silenced:,} pending {are} silenced too")
    if not has_daemon:
        echo_error("no daemon is running: the next one that starts obeys the silence")


def _when_sent(*, has_daemon: bool) -> str:
    """When the receivers that missed something get the message that says what."""
    return "what was missed is on its way" if has_daemon else "no daemon is running: the next one sends what was missed"


def _fail(done: Refused) -> NoReturn:
    echo_error(f"batch-tracker: {plain(done.error)}")
    sys.exit(2 if done.is_unknown else 1)


def _user() -> str:
    try:
        return getpass.getuser()[:100] or "command"
    except (KeyError, OSError, ImportError):  # no such user, as in a container
        return "command"
