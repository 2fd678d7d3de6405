"""Rules of steps as a person writes them; whether they fit the source's columns is seen when it is read."""

from collections.abc import Callable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any, NamedTuple, TypeVar

from databricks_uploader.model.steps import (
    Condition,
    Drop,
    FilterStep,
    Hash,
    Inside,
    Mask,
    Operator,
    Pattern,
    Redact,
    RemoveNulls,
    Replacement,
    Round,
    SanitizeRule,
    SanitizeStep,
    TimeUnit,
    TruncateTime,
)
from databricks_uploader.settings import rule_shapes
from databricks_uploader.settings.kinds import Kind, MisfitError, MisfitsError, Tree

OPERATORS = {operator.value: operator for operator in Operator} | {"==": Operator.EQUAL}
_LISTS = (Operator.IN, Operator.NOT_IN, Operator.BETWEEN)
_Made = TypeVar("_Made")


def nearest(word: str, words: Sequence[str]) -> str:
    """Return the words ', did you mean …?' where one of `words` is near, else nothing."""
    close = get_close_matches(word, words, n=1)
    return f", did you mean {close[0]!r}?" if close else ""


class Reading:
    """Turns trees into rules, and keeps what is wrong with them instead of stopping there."""

    def __init__(self) -> None:
        self.misfits: list[MisfitError] = []

    def wrong(self, text: str, inside: Inside) -> None:
        """Keep a fault."""
        self.misfits.append(MisfitError(text, inside))

    def made(self, make: Callable[[], _Made], inside: Inside) -> _Made | None:
        """Return what `make` makes; None, and the fault kept, where its values can't be."""
        try:
            return make()
        except ValueError as error:
            self.wrong(str(error), inside)
            return None

    def mapping(self, tree: Tree, inside: Inside) -> Mapping[str, Tree]:
        """Return a mapping; an empty one, and the fault kept, where it is none."""
        if isinstance(tree, Mapping):
            return tree
        self.wrong("takes a mapping", inside)
        return {}

    def names(self, tree: Tree, inside: Inside) -> Sequence[str]:
        """Return a list of names, without those that are none."""
        if isinstance(tree, str) or not isinstance(tree, Sequence):
            self.wrong("takes a list of columns; rules of a column of this name go under columns", inside)
            return []
        for number, name in enumerate(tree):
            if not isinstance(name, str):
                self.wrong(f"takes a column's name, not {name!r}", (*inside, number))
        return [name for name in tree if isinstance(name, str)]

    def finished(self, step: _Made | None) -> _Made:
        """Return the step. Raises MisfitsError where anything was wrong."""
        if self.misfits or step is None:
            raise MisfitsError(self.misfits)
        return step


def filter_step(reading: Reading, tree: Tree) -> FilterStep | None:
    """Return the filter step that rules ask for; None where something is wrong with them."""
    found: list[Condition | None] = []
    before = len(reading.misfits)
    for column, wanted in reading.mapping(tree, ()).items():
        if isinstance(wanted, Mapping):
            if not wanted:
                reading.wrong("takes a value, or operators with values", (column,))
            found += (_condition(reading, column, word, value, (column, word)) for word, value in wanted.items())
        elif isinstance(wanted, Sequence) and not isinstance(wanted, str):
            reading.wrong("takes one value; several go under in", (column,))
        else:
            found.append(_made_condition(reading, column, Operator.EQUAL, (wanted,), (column,)))
    conditions = tuple(condition for condition in found if condition is not None)
    return None if len(reading.misfits) > before else reading.made(lambda: FilterStep(conditions), ())


def _condition(reading: Reading, column: str, word: str, value: Tree, inside: Inside) -> Condition | None:
    operator = OPERATORS.get(word)
    if operator is None:
        reading.wrong(f"is no operator; there are {' '.join(OPERATORS)}", inside)
        return None
    if operator not in _LISTS:
        return _made_condition(reading, column, operator, (value,), inside)
    if isinstance(value, str) or not isinstance(value, Sequence):
        reading.wrong("takes a list", inside)
        return None
    return _made_condition(reading, column, operator, tuple(value), inside)


def _made_condition(
    reading: Reading, column: str, operator: Operator, values: tuple[Any, ...], inside: Inside
) -> Condition | None:
    return reading.made(lambda: Condition(column=column, operator=operator, values=values, inside=inside), inside)


def sanitize_step(reading: Reading, tree: Tree) -> SanitizeStep | None:
    """Return the sanitize step that rules ask for; None where something is wrong with them."""
    before, allow = len(reading.misfits), None
    found: list[SanitizeRule | None] = []
    for name, rule in reading.mapping(tree, ()).items():
        within = (name,)
        match name:
            case "remove_nulls":
                columns = enumerate(reading.names(rule, within))
                found += (RemoveNulls(column=column, inside=(*within, number)) for number, column in columns)
            case "replace_values":
                for column, pairs in reading.mapping(rule, within).items():
                    found.append(_replacement(reading, column, pairs, (*within, column)))
            case "columns":
                for column, one in reading.mapping(rule, within).items():
                    found.append(_column_rule(reading, column, one, (*within, column)))
            case "allow":
                allow = tuple(reading.names(rule, within))
            case _:
                found.append(_column_rule(reading, name, rule, within))
    if len(reading.misfits) > before:
        return None
    rules = tuple(rule for rule in found if rule is not None)
    return reading.made(lambda: SanitizeStep(rules, allow), ())


def _replacement(reading: Reading, column: str, tree: Tree, inside: Inside) -> Replacement | None:
    pairs: tuple[Any, ...] = tuple(reading.mapping(tree, inside).items())
    return reading.made(lambda: Replacement(column=column, pairs=pairs, inside=inside), inside)


_PAIR = {"replace_value", "with_value"}


class _Form(NamedTuple):
    """A rule of one word."""

    fits: Callable[[Any], bool]
    expected: str
    make: Callable[[str, Any, Inside], SanitizeRule]


def _is_number(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


_TRUE = "true; leave the rule out instead"
_FORMS = {
    "hash": _Form(lambda v: v is True, _TRUE, lambda c, _, inside: Hash(column=c, inside=inside)),
    "drop": _Form(lambda v: v is True, _TRUE, lambda c, _, inside: Drop(column=c, inside=inside)),
    "mask": _Form(
        lambda v: isinstance(v, Mapping) and v.keys() == {"keep_last"} and _is_number(v["keep_last"]),
        "{keep_last: NUMBER}",
        lambda c, v, inside: Mask(column=c, keep_last=v["keep_last"], inside=inside),
    ),
    "redact": _Form(
        lambda v: isinstance(v, str), "a text", lambda c, v, inside: Redact(column=c, text=v, inside=inside)
    ),
    "round": _Form(_is_number, "a number of decimals", lambda c, v, inside: Round(column=c, decimals=v, inside=inside)),
    "truncate_time": _Form(
        lambda v: v in set(TimeUnit),
        f"one of {', '.join(TimeUnit)}",
        lambda c, v, inside: TruncateTime(column=c, unit=TimeUnit(v), inside=inside),
    ),
}
_WORDS = ("replace_value", "with_value", *_FORMS)


def _column_rule(reading: Reading, column: str, tree: Tree, inside: Inside) -> SanitizeRule | None:
    if isinstance(tree, str):
        return reading.made(lambda: Pattern(column=column, pattern=tree, inside=inside), inside)
    if not isinstance(tree, Mapping):
        reading.wrong(f"takes a pattern, or a mapping with one of {', '.join(_WORDS)}", inside)
        return None
    unknown = [word for word in tree if word not in _WORDS]
    for word in unknown:
        reading.wrong(f"is no rule{nearest(word, _WORDS)}", (*inside, word))
    if not unknown and len(tree.keys() - _PAIR) + bool(tree.keys() & _PAIR) != 1:
        reading.wrong("takes one rule", inside)
    elif not unknown and tree.keys() >= _PAIR:
        pairs: Any = ((tree["replace_value"], tree["with_value"]),)
        return reading.made(lambda: Replacement(column=column, pairs=pairs, inside=inside), inside)
    elif not unknown:
        return _form(reading, column, tree, inside)
    return None


def _form(reading: Reading, column: str, tree: Mapping[str, Tree], inside: Inside) -> SanitizeRule | None:
    ((word, value),) = tree.items()
    form = _FORMS.get(word)
    if form is None:
        reading.wrong("takes replace_value and with_value together", inside)
        return None
    if not form.fits(value):
        reading.wrong(f"takes {form.expected}", (*inside, word))
        return None
    return reading.made(lambda: form.make(column, value, inside), (*inside, word))


def _filter(tree: Tree) -> FilterStep:
    reading = Reading()
    return reading.finished(filter_step(reading, tree))


def _sanitize(tree: Tree) -> SanitizeStep:
    reading = Reading()
    return reading.finished(sanitize_step(reading, tree))


def _shown(step: FilterStep | SanitizeStep) -> str:
    return f"({len(step.rules)} given)"


FILTER = Kind("JSON", "a mapping", _filter, rule_shapes.FILTER, structured=True, shown=_shown)
SANITIZE = Kind("JSON", "a mapping", _sanitize, rule_shapes.SANITIZE, structured=True, shown=_shown)
