"""The command line: arguments, exit codes, and what is printed to a person."""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import click

from databricks_uploader import __version__
from databricks_uploader.commands import state as state_commands
from databricks_uploader.errors import UploaderError
from databricks_uploader.events import Event, Notice
from databricks_uploader.settings.model import KEYS, Key
from databricks_uploader.settings.read import read, read_some
from databricks_uploader.state import folder as state_folder
from databricks_uploader.state.machine import this_machine

_NAME = "databricks-uploader"
_Command = Callable[..., Any]
_Flags = Mapping[str, str]


def _option(key: Key) -> Callable[[_Command], _Command]:
    if isinstance(key.default, bool):
        return click.option(key.flag, key.name, is_flag=True, flag_value="true", default=None, help=key.help)
    shown = (
        ""
        if key.default is None
        else f"  [default: {key.default:g}]"
        if isinstance(key.default, float)
        else f"  [default: {key.default}]"
    )
    return click.option(key.flag, key.name, metavar=key.metavar, help=key.help + shown)


def _options(*names: str) -> Callable[[_Command], _Command]:
    """Add --config and the flags of the settings of these names, of all settings where there is none."""

    def add(command: _Command) -> _Command:
        for key in reversed([k for k in KEYS if not names or k.name in names]):
            command = _option(key)(command)
        file = click.Path(path_type=Path)
        return click.option("--config", type=file, metavar="FILE", help="YAML file with settings.")(command)

    return add


@click.group(invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name=_NAME)
@_options()
@click.pass_context
def program(context: click.Context, /, config: Path | None, **flags: str | None) -> None:
    """Move rows, incrementally and exactly once, from a SQLite file into a Delta Lake table."""
    context.obj = _given(config, flags)
    if context.invoked_subcommand is None:
        from databricks_uploader import app  # noqa: PLC0415  (--help does without what uploading needs)

        given, config_file = context.obj
        context.exit(app.upload(read(given, config_file)))


@program.group()
def state() -> None:
    """Look at what is remembered, and choose when it and the world disagree."""


@state.command()
@_options("state_dir")
@click.pass_obj
def show(earlier: tuple[_Flags, Path | None], /, config: Path | None, **flags: str | None) -> None:
    """Print what is remembered."""
    folder = _state_folder(_settings(earlier, config, flags))
    click.echo(state_commands.show(folder, this_machine()))


@state.command()
@_options("state_dir", "sqlite")
@click.pass_obj
def adopt(earlier: tuple[_Flags, Path | None], /, config: Path | None, **flags: str | None) -> None:
    """Go on here: this machine, or this database file, takes the place of the remembered one."""
    settings = _settings(earlier, config, flags)
    click.echo(state_commands.adopt(_state_folder(settings), this_machine(), settings["sqlite"]))


@state.command()
@_options("state_dir")
@click.pass_obj
def reset(earlier: tuple[_Flags, Path | None], /, config: Path | None, **flags: str | None) -> None:
    """Forget everything, the node's id included."""
    click.echo(state_commands.reset(_state_folder(_settings(earlier, config, flags))))


@state.command()
@_options("state_dir")
@click.pass_obj
def rebuild(earlier: tuple[_Flags, Path | None], /, config: Path | None, **flags: str | None) -> None:
    """Forget where each pipeline stands; the next start takes that from its target table."""
    click.echo(state_commands.rebuild(_state_folder(_settings(earlier, config, flags))))


def main() -> None:
    """Run the program; an error that a person can mend is one message and its exit code."""
    try:
        program(prog_name=_NAME)
    except UploaderError as error:
        click.echo(f"{_NAME}: {error} — {error.hint}", err=True)
        sys.exit(error.exit_code)


def _given(config: Path | None, flags: Mapping[str, str | None]) -> tuple[dict[str, str], Path | None]:
    return {name: text for name, text in flags.items() if text is not None}, config


def _settings(
    earlier: tuple[_Flags, Path | None], config: Path | None, flags: Mapping[str, str | None]
) -> dict[str, Any]:
    """Join what stood before the subcommand and after it."""
    given, config_file = _given(config, flags)
    return read_some({**earlier[0], **given}, config_file or earlier[1])


def _state_folder(settings: Mapping[str, Any]) -> Path:
    return state_folder.locate(settings["state_dir"], _notice)


def _notice(event: Event) -> None:
    if isinstance(event, Notice):
        click.echo(event.text, err=True)
