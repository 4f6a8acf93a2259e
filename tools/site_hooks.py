"""What mkdocs calls while it makes the site: examples of commands become blocks of code."""

from __future__ import annotations

import inspect
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import click

from napari_unet.cli.main import cli

_EXAMPLES = re.compile(r"\x08\n(Examples?:)\n((?:  .*\n?)+)")


def on_config(config: Any) -> None:
    """Indent the examples in the help of each command as Markdown wants code."""
    for command in _commands(cli):
        command.help = _EXAMPLES.sub(_as_code, inspect.cleandoc(command.help or ""))


def _commands(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from _commands(found)


def _as_code(match: re.Match[str]) -> str:
    return f"{match[1]}\n\n{textwrap.indent(match[2], '  ')}"
