"""Rules and pipelines as a person writes them, and everything that can be wrong with them at once."""

from pathlib import Path

import pytest

from databricks_uploader.errors import ConfigError
from databricks_uploader.model.scenario import Scenario
from databricks_uploader.model.step_faults import step_faults
from databricks_uploader.model.table import Column, TableSchema
from databricks_uploader.settings.hash_key import hash_key
from databricks_uploader.settings.plans import plans
from databricks_uploader.settings.resolve import Resolved, Sources, resolve

KEY = "0123456789abcdef"


def resolved(folder: Path, text: str, **environment: str) -> Resolved:
    (folder / "c.yaml").write_text(text)
    return resolve(Sources({}, environment, folder / "c.yaml"))


def faults(found: Resolved) -> list[str]:
    """Return the faults but those of features that this version lacks."""
    told = sorted(found.faults, key=lambda fault: fault.place)
    return [f"{f.place.label}: {f.text}" for f in told if "is not available in this version" not in f.text]


def test_all_faults_of_rules_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = """enable_sanitize: true
sanitize_config:
  owner: {hsh: true}
  card: {mask: 4}
  note: {redact: 5}
  phone: {drop: false}
  latitude: {round: 99}
  seen: {truncate_time: week}
  status: {replace_value: a}
  site: {hash: true, drop: true}
  level: 7
  email: ''
  remove_nulls: temperature
  replace_values:
    status: {}
    level: {1: [2]}
  columns: [a]
  allow: [3]
"""
    assert faults(resolved(tmp_path, text)) == [
        "c.yaml:3: sanitize_config.owner.hsh is no rule, did you mean 'hash'?",
        "c.yaml:4: sanitize_config.card.mask takes {keep_last: NUMBER}",
        "c.yaml:5: sanitize_config.note.redact takes a text",
        "c.yaml:6: sanitize_config.phone.drop takes true; leave the rule out instead",
        "c.yaml:7: sanitize_config.latitude.round takes a number of decimals from 0 to 15",
        "c.yaml:8: sanitize_config.seen.truncate_time takes one of year, month, day, hour, minute, second",
        "c.yaml:9: sanitize_config.status takes replace_value and with_value together",
        "c.yaml:10: sanitize_config.site takes one rule",
        "c.yaml:11: sanitize_config.level takes a pattern, or a mapping with one of replace_value, with_value, hash, "
        "drop, mask, redact, round, truncate_time",
        "c.yaml:12: sanitize_config.email has an empty pattern, which removes nothing",
        "c.yaml:13: sanitize_config.remove_nulls takes a list of columns; rules of a column of this name go under "
        "columns",
        "c.yaml:15: sanitize_config.replace_values.status takes at least one value to replace",
        "c.yaml:16: sanitize_config.replace_values.level takes one value",
        "c.yaml:17: sanitize_config.columns takes a mapping",
        "c.yaml:18: sanitize_config.allow.0 takes a column's name, not 3",
    ]


def test_all_faults_of_conditions_too(tmp_path: Path) -> None:
    text = """enable_filter: true
filter_config:
  a: {'=<': 3, '>': [1]}
  b: null
  c: [1, 2]
  d: {in: 3}
  e: {between: [1]}
  f: {is_null: 1}
  g: {not_in: []}
  h: {}
  i: {in: [1, null]}
"""
    operators = "= != > >= < <= in not_in between is_null =="
    assert faults(resolved(tmp_path, text)) == [
        f"c.yaml:3: filter_config.a.=< is no operator; there are {operators}",
        "c.yaml:3: filter_config.a.> takes one value",
        "c.yaml:4: filter_config.b can't be null; NULL is matched by is_null: true",
        "c.yaml:5: filter_config.c takes one value; several go under in",
        "c.yaml:6: filter_config.d.in takes a list",
        "c.yaml:7: filter_config.e.between takes a list of two values",
        "c.yaml:8: filter_config.f.is_null takes true or false",
        "c.yaml:9: filter_config.g.not_in takes a list of at least one value",
        "c.yaml:10: filter_config.h takes a value, or operators with values",
        "c.yaml:11: filter_config.i.in can't be null; NULL is matched by is_null: true",
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("filter_config: {a: 1}",
         ["c.yaml:1: filter_config has rules, and enable_filter does not say whether they count"]),
        ("enable_filter: true", ["c.yaml:1: enable_filter is on, and there are no rules: set filter_config"]),
        ("enable_filter: true\nfilter_config: {}", ["c.yaml:2: filter_config takes at least one rule"]),
        ("enable_sanitize: true\nsanitize_config: {}", ["c.yaml:2: sanitize_config takes at least one rule"]),
        ("enable_sanitize: true\nsanitize_config: {allow: []}",
         ["c.yaml:2: sanitize_config takes at least one column to allow"]),
        ("enable_filter: false\nfilter_config: {a: 1}", []),
        ("enable_sanitize: true\nsanitize_config: {a: x}\nenable_filter: true\nfilter_config: {a: 1}",
         ["c.yaml:3: enable_filter is on, and so is enable_sanitize (c.yaml:1): at most one step here, several in "
          "pipelines"]),
        ("enable_filter: true\nfilter_config: {a: 1}\npipelines: [{name: a, scenario: raw}]",
         ["c.yaml:1: enable_filter does not go with pipelines (c.yaml:3), which have steps of their own",
          "c.yaml:2: filter_config does not go with pipelines (c.yaml:3), which have steps of their own"]),
    ],
)  # fmt: skip
def test_switches_and_rules_go_together(text: str, told: list[str], tmp_path: Path) -> None:
    assert faults(resolved(tmp_path, text)) == told


def test_two_switches_of_two_sources_are_named_with_both_places(tmp_path: Path) -> None:
    text = "enable_sanitize: true\nsanitize_config: {a: x}\n"
    found = faults(resolved(tmp_path, text, ENABLE_FILTER="1", FILTER_CONFIG='{"a": 1}'))
    assert found == [
        "environment ENABLE_FILTER: enable_filter is on, and so is enable_sanitize (c.yaml:1): at most one step here, "
        "several in pipelines"
    ]


def test_columns_named_like_words_of_rules_go_under_columns(tmp_path: Path) -> None:
    text = "enable_sanitize: true\nsanitize_config: {columns: {allow: x, remove_nulls: {drop: true}}}\n"
    (plan,) = plans(resolved(tmp_path, text).values)
    assert [rule.label for rule in plan.steps[0].rules] == ["allow pattern", "remove_nulls drop"]


def test_faults_of_pipelines_are_told_at_once_each_with_its_line(tmp_path: Path) -> None:
    text = """pipelines:
  - {name: a, scenario: filterd}
  - {nam: b, scenario: raw}
  - name: c
    steps:
      - {filtr: {a: 1}}
      - {filter: {a: {'=<': 1}}}
      - {}
  - {name: d, scenario: secure}
  - {name: e}
  - {name: f, scenario: raw, filter_config: {a: 1}}
  - {name: g, steps: [], scenario: raw}
  - {name: h, scenario: raw, target: a.b.c}
  - {name: i, steps: filter}
  - 7
"""
    assert faults(resolved(tmp_path, text)) == [
        "c.yaml:2: pipelines.0.scenario is no scenario: 'filterd', did you mean 'filtered'?",
        "c.yaml:3: pipelines.1.nam is no setting of a pipeline, did you mean 'name'?",
        "c.yaml:3: pipelines.1 needs a name: a text",
        "c.yaml:6: pipelines.2.steps.0.filtr is no step, did you mean 'filter'?",
        "c.yaml:7: pipelines.2.steps.1.filter.a.=< is no operator; there are = != > >= < <= in not_in between is_null "
        "==",
        "c.yaml:8: pipelines.2.steps.2 takes one step with its rules: {filter: …}, {sanitize: …} or {aggregate: …}",
        "c.yaml:9: pipelines.3.scenario needs sanitize_config",
        "c.yaml:10: pipelines.4 needs steps, a list, or a scenario",
        "c.yaml:11: pipelines.5.filter_config needs a scenario that has a filter step; in steps, rules stand with "
        "theirs",
        "c.yaml:12: pipelines.6 has both steps and scenario: steps tell the scenario",
        "c.yaml:13: pipelines.7.target takes a table's name alone, not 'a.b.c'; its schema goes into "
        "databricks_database, and a name with a dot between back-quotes",
        "c.yaml:14: pipelines.8.steps takes a list of steps",
        "c.yaml:15: pipelines.9 takes a mapping",
    ]


def test_names_and_targets_of_pipelines_are_their_own(tmp_path: Path) -> None:
    text = "pipelines:\n- {name: a, scenario: raw, target: T}\n- {name: a, scenario: raw}\n"
    assert faults(resolved(tmp_path, text + "- {name: c, steps: [], target: t}\n")) == [
        "c.yaml:3: pipelines.1.name is the name of another pipeline too: 'a'",
        "c.yaml:4: pipelines.2.target is the target of pipeline 'a' too; each needs a table of its own",
    ]


def test_a_pipeline_is_given_by_steps_or_by_scenario_and_by_a_variable_too(tmp_path: Path) -> None:
    json = (
        '[{"name": "a", "scenario": "secure", "sanitize_config": {"x": {"drop": true}}},'
        ' {"name": "b", "steps": [{"filter": {"x": 1}}], "target": "`t.1`"}]'
    )
    found = plans(resolved(tmp_path, "", PIPELINES=json).values)
    assert [(plan.name, plan.scenario, plan.target) for plan in found] == [
        ("a", Scenario.SECURE, None),
        ("b", Scenario.FILTERED, "t.1"),
    ]


def test_rules_that_do_not_fit_the_table_are_told_at_once_with_their_lines(tmp_path: Path) -> None:
    text = """pipelines:
  - name: a
    steps:
      - filter: {temprature: {'>': 3}}
      - sanitize:
          id: {round: 1}
          allow: [id, sen]
"""
    found = resolved(tmp_path, text)
    (plan,) = plans(found.values)
    table = TableSchema.of([Column("id", "long"), Column("temperature", "double"), Column("seen", "timestamp")])
    with pytest.raises(ConfigError) as raised:
        found.check_rules(plan, step_faults(plan.steps, table))
    assert str(raised.value).splitlines()[1:] == [
        "  c.yaml:4: pipelines.0.steps.0.filter.temprature.> is about 'temprature', which is no column there, did you "
        "mean 'temperature'?",
        "  c.yaml:6: pipelines.0.steps.1.sanitize.id is BIGINT, which has no decimals to round",
        "  c.yaml:7: pipelines.0.steps.1.sanitize.allow.1 is about 'sen', which is no column there, did you mean "
        "'seen'?",
    ]


HASHING = "enable_sanitize: true\nsanitize_config: {a: {hash: true}}\n"


def test_hash_needs_a_key_of_some_length(tmp_path: Path) -> None:
    assert faults(resolved(tmp_path, HASHING)) == [
        "c.yaml:2: hash needs a key: set SANITIZE_HASH_KEY or SANITIZE_HASH_KEY_FILE, as from `openssl rand -hex 32`"
    ]
    assert faults(resolved(tmp_path, HASHING, SANITIZE_HASH_KEY="short")) == [
        "environment SANITIZE_HASH_KEY: sanitize_hash_key takes at least 16 letters and digits, no spaces"
    ]


def test_the_key_is_a_variable_or_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(KEY + "\n")
    for given in ({"SANITIZE_HASH_KEY": KEY}, {"SANITIZE_HASH_KEY_FILE": str(tmp_path / "key")}):
        found = resolved(tmp_path, HASHING, **given)
        key = hash_key(found.values)
        assert faults(found) == []
        assert key is not None
        assert key.reveal() == KEY
        assert KEY not in repr(found) + str(key)


def test_the_key_is_never_in_yaml(tmp_path: Path) -> None:
    found = resolved(tmp_path, f"{HASHING}sanitize_hash_key: {KEY}\n")
    assert faults(found)[-1] == "c.yaml:3: sanitize_hash_key is not for YAML: set the variable SANITIZE_HASH_KEY"
    assert KEY not in str(faults(found))


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "names no file: "),
        ("short", "holds no key of at least 16 letters and digits, no spaces: "),
        ("two words that are long", "holds no key of at least 16 letters and digits, no spaces: "),
    ],
)
def test_a_file_without_a_key_is_a_fault(content: str | None, told: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "key").write_text(content)
    found = resolved(tmp_path, HASHING + "sanitize_hash_key_file: key\n")
    assert faults(found) == [f"c.yaml:3: sanitize_hash_key_file {told}{tmp_path / 'key'}"]


def test_two_keys_are_a_fault(tmp_path: Path) -> None:
    found = faults(resolved(tmp_path, HASHING + "sanitize_hash_key_file: key\n", SANITIZE_HASH_KEY=KEY))
    assert found == [
        "c.yaml:3: sanitize_hash_key_file and sanitize_hash_key (environment SANITIZE_HASH_KEY) mean the same: set one "
        "of them"
    ]
