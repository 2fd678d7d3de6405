"""Which table a pipeline's rows go into."""

import pytest

from databricks_uploader.model.plan import Plan, sharing_targets
from databricks_uploader.model.scenario import Scenario, foreign_prefix, routed
from databricks_uploader.model.steps import Condition, Drop, FilterStep, Operator, SanitizeStep

FILTER = FilterStep((Condition(column="a", operator=Operator.EQUAL, values=(1,)),))
SANITIZE = SanitizeStep((Drop(column="a"),))
COMBINATIONS = [
    (Scenario.RAW, "raw_t", "raw_t", False),
    (Scenario.RAW, "filtered_t", "raw_filtered_t", True),
    (Scenario.RAW, "secure_t", "raw_secure_t", True),
    (Scenario.RAW, "aggregated_t", "raw_aggregated_t", True),
    (Scenario.FILTERED, "raw_t", "filtered_raw_t", True),
    (Scenario.FILTERED, "filtered_t", "filtered_t", False),
    (Scenario.FILTERED, "secure_t", "filtered_secure_t", True),
    (Scenario.FILTERED, "aggregated_t", "filtered_aggregated_t", True),
    (Scenario.SECURE, "raw_t", "secure_raw_t", True),
    (Scenario.SECURE, "filtered_t", "secure_filtered_t", True),
    (Scenario.SECURE, "secure_t", "secure_t", False),
    (Scenario.SECURE, "aggregated_t", "secure_aggregated_t", True),
    (Scenario.AGGREGATED, "raw_t", "aggregated_raw_t", True),
    (Scenario.AGGREGATED, "filtered_t", "aggregated_filtered_t", True),
    (Scenario.AGGREGATED, "secure_t", "aggregated_secure_t", True),
    (Scenario.AGGREGATED, "aggregated_t", "aggregated_t", False),
]


@pytest.mark.parametrize(("scenario", "name", "target", "warned"), COMBINATIONS)
def test_its_own_prefix_is_not_doubled_and_anothers_is_part_of_the_name_with_a_warning(
    scenario: Scenario, name: str, target: str, *, warned: bool
) -> None:
    assert routed(scenario, name) == target
    warning = foreign_prefix(scenario, name)
    assert (warning is not None) == warned
    assert warning is None or (name in warning and target in warning)


@pytest.mark.parametrize("scenario", Scenario)
def test_a_name_without_a_prefix_gets_that_of_the_scenario(scenario: Scenario) -> None:
    assert routed(scenario, "sensor_readings") == f"{scenario}_sensor_readings"
    assert foreign_prefix(scenario, "sensor_readings") is None


def test_a_prefix_is_one_in_any_case_as_tables_have_no_case() -> None:
    assert routed(Scenario.RAW, "RAW_Feed") == "RAW_Feed"


@pytest.mark.parametrize(
    ("steps", "target"),
    [((), "raw_t"), ((FILTER,), "filtered_t"), ((SANITIZE,), "secure_t"), ((SANITIZE, FILTER), "secure_t")],
)
def test_the_strictest_step_decides(steps: tuple[FilterStep | SanitizeStep, ...], target: str) -> None:
    assert Plan("a", steps).target_table("t") == target


def test_a_target_of_a_pipeline_is_taken_as_it_is_and_is_secure_by_its_step_whatever_its_name() -> None:
    plan = Plan("a", (SANITIZE,), "raw_events")
    assert plan.target_table("t") == "raw_events"
    assert plan.secure
    assert plan.warning("t") is None


def test_pipelines_that_share_a_target_are_found_in_any_case() -> None:
    one, other, third = Plan("a"), Plan("b", (FILTER,), "RAW_T"), Plan("c", (FILTER,))
    assert list(sharing_targets([one, other, third], "t")) == [(one, other)]
