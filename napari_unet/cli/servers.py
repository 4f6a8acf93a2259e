"""``napari-unet servers``: the servers that trainings can run on."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import click

from napari_unet.cli.options import described_option
from napari_unet.cli.run_access import confirm_host_keys
from napari_unet.launchers.servers.event_loop import wait_for
from napari_unet.launchers.servers.profile.profile import Profile
from napari_unet.launchers.servers.profile.profile_fields import ProfileField, profile_fields
from napari_unet.launchers.servers.profiles import (
    find_profile,
    load_profiles,
    prefer_npus,
    profiles_path,
    put_profile,
    remove_profile,
)
from napari_unet.text import as_argument
from training.console import say


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


def profile_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of a profile; those that are not given are None."""
    for field in reversed([*profile_fields()]):
        if field.name != "name":
            command = _profile_option(field)(command)
    return command


def _profile_option(field: ProfileField) -> Callable[..., Any]:
    is_several = field.kind is tuple
    is_required = field.default is None
    return described_option(
        field.name.removesuffix("s") if is_several else field.name.replace("_", "-"),
        field.name,
        kind=field.kind if field.kind in (int, bool) else str,
        choices=field.choices,
        is_path=field.is_path,
        help=field.help,
        default=None if is_required else field.default or field.hint,
        multiple=is_several,
        required=is_required,
        **({"is_flag": True} if field.kind is bool else {}),
    )


@command.command()
@click.argument("name")
@profile_options
@click.option("--overwrite", is_flag=True, help="Replace the profile of that name.")
def add(name: str, overwrite: bool, **options: Any) -> None:
    """Add a server. No connection is made; test it next."""
    given = {key: value for key, value in options.items() if value is not None}
    put_profile(Profile(name=name, **given), former=name if overwrite else "")
    say(f"{name} is in {profiles_path()}. Test it: napari-unet servers test {as_argument(name)}")


@command.command(name="list")
def list_servers() -> None:
    """List the servers, with all that differs from the defaults."""
    profiles = load_profiles()
    if not profiles:
        say("No servers yet. Add one: napari-unet servers add NAME --host HOST")
    for profile in profiles.values():
        others = [
            f"{field.name}={_text(value)}"
            for field in profile_fields()
            if (value := getattr(profile, field.name)) != field.default is not None
        ]
        say("  ".join([profile.name, profile.host, *others]))


@command.command()
@click.argument("name")
@click.option("--accept", metavar="FINGERPRINT", help="Accept the host key that has it.")
@click.option(
    "--deep", is_flag=True, help="Try every free NPU, and several together; it takes minutes."
)
def test(name: str, accept: str | None, deep: bool) -> None:
    """Test a server: a line each for what training needs, ok or what to do."""
    from napari_unet.launchers.servers.checks import NPUS_SEEN, check_server

    profile = find_profile(name)
    checks = confirm_host_keys(lambda: wait_for(check_server(profile, deep=deep)), accept)
    for check in checks:
        say(str(check))
    if any(check.name.endswith(NPUS_SEEN) for check in checks) and prefer_npus(profile):
        say(f"{name} trains on its NPUs from now on, and never on its CPU without a word.")
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
