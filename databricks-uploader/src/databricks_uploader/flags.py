"""Settings as flags of the command line, and its help."""

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from textwrap import fill
from typing import Any

import click

from databricks_uploader.settings.kinds import BOOLEAN
from databricks_uploader.settings.model import GROUPS, KEYS, Key
from databricks_uploader.settings.resolve import Sources

_Command = Callable[..., Any]
_LATER = "Known, and a fault in this version, which can't carry them out"


class Program(click.Group):
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
        own = [p.get_help_record(context) for p in self.get_params(context) if p.name not in _FLAG_OF]
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


_FLAG_OF = {_parameter(flag): flag for key in KEYS for flag in key.flags}


def options(*names: str) -> Callable[[_Command], _Command]:
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


def with_typed(earlier: Sources, typed: Mapping[str, Any]) -> Sources:
    """Return the sources with what click has of the command line, or of its part after a subcommand."""
    flags = {flag: typed[name] for name, flag in _FLAG_OF.items() if typed.get(name) is not None}
    texts = {flag: str(value).lower() if isinstance(value, bool) else value for flag, value in flags.items()}
    return replace(
        earlier,
        flags={**earlier.flags, **texts},
        config=typed["config"] or earlier.config,
        env_file=typed["env_file"] or earlier.env_file,
    )
