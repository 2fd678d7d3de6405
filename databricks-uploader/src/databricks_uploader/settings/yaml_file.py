"""Settings of a YAML file, each with its line, variables in their values expanded."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml
from yaml.resolver import Resolver

from databricks_uploader.settings.given import Fault, Given, Place, Source
from databricks_uploader.settings.kinds import Tree
from databricks_uploader.settings.model import KEYS, NAMES
from databricks_uploader.settings.rules import nearest

KNOWN_NAMES = ("uploader-config.yaml", "databricks-uploader-config.yaml")
_NOT_HERE = {key.name for key in KEYS if not key.in_yaml}
_NULL = "tag:yaml.org,2002:null"
_VARIABLE = re.compile(r"\$\$|\$\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}|(?P<other>\$\{)")


def read(path: Path, environment: Mapping[str, str], faults: list[Fault]) -> list[Given] | None:
    """Return what the file gives, None where it can't be read; what is wrong with it or its keys goes to `faults`."""
    root, found = _root(path, faults), []
    if root is None:
        return None
    for key, node in root.value:
        name, line = str(key.value), key.start_mark.line + 1
        place = Place(Source.YAML, line, f"{path.name}:{line}")
        if name in _NOT_HERE:
            faults.append(Fault(place, f"{name} is not for YAML: set the variable {name.upper()}"))
        elif name not in NAMES:
            faults.append(Fault(place, f"no setting {name!r}{nearest(name.lower(), list(NAMES))}"))
        elif node.tag != _NULL:
            found.append(_given(name, node, place, path, environment))
    return found


def _given(name: str, node: yaml.Node, place: Place, path: Path, environment: Mapping[str, str]) -> Given:
    reading = _Reading(path, environment)
    if isinstance(node, yaml.ScalarNode):
        value: Tree = reading.expanded(node)
        written = node.value
    else:
        value, written = reading.tree(node, (), ()), None
    return Given(
        NAMES[name],
        name,
        value,
        place,
        written=written if written != value else None,
        folder=path.absolute().parent,
        file=path if written == value else None,
        faults=tuple(reading.faults),
        lines=reading.lines,
    )


class _Reading:
    """Turns the nodes of one setting into its value."""

    def __init__(self, path: Path, environment: Mapping[str, str]) -> None:
        self._path = path
        self._environment = environment
        self.faults: list[Fault] = []
        self.lines: dict[tuple[str | int, ...], int] = {}

    def expanded(self, node: yaml.ScalarNode) -> str:
        """Return a scalar's text with ${NAME} replaced by that variable; $$ stands for a dollar sign."""

        def replaced(match: re.Match[str]) -> str:
            if match["other"]:
                self._fault(node, "only ${NAME} is expanded; write $$ for a dollar sign")
            elif match["name"] and not self._environment.get(match["name"]):
                self._fault(node, f"the variable {match['name']} is not set")
            return self._environment.get(match["name"], "") if match["name"] else "$"

        return _VARIABLE.sub(replaced, node.value)

    def tree(self, node: yaml.Node, inside: tuple[str | int, ...], around: tuple[yaml.Node, ...]) -> Tree:
        """Return a node's value, and note the lines of its parts."""
        self.lines[inside] = node.start_mark.line + 1
        if node in around:
            self._fault(node, "an alias (*) stands inside of what it repeats")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, inside, (*around, node))
        if isinstance(node, yaml.SequenceNode):
            return [self.tree(item, (*inside, number), (*around, node)) for number, item in enumerate(node.value)]
        assert isinstance(node, yaml.ScalarNode)  # noqa: S101  (YAML has no other nodes)
        return _scalar(self.expanded(node), node)

    def _mapping(
        self, node: yaml.MappingNode, inside: tuple[str | int, ...], around: tuple[yaml.Node, ...]
    ) -> Mapping[str, Tree]:
        found: dict[str, Tree] = {}
        for key, value in node.value:
            name = str(key.value)
            if name in found:
                self._fault(key, f"{name!r} is given twice")
            found[name] = self.tree(value, (*inside, name), around)
            self.lines[*inside, name] = key.start_mark.line + 1
        return found

    def _fault(self, node: yaml.Node, text: str) -> None:
        line = node.start_mark.line + 1
        self.faults.append(Fault(Place(Source.YAML, line, f"{self._path.name}:{line}"), text))


def _scalar(text: str, node: yaml.ScalarNode) -> Tree:
    """Return the value that a text stands for; what only YAML 1.1 takes for a number (012, 1:30, 1_000) stays text."""
    if node.style is not None:  # it stands in quotes
        return text
    tag: object = Resolver().resolve(yaml.ScalarNode, text, (True, False))  # type: ignore[no-untyped-call]
    match str(tag).rpartition(":")[2]:
        case "null":
            return None
        case "bool":
            return text.lower() in ("true", "yes", "on")
        case "int" if re.fullmatch(r"[+-]?(0|[1-9]\d*)", text):
            return int(text)
        case "float" if re.fullmatch(r"[+-]?(\d+\.\d*|\.\d+)([eE][+-]?\d+)?", text):
            return float(text)
    return text


def _root(path: Path, faults: list[Fault]) -> yaml.MappingNode | None:
    place = Place(Source.YAML, 0, "--config")
    try:
        root = yaml.compose(path.read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        faults.append(Fault(place, f"no file {path}{_there_instead(path)}"))
    except OSError as error:
        faults.append(Fault(place, f"can't read {path}: {error.strerror}"))
    except UnicodeDecodeError:
        faults.append(Fault(place, f"{path} is not a text file in UTF-8"))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        faults.append(Fault(Place(Source.YAML, line, f"{path.name}:{line}"), f"not YAML: {error.problem}"))
    except yaml.YAMLError as error:
        faults.append(Fault(place, f"{path} is not YAML: {str(error).splitlines()[0]}"))
    else:
        if root is None:  # an empty file
            return yaml.MappingNode("", [])
        if isinstance(root, yaml.MappingNode):
            return root
        faults.append(Fault(Place(Source.YAML, 1, f"{path.name}:1"), "settings are `key: value` lines"))
    return None


def _there_instead(path: Path) -> str:
    there = [path.with_name(name) for name in KNOWN_NAMES if path.with_name(name).is_file()]
    return f"; there is {there[0]}" if there else ""
