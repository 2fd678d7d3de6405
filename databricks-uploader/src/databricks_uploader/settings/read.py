"""From texts in two sources to settings, with all faults told at once."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import yaml

from databricks_uploader.errors import ConfigError
from databricks_uploader.settings.model import EXPECTED, KEYS, NOT_YET, Key, Settings


@dataclass(frozen=True)
class _Given:
    """A value as a person wrote it, and where."""

    text: str
    place: str
    folder: Path | None = None
    """What a relative path is relative to, where that is not the working directory."""


_Found = dict[str, _Given]


def read(flags: Mapping[str, str], config: Path | None) -> Settings:
    """Return the settings of the command line (texts by key name) over those of the YAML file.

    Raises ConfigError that lists all faults, each with its place.
    """
    values, faults = _resolved(flags, config)
    if values["sqlite"] is None:
        faults.append("no source: set --sqlite FILE (sqlite in YAML)")
    if values["delta_path"] is None:
        faults.append(
            "no destination: set --delta-path DIR (delta_path in YAML) for Delta tables in a local folder; "
            "a Databricks workspace (databricks_host, …) is not available in this version"
        )
    _raise_if(faults)
    return Settings(**values)


def read_some(flags: Mapping[str, str], config: Path | None) -> dict[str, Any]:
    """Return the values by key name, for a command that does without source or destination."""
    values, faults = _resolved(flags, config)
    _raise_if(faults)
    return values


def _resolved(flags: Mapping[str, str], config: Path | None) -> tuple[dict[str, Any], list[str]]:
    faults: list[str] = []
    given: _Found = {} if config is None else _from_yaml(config, faults)
    given |= {k.name: _Given(flags[k.name], k.flag) for k in KEYS if k.name in flags}
    return {key.name: _value(key, given.get(key.name), faults) for key in KEYS}, faults


def _raise_if(faults: list[str]) -> None:
    if len(faults) == 1:
        raise ConfigError(faults[0], hint="see databricks-uploader --help")
    if faults:
        listed = "".join(f"\n  {fault}" for fault in faults)
        raise ConfigError(f"{len(faults)} faults in the settings:{listed}", hint="see databricks-uploader --help")


def _value(key: Key, given: _Given | None, faults: list[str]) -> Any:  # noqa: ANN401  (each key has its own type)
    if given is None:
        return key.default
    try:
        value = key.parse(given.text)
    except (ValueError, KeyError):
        faults.append(f"{given.place}: {key.name} takes {EXPECTED[key.parse]}, not {given.text!r}")
        return key.default
    if isinstance(value, Path):
        return (given.folder or Path()).absolute() / value.expanduser()
    return value


def _from_yaml(path: Path, faults: list[str]) -> _Found:
    found: _Found = {}
    names = {name: key for key in KEYS for name in (key.name, *key.aliases)}
    for name, node, line in _entries(path, faults):
        place = f"{path.name}:{line}"
        if name in NOT_YET:
            if not (name.startswith("enable_") and node.value in ("false", "False", "FALSE")):
                faults.append(f"{place}: {name} is not available in this version")
        elif name not in names:
            close = get_close_matches(name, names, n=1)
            faults.append(f"{place}: no setting {name!r}" + (f", did you mean {close[0]!r}?" if close else ""))
        elif not isinstance(node, yaml.ScalarNode):
            faults.append(f"{place}: {name} takes one value")
        elif node.tag != "tag:yaml.org,2002:null":
            key = names[name].name
            earlier = found.get(key)
            if earlier is not None and earlier.text != node.value:
                faults.append(f"{place}: {name} has another value than {earlier.place}, which means the same")
            found[key] = _Given(node.value, place, path.absolute().parent)
    return found


def _entries(path: Path, faults: list[str]) -> Iterator[tuple[str, yaml.Node, int]]:
    try:
        root = yaml.compose(path.read_text(encoding="utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        faults.append(f"--config: no file {path}")
        return
    except (OSError, UnicodeDecodeError) as error:
        faults.append(f"--config: can't read {path}: {error}")
        return
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        faults.append(f"{path.name}:{line}: not YAML: {error.problem}")
        return
    if root is None:
        return
    if not isinstance(root, yaml.MappingNode):
        faults.append(f"{path.name}:1: settings are `key: value` lines")
        return
    for key, value in root.value:
        yield str(key.value), value, key.start_mark.line + 1
