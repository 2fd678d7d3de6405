"""From what four sources give to settings, with all faults told at once."""

import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from databricks_uploader.errors import ConfigError
from databricks_uploader.model.plan import Plan
from databricks_uploader.model.step_faults import StepFault
from databricks_uploader.settings import authentication, checks, environment, yaml_file
from databricks_uploader.settings.given import Fault, Given, Place, Source
from databricks_uploader.settings.hash_key import hash_key
from databricks_uploader.settings.kinds import MisfitError, MisfitsError
from databricks_uploader.settings.model import FLAGS, KEYS, NAMES, Key, Settings
from databricks_uploader.settings.plans import plans
from databricks_uploader.settings.rules import nearest
from databricks_uploader.settings.suspects import filled_in, unquoted

_HINT = "see databricks-uploader --help"
_LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Sources:
    """Where settings may come from, except for defaults."""

    flags: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Texts by flag."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    config: Path | None = None
    env_file: Path | None = None
    unknown_flags: tuple[str, ...] = ()
    """What was typed as a flag and is none."""


@dataclass(frozen=True)
class Resolved:
    """The settings, where each came from, and what is wrong with them."""

    values: Mapping[str, Any]
    """By key name; the default where nothing usable is given."""
    given: Mapping[str, Given]
    """What counts, by key name; a setting that is not here has its default."""
    faults: tuple[Fault, ...]
    missing: tuple[Fault, ...]
    """What uploading needs besides, and other commands don't."""
    warnings: tuple[str, ...]

    def checked(self) -> Mapping[str, Any]:
        """Return the values by key name. Raises ConfigError that lists all faults, each with its place."""
        _raise_if(self.faults)
        return self.values

    def check_rules(self, plan: Plan, found: Iterable[StepFault]) -> None:
        """Raise ConfigError that lists what is wrong with the rules of a plan, each with its place."""
        faults = []
        for fault in found:
            setting, inside = plan.written[fault.step]
            faults.append(_misfit(self.given[setting], MisfitError(fault.text, (*inside, *fault.inside))))
        _raise_if(faults)

    def settings(self) -> Settings:
        """Return the settings for uploading. Raises ConfigError that lists all faults, each with its place."""
        _raise_if((*self.faults, *self.missing))
        decided: dict[str, Any] = {
            "destination": checks.destination(self.values, self.given),
            "authentication": authentication.way(self.values, self.given),
            "plans": plans(self.values),
            "hash_key": hash_key(self.values),
            "check_rules": self.check_rules,
        }
        said = {each.name: self.values[each.name] for each in fields(Settings) if each.name in self.values}
        return Settings(**said | decided)


def resolve(sources: Sources) -> Resolved:
    """Return the settings by precedence: command line, environment, file of variables, YAML, default."""
    faults: list[Fault] = []
    faults.extend(_no_flag(flag) for flag in sources.unknown_flags)
    given, readable = _all_given(sources, faults)
    faults.extend(_contradictions(given))
    counting = _counting(given)
    named = counting.get("databricks_config_profile")
    if named is not None:
        file = _value(NAMES["databricks_config_file"], counting.get("databricks_config_file"), [])
        counting = _counting([*authentication.profile(named, file, faults), *given])
    values = {key.name: _value(key, counting.get(key.name), faults) for key in KEYS}
    faults.extend(checks.together(values, counting))
    missing = checks.missing(values, counting, sources.config) if readable else ()
    return Resolved(values, counting, tuple(faults), tuple(missing), tuple(_warnings(counting.values())))


def _raise_if(faults: Iterable[Fault]) -> None:
    """Raise ConfigError if there are faults."""
    ordered = sorted(dict.fromkeys(faults), key=lambda fault: fault.place)
    if len(ordered) == 1:
        raise ConfigError(ordered[0].told(), hint=_HINT)
    if ordered:
        width = max(len(fault.place.label) for fault in ordered)
        listed = "".join(f"\n  {fault.told(width)}" for fault in ordered)
        raise ConfigError(f"{len(ordered)} faults in the settings:{listed}", hint=_HINT)


def _all_given(sources: Sources, faults: list[Fault]) -> tuple[list[Given], bool]:
    """Return what all sources give, and whether their files could be read."""
    variables, of_file = ({}, []) if sources.env_file is None else environment.read_file(sources.env_file, faults)
    known = variables | {name: text for name, text in sources.environment.items() if text}
    of_yaml: list[Given] | None = [] if sources.config is None else yaml_file.read(sources.config, known, faults)
    of_flags = [Given(FLAGS[flag], flag, text, Place(Source.FLAG, 0, flag)) for flag, text in sources.flags.items()]
    of_environment = environment.read(sources.environment, faults)
    return [*(of_yaml or []), *of_file, *of_environment, *of_flags], of_yaml is not None


def _no_flag(flag: str) -> Fault:
    return Fault(Place(Source.FLAG, 0, flag), f"no such flag{nearest(flag, [*FLAGS, '--config', '--env-file'])}")


def _counting(given: Iterable[Given]) -> dict[str, Given]:
    return {one.key.name: one for one in sorted(given, key=lambda one: one.place.source)}


def _contradictions(given: Iterable[Given]) -> Iterator[Fault]:
    first: dict[tuple[Source, str], Given] = {}
    for one in given:
        earlier = first.setdefault((one.place.source, one.key.name), one)
        if one.value != earlier.value and _or_none(one) != _or_none(earlier):
            text = f"{one.name} has another value than {earlier.place.label}, which means the same"
            yield Fault(one.place, text)


def _or_none(given: Given) -> object:
    try:
        return _parsed(given)
    except (ValueError, KeyError):
        return given.value


def _value(key: Key, given: Given | None, faults: list[Fault]) -> Any:  # noqa: ANN401  (each key has its own type)
    if given is None:
        return key.default
    if given.faults:
        faults.extend(given.faults)
        return key.default
    try:
        value = _parsed(given)
    except (ValueError, KeyError) as error:
        misfits = error.found if isinstance(error, MisfitsError) else (error,)
        faults.extend(_misfit(given, misfit) for misfit in misfits)
        return key.default
    if not key.available and value != key.default:
        faults.append(Fault(given.place, f"{key.name} is not available in this version"))
    return value


def _parsed(given: Given) -> object:
    kind, value = given.key.kind, given.value
    if kind.structured:
        in_json = isinstance(value, str) and given.place.source != Source.YAML
        return kind.parse(environment.from_json(unquoted(str(value))) if in_json else value)
    if not isinstance(value, str):
        raise MisfitError("takes one value")
    parsed = kind.parse(filled_in(unquoted(value)))
    return (given.folder or Path()).absolute() / parsed if isinstance(parsed, Path) else parsed


def _misfit(given: Given, error: ValueError | KeyError) -> Fault:
    kind, name = given.key.kind, given.key.name
    if isinstance(error, MisfitError):
        return Fault(given.place_of(error.inside), f"{'.'.join((name, *map(str, error.inside)))} {error}")
    shown = given.written if given.written is not None else str(given.value)
    if len(shown) > _LONGEST_SHOWN:
        shown = shown[:_LONGEST_SHOWN] + "…"
    hidden = kind.secret or kind.structured
    return Fault(given.place, f"{name} takes {kind.expected}" + ("" if hidden else f", not {shown!r}"))


def _warnings(given: Iterable[Given]) -> Iterator[str]:
    for one in given:
        if not one.key.kind.secret:
            continue
        if one.place.source == Source.FLAG:
            other = one.key.variables[0]
            yield f"{one.place.label}: lists of processes show it to everybody on this machine; set {other} instead"
        if one.file is not None and one.file.stat().st_mode & (stat.S_IRGRP | stat.S_IROTH):
            yield f"{one.place.label}: others can read this file, which holds a secret; chmod 600 {one.file}"
