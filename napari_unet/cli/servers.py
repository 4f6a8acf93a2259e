"""``napari-unet servers``: the servers that trainings can run on."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import Any

import click

from napari_unet.cli.run_access import confirm_host_keys
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.profiles import (
    Profile,
    find_profile,
    load_profiles,
    profiles_path,
    remove_profile,
    save_profile,
)
from training.console import say
from training.errors import UserError


@click.group()
def command() -> None:
    """Servers to train on: add, list, test, remove.

    Their profiles are in a readable file, without any password; keys come from the SSH agent,
    ~/.ssh and ~/.ssh/config.

    \b
    Example:
      napari-unet servers add lab --host ascend.example.org --user me \\
          --activate "source ~/venv/bin/activate"
      napari-unet servers test lab
    """


@command.command()
@click.argument("name")
@click.option("--host", required=True, help="Address, or a Host of ~/.ssh/config.")
@click.option("--port", type=int, help="SSH's port.  [default: 22, or ~/.ssh/config's]")
@click.option("--user", help="Account there.  [default: yours here, or ~/.ssh/config's]")
@click.option("--key", metavar="FILE", help="Private key.  [default: the agent's and the usual]")
@click.option("--folder", help="Working folder there.  [default: napari-unet]")
@click.option("--activate", metavar="COMMAND", help="Command line that activates Python.")
@click.option("--cann", metavar="FILE", help="CANN's set_env.sh.  [default: found by itself]")
@click.option("--device", type=click.Choice(["auto", "ascend", "cpu"]), help="[default: auto]")
@click.option("--devices", type=int, help="How many a run takes, over all nodes.  [default: 8]")
@click.option("--node", "nodes", multiple=True, metavar="HOST", help="Another server of a job.")
@click.option("--master-addr", help="The first server's address, as the others see it.")
@click.option("--overwrite", is_flag=True, help="Replace the profile of that name.")
def add(name: str, overwrite: bool, **options: Any) -> None:
    """Add a server. No connection is made; test it next."""
    if name in load_profiles() and not overwrite:
        raise UserError(f"There is a server '{name}' already.", "Replace it with --overwrite.")
    given = {key: value for key, value in options.items() if value is not None}
    save_profile(Profile(name=name, **given))
    say(f"{name} is in {profiles_path()}. Test it: napari-unet servers test {name}")


@command.command(name="list")
def list_servers() -> None:
    """List the servers, with all that differs from the defaults."""
    profiles = load_profiles()
    if not profiles:
        say("No servers yet. Add one: napari-unet servers add NAME --host HOST")
    for profile in profiles.values():
        others = [
            f"{option.name}={_text(value)}"
            for option in fields(Profile)[2:]
            if (value := getattr(profile, option.name)) != option.default
        ]
        say("  ".join([profile.name, profile.host, *others]))


@command.command()
@click.argument("name")
@click.option("--accept", metavar="FINGERPRINT", help="Accept the host key that has it.")
def test(name: str, accept: str | None) -> None:
    """Test a server: a line each for what training needs, ok or what to do."""
    from napari_unet.launchers.servers.checks import check_server

    profile = find_profile(name)
    checks = confirm_host_keys(lambda: wait_for(check_server(profile)), accept)
    for check in checks:
        say(str(check))
    if not all(check.is_ok for check in checks):
        sys.exit(1)


@command.command()
@click.argument("name")
def remove(name: str) -> None:
    """Forget a server. Its runs, there and here, stay."""
    remove_profile(name)
    say(f"{name} is forgotten; its runs stay.")


def _text(value: object) -> str:
    return ",".join(value) if isinstance(value, tuple) else str(value)
