"""The command line: arguments, exit codes, and what is printed to a person."""

import json
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from io import StringIO
from pathlib import Path
from textwrap import fill
from typing import Any

import click

from databricks_uploader import __version__
from databricks_uploader.commands import show_config as shown_config
from databricks_uploader.commands import state as state_commands
from databricks_uploader.errors import UploaderError
from databricks_uploader.events import Event, Notice
from databricks_uploader.model.secret import masked
from databricks_uploader.settings.kinds import BOOLEAN
from databricks_uploader.settings.model import GROUPS, KEYS, Key
from databricks_uploader.settings.resolve import Resolved, Sources, resolve
from databricks_uploader.settings.schema import schema as json_schema
from databricks_uploader.state import folder as state_folder
from databricks_uploader.state.machine import this_machine

_NAME = "databricks-uploader"
_Command = Callable[..., Any]
_LATER = "Known, and a fault in this version, which can't carry them out"


class _Program(click.Group):
    """The whole program; its help shows the settings in their groups."""

    def parse_args(self, context: click.Context, args: list[str]) -> list[str]:
        """Parse, and keep the flags that there are not, so that they are told with all other faults."""
        unknown: list[str] = []
        while True:
            try:
                rest = super().parse_args(context, list(args))
            except click.NoSuchOption as error:
                unknown.append(error.option_name)
                args = self._without(error, args)
            else:
                context.obj = Sources(environment=os.environ, unknown_flags=tuple(unknown))
                return rest

    def _without(self, error: click.NoSuchOption, args: list[str]) -> list[str]:
        """Return the arguments without a flag and what seems to be its value."""
        for number, arg in enumerate(args):
            if arg.partition("=")[0] == error.option_name:
                value = args[number + 1 : number + 2] if arg == error.option_name else []
                taken = 2 if value and value[0] not in self.commands and not value[0].startswith("-") else 1
                return args[:number] + args[number + taken :]
        raise error

    def format_options(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the settings of this version, each with its variable and default, then the names of the others."""
        own = [p.get_help_record(context) for p in self.get_params(context) if p.name not in _OF_FLAG]
        groups = {group: [_record(key) for key in KEYS if key.available and key.group == group] for group in GROUPS}
        groups["Where settings come from"] = [record for record in own if record is not None]
        width = max(len(flag) for records in groups.values() for flag, _ in records)
        for group, records in groups.items():
            if records:
                with formatter.section(group):
                    formatter.write_dl([(flag.ljust(width), text) for flag, text in records])
        later = "  " + " ".join(key.flags[0] for key in KEYS if not key.available)
        lines = fill(later, formatter.width, subsequent_indent="  ", break_on_hyphens=False)
        formatter.write(f"\n{_LATER}:\n{lines}\n")
        self.format_commands(context, formatter)


def _record(key: Key) -> tuple[str, str]:
    default = [] if key.default_text is None else [f"default: {key.default_text}"]
    flag = key.flags[0] if key.kind is BOOLEAN else f"{key.flags[0]} {key.kind.metavar}"
    return flag, f"{key.help}  [{'; '.join([*key.variables[-1:], *default])}]"


def _parameter(flag: str) -> str:
    return "of" + flag.replace("-", "_")


_OF_FLAG = {_parameter(flag): flag for key in KEYS for flag in key.flags}


def _options(*names: str) -> Callable[[_Command], _Command]:
    """Add --config, --env-file and the flags of the settings of these names, of all settings where there is none."""

    def add(command: _Command) -> _Command:
        for key in reversed([k for k in KEYS if not names or k.name in names]):
            for flag in reversed(key.flags):
                command = _option(key, flag)(command)
        file = click.Path(path_type=Path)
        command = click.option("--env-file", type=file, metavar="FILE", help="File with variables; those set win.")(
            command
        )
        return click.option("--config", type=file, metavar="FILE", help="YAML file with settings.")(command)

    return add


def _option(key: Key, flag: str) -> Callable[[_Command], _Command]:
    hidden = flag != key.flags[0] or not key.available
    if key.kind is BOOLEAN:
        switch = f"{flag}/--no-{flag.removeprefix('--')}"
        return click.option(switch, _parameter(flag), default=None, help=key.help, hidden=hidden)
    return click.option(flag, _parameter(flag), metavar=key.kind.metavar, help=key.help, hidden=hidden)


@click.group(cls=_Program, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@_options()
@click.option("--show-config", is_flag=True, help="Print all settings and where each came from, then exit.")
@click.version_option(__version__, prog_name=_NAME)
@click.pass_context
def program(context: click.Context, /, *, show_config: bool, **typed: Any) -> None:  # noqa: ANN401  (click's values)
    """Move rows, incrementally and exactly once, from a SQLite file into a Delta Lake table.

    Settings come from the command line, from environment variables, from a YAML file and from defaults, in this
    order: the first that has a setting decides. In YAML, a setting is written as its variable, in small letters.
    """
    context.obj = sources = _sources(context.obj, typed)
    if show_config:
        resolved = _resolved(sources)
        click.echo(shown_config.drawn(resolved))
        resolved.settings()
    elif context.invoked_subcommand is None:
        settings = _resolved(sources).settings()
        from databricks_uploader import app  # noqa: PLC0415  (--help does without what uploading needs)

        context.exit(app.upload(settings))


@program.command()
@click.pass_obj
def schema(earlier: Sources, /) -> None:
    """Print a JSON Schema of the YAML file."""
    resolve(Sources(unknown_flags=earlier.unknown_flags)).checked()
    click.echo(json.dumps(json_schema(), indent=2))


@program.group()
def state() -> None:
    """Look at what is remembered, and choose when it and the world disagree."""


@state.command()
@_options("state_dir")
@click.pass_obj
def show(earlier: Sources, /, **typed: Any) -> None:  # noqa: ANN401
    """Print what is remembered."""
    folder = _state_folder(_settings(earlier, typed))
    click.echo(state_commands.show(folder, this_machine()))


@state.command()
@_options("state_dir", "sqlite")
@click.pass_obj
def adopt(earlier: Sources, /, **typed: Any) -> None:  # noqa: ANN401
    """Go on here: this machine, or this database file, takes the place of the remembered one."""
    settings = _settings(earlier, typed)
    click.echo(state_commands.adopt(_state_folder(settings), this_machine(), settings["sqlite"]))


@state.command()
@_options("state_dir")
@click.pass_obj
def reset(earlier: Sources, /, **typed: Any) -> None:  # noqa: ANN401
    """Forget everything, the node's id included."""
    click.echo(state_commands.reset(_state_folder(_settings(earlier, typed))))


@state.command()
@_options("state_dir")
@click.pass_obj
def rebuild(earlier: Sources, /, **typed: Any) -> None:  # noqa: ANN401
    """Forget where each pipeline stands; the next start takes that from its target table."""
    click.echo(state_commands.rebuild(_state_folder(_settings(earlier, typed))))


def main() -> None:
    """Run the program; an error that a person can mend is one message and its exit code."""
    try:
        sys.exit(program(prog_name=_NAME, standalone_mode=False))
    except click.ClickException as error:
        text = StringIO()
        error.show(text)
        click.echo(masked(text.getvalue()), err=True, nl=False)
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(1)
    except UploaderError as error:
        ending = "\n" if "\n" in str(error) else " — "
        click.echo(f"{_NAME}: {error}{ending}{error.hint}", err=True)
        sys.exit(error.exit_code)


def _sources(earlier: Sources, typed: Mapping[str, Any]) -> Sources:
    """Join what stood before a subcommand and after it."""
    flags = {flag: typed[name] for name, flag in _OF_FLAG.items() if typed.get(name) is not None}
    texts = {flag: str(value).lower() if isinstance(value, bool) else value for flag, value in flags.items()}
    return replace(
        earlier,
        flags={**earlier.flags, **texts},
        config=typed["config"] or earlier.config,
        env_file=typed["env_file"] or earlier.env_file,
    )


def _resolved(sources: Sources) -> Resolved:
    resolved = resolve(sources)
    for warning in resolved.warnings:
        click.echo(f"{_NAME}: warning: {warning}", err=True)
    return resolved


def _settings(earlier: Sources, typed: Mapping[str, Any]) -> Mapping[str, Any]:
    return _resolved(_sources(earlier, typed)).checked()


def _state_folder(settings: Mapping[str, Any]) -> Path:
    return state_folder.locate(settings["state_dir"], _notice)


def _notice(event: Event) -> None:
    if isinstance(event, Notice):
        click.echo(event.text, err=True)
