"""The ``w2s`` command. Each command lives in a module of its own, imported when it is used."""

from __future__ import annotations

import sys
from typing import Any

import click

from w2s_toolkit import __version__

COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("w2s_toolkit.cli.run:run", "Run a recipe, or go on with it."),
    "plan": ("w2s_toolkit.cli.plan:plan", "Show what a run would do, and why."),
    "validate": ("w2s_toolkit.cli.validate:validate", "Check a recipe without running it."),
    "explain": ("w2s_toolkit.cli.plan:explain", "Say what a stage is made from and what changed."),
    "schema": ("w2s_toolkit.cli.validate:schema", "Write the JSON Schema of recipes."),
    "runs": ("w2s_toolkit.cli.runs:runs", "List, show and compare runs."),
    "report": ("w2s_toolkit.cli.runs:report", "Build a run's HTML report again."),
    "cost": ("w2s_toolkit.cli.cost:cost", "Show what a run's hosted models cost."),
    "recipes": ("w2s_toolkit.cli.recipes:recipes", "List, show and copy recipes."),
    "plugins": ("w2s_toolkit.cli.plugins:plugins", "List plugins and show components."),
    "doctor": ("w2s_toolkit.cli.doctor:doctor", "Check this machine, the store and the runs."),
    "cache": ("w2s_toolkit.cli.cache:cache", "List and clean the store of artefacts."),
}
"""Command -> where it is, and its line in the help."""


class Commands(click.Group):
    """Built-in commands first; those of plugins only when they are needed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Names for the help."""
        return [*COMMANDS, *sorted(_plugin_commands())]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by name."""
        if cmd_name in COMMANDS:
            from w2s_toolkit.registry import load_object

            command: click.Command = load_object(COMMANDS[cmd_name][0])
            return command
        return _plugin_commands().get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Add a suggestion to the error about an unknown command."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            from w2s_toolkit.registry import suggestion

            name = args[0] if args else ""
            message = f"there is no command {name!r}{suggestion(name, COMMANDS)}"
            raise click.UsageError(message, ctx) from error

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List commands without importing them."""
        rows = [(name, help_line) for name, (_, help_line) in COMMANDS.items()]
        rows += [(n, c.get_short_help_str()) for n, c in sorted(_plugin_commands().items())]
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _plugin_commands() -> dict[str, click.Command]:
    from w2s_toolkit.registry import Registry

    found: dict[str, click.Command] = {}
    for implementation in Registry().hook.w2s_commands.get_hookimpls():
        try:
            found |= {str(c.name): c for c in implementation.function()}
        except Exception as error:
            click.echo(f"plugin {implementation.plugin_name}: {error}", err=True)
    return {n: c for n, c in found.items() if n not in COMMANDS}


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="w2s")
def w2s() -> None:
    """Weak-to-strong generalization and scalable oversight, from recipes.

    Start with: w2s recipes ls
    """


def entry() -> None:
    """Console script: errors meant for users become one message and an exit code."""
    from w2s_toolkit.errors import W2SError

    try:
        code: Any = w2s.main(standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except click.exceptions.Abort:
        click.echo("stopped", err=True)
        sys.exit(130)
    except KeyboardInterrupt:
        click.echo("stopped", err=True)
        sys.exit(130)
    except W2SError as error:
        click.echo(f"error: {error}" if not _has_problems(error) else str(error), err=True)
        sys.exit(error.exit_code)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(1)
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        click.echo(f"error: {where}{error.strerror or error}", err=True)
        click.echo("  next: check free space and permissions, and run again", err=True)
        sys.exit(1)
    except MemoryError:
        click.echo("error: memory ran out\n  next: use a machine with more of it", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)


def _has_problems(error: Exception) -> bool:
    return bool(getattr(error, "problems", ()))
