"""What a workspace says when something is wrong, and which of our errors that is."""

import pytest
from tests.support.warehouse import errors as answers

from databricks_uploader.destinations.databricks.errors import error_of, meaning
from databricks_uploader.errors import ConfigError, PermanentError, TransientError, UploaderError
from databricks_uploader.events import Discreet, Failed
from databricks_uploader.observability.log import drawn

KINDS: dict[str, type[UploaderError]] = {
    "TABLE_OR_VIEW_NOT_FOUND": ConfigError,
    "SCHEMA_NOT_FOUND": ConfigError,
    "NO_SUCH_CATALOG_EXCEPTION": ConfigError,
    "UC_VOLUME_NOT_FOUND": ConfigError,
    "DELTA_MISSING_DELTA_TABLE_COPY_INTO": ConfigError,
    "TABLE_OR_VIEW_ALREADY_EXISTS": TransientError,
    "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION": PermanentError,
    "PARSE_SYNTAX_ERROR": PermanentError,
    "CAST_INVALID_INPUT": PermanentError,
    "DELTA_NOT_NULL_CONSTRAINT_VIOLATED": PermanentError,
    "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE": TransientError,
    "DELTA_CONCURRENT_APPEND.WITHOUT_HINT": TransientError,
    "INTERNAL_ERROR": TransientError,
    "COPY_INTO_SCHEMA_MISMATCH_WITH_TARGET_TABLE": PermanentError,
    "COPY_INTO_SOURCE_SCHEMA_INFERENCE_FAILED": PermanentError,
    "COPY_INTO_DUPLICATED_FILES_COPY_NOT_ALLOWED": TransientError,
    "COPY_INTO_NON_BLIND_APPEND_NOT_ALLOWED": TransientError,
    "TRANSACTION_CONCURRENT_COPY_INTO": TransientError,
    "COPY_INTO_ROCKSDB_MAX_RETRY_EXCEEDED": TransientError,
    "COPY_INTO_STATE_INTERNAL_ERROR": TransientError,
    "DELTA_FAILED_TO_MERGE_FIELDS": PermanentError,
    "FAILED_READ_FILE.FILE_NOT_EXIST": TransientError,
    "FAILED_READ_FILE.NO_HINT": PermanentError,
    "INSUFFICIENT_PERMISSIONS": PermanentError,
    "PERMISSION_DENIED": PermanentError,
    "401": ConfigError,
    "403": ConfigError,
    "invalid_client": ConfigError,
    "RESOURCE_DOES_NOT_EXIST": ConfigError,
    "TEMPORARILY_UNAVAILABLE": TransientError,
    "requirement failed": TransientError,
    "BAD_REQUEST": TransientError,
}
MET = [condition for condition in answers.ALL if condition.name in KINDS]


def said(condition: answers.Condition) -> tuple[str, int]:
    """Return message and status as they reach us: at REST with the code, at Thrift as the text alone."""
    if condition.http == 200:
        return condition.written(condition.text), 0
    return f"{condition.name}: {condition.text}", condition.http


@pytest.mark.parametrize("condition", MET, ids=lambda condition: condition.name)
def test_what_is_said_becomes_the_error_that_tells_what_happens_next(condition: answers.Condition) -> None:
    assert issubclass(meaning(*said(condition)).error, KINDS[condition.name])


@pytest.mark.parametrize(
    ("message", "status", "kind"),
    [
        ("User does not have MODIFY on TABLE 't'", 403, ConfigError),
        ("PERMISSION_DENIED: User does not have WRITE VOLUME on VOLUME 'v'", 403, PermanentError),
        ("", 429, TransientError),
        ("", 500, TransientError),
        ("<html>Bad Gateway</html>", 502, TransientError),
        ("REQUEST_LIMIT_EXCEEDED: too many", 0, TransientError),
        ("[SOMETHING_NEW] nobody knows it. SQLSTATE: 08000", 0, TransientError),
        ("[SOMETHING_NEW] about a value. SQLSTATE: 22ABC", 0, PermanentError),
    ],
)
def test_what_no_table_of_theirs_has_is_sorted_by_what_it_begins_with(
    message: str, status: int, kind: type[UploaderError]
) -> None:
    assert issubclass(meaning(message, status).error, kind)


def test_an_error_says_what_was_done_and_what_to_do_in_one_line_and_shows_no_token() -> None:
    error = error_of("can't load", "[TABLE_OR_VIEW_NOT_FOUND] The table\n dapi0123456789abcdef. SQLSTATE: 42P01", 0)
    assert str(error) == (
        "can't load: the table is not there, or we may not see it: [TABLE_OR_VIEW_NOT_FOUND] The table ********. "
        "SQLSTATE: 42P01"
    )
    assert error.hint


def test_a_long_message_is_cut() -> None:
    assert len(str(error_of("x", "y" * 10_000))) < 600


def test_of_a_secure_pipeline_only_the_class_of_what_a_workspace_says_is_told() -> None:
    error = error_of("can't load", "[CAST_INVALID_INPUT] The value 'SECRET' can't be cast. SQLSTATE: 22018")
    assert "SECRET" in str(error)
    _, line = drawn(Discreet(Failed(error, None)))
    assert "SECRET" not in line
    assert "CAST_INVALID_INPUT" in line
