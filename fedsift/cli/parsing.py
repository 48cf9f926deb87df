"""How a command line is taken apart: a wrong name is answered as anywhere else, with the name that is meant."""

import click
from typer.core import TyperCommand, TyperGroup

from fedsift.core.errors import unknown_name


class Command(TyperCommand):
    """A command whose options are known."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it.

        Raises:
            click.UsageError: also an unknown option, with the one that is meant.
        """
        try:
            return super().parse_args(ctx, args)
        except click.NoSuchOption as error:
            options = [each for param in self.params if isinstance(param, click.Option) for each in param.opts]
            takes_ids = any(param.name == "clients" and isinstance(param, click.Argument) for param in self.params)
            hint = " (an id that begins with - comes after --)" if takes_ids else ""
            raise click.UsageError(f"{unknown_name('option', error.option_name, options)}{hint}", ctx) from None


class Commands(TyperGroup):
    """All commands."""

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it.

        Raises:
            click.UsageError: also an unknown command, with the one that is meant.
        """
        if not ctx.resilient_parsing and self.get_command(ctx, args[0]) is None:
            raise click.UsageError(str(unknown_name("command", args[0], self.list_commands(ctx))), ctx)
        resolved: tuple[str | None, click.Command | None, list[str]] = super().resolve_command(ctx, args)
        return resolved
