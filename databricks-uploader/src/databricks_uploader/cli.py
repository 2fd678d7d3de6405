"""The command line: arguments, exit codes, and what is printed to a person."""

import json
import os
import sys
import traceback
from collections.abc import Mapping
from io import StringIO
from pathlib import Path
from shutil import get_terminal_size
from typing import Any

import click

from databricks_uploader import __version__
from databricks_uploader.commands import preview as preview_command
from databricks_uploader.commands import quarantine as quarantine_commands
from databricks_uploader.commands import show_config as shown_config
from databricks_uploader.commands import state as state_commands
from databricks_uploader.errors import EXIT_BUG, UploaderError
from databricks_uploader.events import Event, Notice
from databricks_uploader.flags import Program, options, with_typed
from databricks_uploader.model.counted import counted
from databricks_uploader.model.secret import masked
from databricks_uploader.settings.resolve import Resolved, Sources, resolve
from databricks_uploader.settings.schema import schema as json_schema
from databricks_uploader.state import folder as state_folder
from databricks_uploader.state.machine import this_machine

_NAME = "databricks-uploader"


class _After(click.ParamType[str]):
    """A rowid, or a word."""

    name = "ROWID|last|beginning"

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        if value not in {"last", "beginning"} and not (value.lstrip("-").isdecimal() and abs(int(value)) < 1 << 63):
            self.fail(f"{value!r} is neither a rowid nor last nor beginning", param, ctx)
        return value


@click.group(cls=Program, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@options()
@click.option("--show-config", is_flag=True, help="Print all settings and where each came from, then exit.")
@click.version_option(__version__, prog_name=_NAME)
@click.pass_context
def program(context: click.Context, /, *, show_config: bool, **typed: Any) -> None:  # noqa: ANN401  (click's values)
    """Move rows, incrementally and exactly once, from a SQLite file into a Delta Lake table.

    Settings come from the command line, from environment variables, from a YAML file and from defaults, in this
    order: the first that has a setting decides. In YAML, a setting is written as its variable, in small letters.
    """
    context.obj = sources = with_typed(context.obj, typed)
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
@options("state_dir")
@click.pass_obj
def show(earlier: Sources, /, **typed: Any) -> None:  # noqa: ANN401
    """Print what is remembered."""
    folder = _state_folder(_settings(earlier, typed))
    click.echo(state_commands.show(folder, this_machine()))


@state.command()
@options("state_dir", "sqlite")
@click.option("--after", type=_After(), help="Go on after this rowid, after the last one, or from the beginning.")
@click.pass_obj
def adopt(earlier: Sources, /, *, after: str | None, **typed: Any) -> None:  # noqa: ANN401
    """Go on here: this machine, or this database file, takes the place of the remembered one."""
    settings = _settings(earlier, typed)
    click.echo(state_commands.adopt(_state_folder(settings), this_machine(), settings["sqlite"], after))


@state.command()
@options("state_dir")
@click.pass_obj
def reset(earlier: Sources, /, **typed: Any) -> None:  # noqa: ANN401
    """Forget everything, the node's id included."""
    click.echo(state_commands.reset(_state_folder(_settings(earlier, typed))))


@state.command()
@options("state_dir")
@click.pass_obj
def rebuild(earlier: Sources, /, **typed: Any) -> None:  # noqa: ANN401
    """Forget where each pipeline stands; the next start takes that from its target table."""
    click.echo(state_commands.rebuild(_state_folder(_settings(earlier, typed))))


@program.command()
@options()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def preview(context: click.Context, /, *, as_json: bool, **typed: Any) -> None:  # noqa: ANN401
    """Show what each pipeline would do to the newest rows: table, columns, values, counts. Nothing is written."""
    settings = _resolved(with_typed(context.obj, typed)).settings()
    from databricks_uploader import app  # noqa: PLC0415  (--help does without what uploading needs)

    found = app.preview(settings)
    if as_json:
        click.echo(json.dumps(preview_command.as_json(found), indent=2, ensure_ascii=False))
    else:
        person = sys.stdout.isatty()
        coloured, width = person and "NO_COLOR" not in os.environ, get_terminal_size().columns if person else None
        click.echo(preview_command.drawn(found, coloured=coloured, width=width))
    context.exit(preview_command.exit_code(found))


@program.group()
def quarantine() -> None:
    """Look at rows that can't be loaded as they are, and choose what becomes of them."""


_as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@quarantine.command("list")
@options("state_dir")
@_as_json
@click.pass_obj
def list_(earlier: Sources, /, *, as_json: bool, **typed: Any) -> None:  # noqa: ANN401
    """List them, with the reasons."""
    folder = _state_folder(_settings(earlier, typed))
    click.echo(quarantine_commands.listed_json(folder) if as_json else quarantine_commands.listed(folder))


@quarantine.command("show")
@options("state_dir")
@click.argument("number", metavar="ID", type=int)
@_as_json
@click.pass_obj
def show_(earlier: Sources, /, *, number: int, as_json: bool, **typed: Any) -> None:  # noqa: ANN401
    """Print one with all its values."""
    folder = _state_folder(_settings(earlier, typed))
    shown = quarantine_commands.shown_json if as_json else quarantine_commands.shown
    click.echo(shown(folder, number))


@quarantine.command("replay")
@options()
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All of them.")
@_as_json
@click.pass_obj
def replay_(earlier: Sources, /, *, ids: tuple[int, ...], all_: bool, as_json: bool, **typed: Any) -> None:  # noqa: ANN401
    """Load those that fit by now."""
    chosen = _chosen(ids, all_=all_)
    settings = _resolved(with_typed(earlier, typed)).settings()
    from databricks_uploader import app  # noqa: PLC0415  (--help does without what uploading needs)

    found = app.replay_quarantine(settings, chosen)
    click.echo(quarantine_commands.replayed_json(found) if as_json else quarantine_commands.replayed(found))


@quarantine.command("discard")
@options("state_dir")
@click.argument("ids", metavar="[ID]...", type=int, nargs=-1)
@click.option("--all", "all_", is_flag=True, help="All of them.")
@_as_json
@click.pass_obj
def discard_(earlier: Sources, /, *, ids: tuple[int, ...], all_: bool, as_json: bool, **typed: Any) -> None:  # noqa: ANN401
    """Delete them: they will never be loaded."""
    chosen = _chosen(ids, all_=all_)
    number = quarantine_commands.discarded(_state_folder(_settings(earlier, typed)), chosen)
    click.echo(json.dumps({"discarded": number}) if as_json else f"{counted(number, 'row is', 'rows are')} discarded")


def _chosen(ids: tuple[int, ...], *, all_: bool) -> tuple[int, ...] | None:
    if bool(ids) == all_:
        raise click.UsageError("name rows by their ids, or all of them with --all")
    return None if all_ else ids


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
    except Exception as error:  # noqa: BLE001  (no traceback reaches a person; its message might hold a value of a row)
        *_, where = traceback.extract_tb(error.__traceback__)
        place = f"{type(error).__name__} in line {where.lineno} of {Path(where.filename).name}"
        click.echo(
            f"{_NAME}: this is a bug of the uploader (exit code {EXIT_BUG}): {place}; please report it", err=True
        )
        sys.exit(EXIT_BUG)


def _resolved(sources: Sources) -> Resolved:
    resolved = resolve(sources)
    for warning in resolved.warnings:
        click.echo(f"{_NAME}: warning: {warning}", err=True)
    return resolved


def _settings(earlier: Sources, typed: Mapping[str, Any]) -> Mapping[str, Any]:
    return _resolved(with_typed(earlier, typed)).checked()


def _state_folder(settings: Mapping[str, Any]) -> Path:
    return state_folder.locate(settings["state_dir"], _notice)


def _notice(event: Event) -> None:
    if isinstance(event, Notice):
        click.echo(event.text, err=True)
