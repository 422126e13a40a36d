"""Owns `batch-tracker completion`: the script with which a shell completes commands, options, names and IDs."""

import click
from click.shell_completion import get_completion_class

_EPILOG = """
\b
Put it where your shell looks, once:
  bash  batch-tracker completion bash >> ~/.bash_completion
  zsh   batch-tracker completion zsh > "${fpath[1]}/_batch-tracker"
  fish  batch-tracker completion fish | source    # in config.fish

\b
Or for this shell alone:
  eval "$(batch-tracker completion bash)"
"""


@click.command(epilog=_EPILOG)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the script with which a shell completes commands, options, names, event types and job IDs."""
    completion = get_completion_class(shell)
    if completion is None:  # a click that has forgotten it
        raise click.UsageError(f"found {shell}, which this version of click does not know")
    click.echo(completion(click.Command("batch-tracker"), {}, "batch-tracker", "_BATCH_TRACKER_COMPLETE").source())
