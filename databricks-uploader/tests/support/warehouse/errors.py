"""What this warehouse answers when something is wrong: error class, SQLSTATE, HTTP code and what each stands on.

A condition is DOCUMENTED (its class and SQLSTATE are on the pages named), OBSERVED (seen in the answers of real
workspaces, in the connector's own end-to-end tests or in public reports) or a GUESS: chosen here, until a real account
says otherwise. `basis` and `source` are data, so that a test can hold them.
"""

import re
from dataclasses import dataclass
from enum import Enum

_CONDITIONS = "https://docs.databricks.com/error-messages/error-classes.html"
_COPY_INTO = "https://docs.databricks.com/sql/language-manual/delta-copy-into"
_FILES = "https://docs.databricks.com/api/workspace/files"
_PRIVILEGES = "https://docs.databricks.com/data-governance/unity-catalog/manage-privileges/privileges"
_CONNECTOR = "databricks-sql-connector 4.9.0"


class Basis(Enum):
    """How sure a condition is."""

    DOCUMENTED = "documented"
    OBSERVED = "observed"
    GUESS = "guess"


class WarehouseError(Exception):
    """An answer that says what is wrong: over Thrift as an operation's error, over REST as a status and a JSON body."""

    def __init__(self, condition: "Condition", detail: str) -> None:
        super().__init__(condition.written(detail))
        self.condition = condition
        self.detail = detail


@dataclass(frozen=True)
class Condition:
    """One kind of error. `http` is the status of the answer that carries it: 200 where Thrift does, inside the answer.

    `sqlstate` is empty where the service sends none: at its REST end points, and where a text has the older form
    `CLASS: text` without brackets.
    """

    name: str
    sqlstate: str
    http: int
    text: str
    basis: Basis
    source: str

    def error(self, **values: object) -> WarehouseError:
        """Make the error, its text filled with `values`."""
        return WarehouseError(self, self.text.format(**values))

    def written(self, detail: str) -> str:
        """Return the text as a client reads it."""
        if self.http != 200:
            return detail
        return f"[{self.name}] {detail} SQLSTATE: {self.sqlstate}" if self.sqlstate else f"{self.name}: {detail}"


def _sql(name: str, sqlstate: str, text: str, source: str = _CONDITIONS, basis: Basis = Basis.DOCUMENTED) -> Condition:
    return Condition(name, sqlstate, 200, text, basis, source)


def _rest(name: str, http: int, text: str, source: str, basis: Basis) -> Condition:
    return Condition(name, "", http, text, basis, source)


_NOT_FOUND = "cannot be found. Verify the spelling and correctness of the schema and catalog."

# --- objects and statements
TABLE_OR_VIEW_NOT_FOUND = _sql("TABLE_OR_VIEW_NOT_FOUND", "42P01", "The table or view {name} " + _NOT_FOUND)
TABLE_OR_VIEW_ALREADY_EXISTS = _sql(
    "TABLE_OR_VIEW_ALREADY_EXISTS", "42P07", "Cannot create table or view {name} because it already exists."
)
SCHEMA_NOT_FOUND = _sql("SCHEMA_NOT_FOUND", "42704", "The schema {name} " + _NOT_FOUND)
SCHEMA_ALREADY_EXISTS = _sql("SCHEMA_ALREADY_EXISTS", "42P06", "Cannot create schema {name} because it already exists.")
SCHEMA_NOT_EMPTY = _sql("SCHEMA_NOT_EMPTY", "2BP01", "Cannot drop a schema {name} because it contains objects.")
CATALOG_NOT_FOUND = _sql("NO_SUCH_CATALOG_EXCEPTION", "42704", "Catalog '{name}' was not found.")
UC_VOLUME_NOT_FOUND = _sql(
    "UC_VOLUME_NOT_FOUND", "42704", "Volume {name} does not exist. Please use 'SHOW VOLUMES' to list available volumes."
)
VOLUME_ALREADY_EXISTS = _sql(
    "VOLUME_ALREADY_EXISTS", "42000", "Cannot create volume {name} because it already exists.", basis=Basis.GUESS
)
UNRESOLVED_COLUMN = _sql(
    "UNRESOLVED_COLUMN.WITHOUT_SUGGESTION",
    "42703",
    "A column, variable, or function parameter with name {name} cannot be resolved.",
)
UNRESOLVED_ROUTINE = _sql("UNRESOLVED_ROUTINE", "42883", "Cannot resolve routine {name} on search path.")
FIELD_ALREADY_EXISTS = _sql("FIELD_ALREADY_EXISTS", "42710", "Cannot add column, because {name} already exists.")
PARSE_SYNTAX_ERROR = _sql("PARSE_SYNTAX_ERROR", "42601", "Syntax error at or near {near}.")
UNBOUND_SQL_PARAMETER = _sql(
    "UNBOUND_SQL_PARAMETER", "42P02", "Found the unbound parameter: {name}. Please, fix `args` and provide a value."
)
INSERT_ARITY = _sql(
    "INSERT_COLUMN_ARITY_MISMATCH.NOT_ENOUGH_DATA_COLUMNS",
    "21S01",
    "Cannot write to the table: {given} data columns, {wanted} table columns.",
)
CAST_INVALID_INPUT = _sql(
    "CAST_INVALID_INPUT", "22018", 'The value \'{value}\' of the type "STRING" cannot be cast to "{type}".'
)
DIVIDE_BY_ZERO = _sql("DIVIDE_BY_ZERO", "22012", "Division by zero. Use `try_divide` to tolerate it.")
NOT_NULL_VIOLATED = _sql(
    "DELTA_NOT_NULL_CONSTRAINT_VIOLATED", "23502", "NOT NULL constraint violated for column: {column}."
)
MERGE_TWO_SOURCES = _sql(
    "DELTA_MULTIPLE_SOURCE_ROW_MATCHING_TARGET_ROW_IN_MERGE",
    "21506",
    "Cannot perform Merge as multiple source rows matched and attempted to modify the same target row.",
)
CONCURRENT_APPEND = _sql(
    "DELTA_CONCURRENT_APPEND.WITHOUT_HINT",
    "2D521",
    "Transaction conflict detected. A concurrent operation added data to the table. Please retry the operation.",
)
PATH_NOT_FOUND = _sql("PATH_NOT_FOUND", "42K03", "Path does not exist: {path}.")
COLUMN_ALREADY_EXISTS = _sql("COLUMN_ALREADY_EXISTS", "42711", "The column {name} already exists.")
CONFIG_NOT_AVAILABLE = _sql("CONFIG_NOT_AVAILABLE", "42K0I", "Configuration {name} is not available.")
INTERNAL_ERROR = _sql("INTERNAL_ERROR", "XX000", "{text}")
UNSUPPORTED = _sql(
    "LOCAL_WAREHOUSE_UNSUPPORTED",
    "0A000",
    "The local warehouse does not do this: {what}.",
    "tests/support/warehouse/README.md: what it does not do",
    Basis.GUESS,
)

# --- COPY INTO
COPY_NO_TABLE = _sql("DELTA_MISSING_DELTA_TABLE_COPY_INTO", "42P01", "Table {name} does not exist.")
COPY_SYNTAX = _sql(
    "COPY_INTO_SYNTAX_ERROR",
    "42601",
    "Failed to parse the COPY INTO command: {what}.",
    f"{_CONDITIONS} has the class, for credentials and VALIDATE; what else it is for is not said",
    Basis.GUESS,
)
COPY_TOO_MANY_FILES = _sql(
    "COPY_INTO_SYNTAX_ERROR",
    "42601",
    "FILES can list 1000 files at most, not {count}.",
    f"{_COPY_INTO} (the limit; not its error)",
    Basis.GUESS,
)
COPY_SCHEMA_MISMATCH = _sql(
    "COPY_INTO_SCHEMA_MISMATCH_WITH_TARGET_TABLE",
    "42KDG",
    "A schema mismatch was detected while copying into the Delta table (Table: {table}): columns {columns} are not in "
    "it. This may indicate an issue with the incoming data, or the Delta table schema can be evolved automatically by "
    "setting COPY_OPTIONS ('mergeSchema' = 'true')",
)
COPY_NO_FILES = _sql(
    "COPY_INTO_SOURCE_SCHEMA_INFERENCE_FAILED",
    "42KD9",
    "The source directory did not contain any parsable files of type PARQUET: {path}.",
)
COPY_CONFLICT = _sql(
    "COPY_INTO_DUPLICATED_FILES_COPY_NOT_ALLOWED",
    "25000",
    "Duplicated files were committed in a concurrent COPY INTO operation. Please try again later.",
)
COPY_NOT_BLIND = _sql(
    "COPY_INTO_NON_BLIND_APPEND_NOT_ALLOWED",
    "25000",
    "COPY INTO other than appending data is not allowed to run concurrently with other transactions.",
)
COPY_CONCURRENT = _sql(
    "TRANSACTION_CONCURRENT_COPY_INTO", "25000", "Concurrent COPY INTO operation detected. Please try again."
)
COPY_ROCKSDB = _sql(
    "COPY_INTO_ROCKSDB_MAX_RETRY_EXCEEDED", "25000", "COPY INTO failed to load its state, maximum retries exceeded."
)
COPY_STATE = _sql("COPY_INTO_STATE_INTERNAL_ERROR", "55019", "An internal error occurred while processing its state.")
FAILED_TO_MERGE_FIELDS = _sql(
    "DELTA_FAILED_TO_MERGE_FIELDS", "22005", "Failed to merge fields '{column}' and '{column}'"
)
FILE_NOT_EXIST = _sql(
    "FAILED_READ_FILE.FILE_NOT_EXIST", "KD001", "Encountered error while reading file {path}. File does not exist."
)
FILE_CORRUPT = _sql(
    "FAILED_READ_FILE.NO_HINT", "KD001", "Encountered error while reading file {path}: {why}", basis=Basis.GUESS
)
COLUMN_TYPE_DIFFERS = _sql(
    "FAILED_READ_FILE.PARQUET_COLUMN_DATA_TYPE_MISMATCH",
    "KD001",
    "Encountered error while reading file {path}. Data type mismatches when reading Parquet column {column}.",
)
PARQUET_TYPE_ILLEGAL = _sql("PARQUET_TYPE_ILLEGAL", "42846", "Illegal Parquet type: {type}.")

# --- staging; the texts are those that the connector's own end-to-end tests expect
_E2E = f"{_CONNECTOR}, tests/e2e/common/uc_volume_tests.py"
STAGING_EXISTS = _sql(
    "FILE_IN_STAGING_PATH_ALREADY_EXISTS",
    "42K04",
    "File in staging path {path} already exists but OVERWRITE is not set.",
    _E2E,
    Basis.OBSERVED,
)
STAGING_EMPTY_LOCAL = _sql(
    "EMPTY_LOCAL_FILE_IN_STAGING_ACCESS_QUERY",
    "22023",
    "Empty local file in staging {verb} query.",
    _E2E,
    Basis.OBSERVED,
)

# --- rights: reading and finding is refused in the new form, writing in the old one, in the same workspaces
MAY_NOT_READ = _sql(
    "INSUFFICIENT_PERMISSIONS",
    "42501",
    "Insufficient privileges:\nUser does not have {privilege} on {kind} '{name}'.",
    f"{_CONDITIONS} and public reports of its text",
)
MAY_NOT_WRITE = _sql(
    "PERMISSION_DENIED",
    "",
    "User does not have {privilege} on {kind} '{name}'.",
    "public reports of refused INSERT, UPDATE, DELETE on Unity Catalog tables, 2025 and 2026",
    Basis.OBSERVED,
)

# --- REST
NO_CREDENTIAL = _rest(
    "401",
    401,
    "Credential was not sent or was of an unsupported type for this API.",
    "public reports of its body, e.g. dbt and MLflow users'",
    Basis.OBSERVED,
)
BAD_TOKEN = _rest(
    "403", 403, "Invalid access token.", f"{_CONNECTOR}, auth/thrift_http_client.py; user reports", Basis.OBSERVED
)
_EXPIRING = "Token is expiring within 30 seconds. (token expired)"
TOKEN_EXPIRED_401 = _rest("401", 401, _EXPIRING, "the other answer to Unsettled.expired_token", Basis.GUESS)
TOKEN_EXPIRED_403 = _rest(
    "403", 403, _EXPIRING, "databricks-vscode issue 583 (status, text); n8n issue 34147 (status)", Basis.OBSERVED
)
TOKEN_EXPIRED = {401: TOKEN_EXPIRED_401, 403: TOKEN_EXPIRED_403}
BAD_CLIENT = _rest("invalid_client", 401, "Client authentication failed", "RFC 6749, section 5.2", Basis.DOCUMENTED)
BAD_GRANT_TYPE = _rest(
    "unsupported_grant_type", 400, "Only client_credentials is served", "RFC 6749, section 5.2", Basis.DOCUMENTED
)
NO_WAREHOUSE = _rest(
    "RESOURCE_DOES_NOT_EXIST", 404, "SQL warehouse not found: {path}.", "https://docs.databricks.com/api", Basis.GUESS
)
NO_ENDPOINT = _rest(
    "ENDPOINT_NOT_FOUND",
    404,
    "The local warehouse does not serve {path}.",
    "https://docs.databricks.com/api",
    Basis.DOCUMENTED,
)
STARTING = _rest(
    "TEMPORARILY_UNAVAILABLE",
    503,
    "Cluster {compute} is temporarily unavailable.",
    "trinodb/trino pull request 29376",
    Basis.OBSERVED,
)
STILLBORN = _sql(
    "requirement failed",
    "",
    "Session handle: SessionHandle [{session}] has not been initialized or had already closed.",
    "lightdash/lightdash issue 27953 and pull request 28654",
    Basis.OBSERVED,
)
SESSION_CLOSED = _rest(
    "BAD_REQUEST",
    400,
    "Invalid SessionHandle: {session} is closed.",
    "databricks-sql-python issues 400 and 162",
    Basis.OBSERVED,
)
FILE_EXISTS = _rest(
    "ALREADY_EXISTS",
    409,
    "The file being created already exists.",
    f"{_FILES}/upload names no code; public reports of the answer and the error_mapper of databricks-sdk 0.156",
    Basis.OBSERVED,
)
FILE_NOT_FOUND = _rest(
    "NOT_FOUND", 404, "The file being accessed is not found.", f"{_FILES}/download; public reports", Basis.OBSERVED
)
DIRECTORY_NOT_FOUND = _rest(
    "NOT_FOUND",
    404,
    "The directory being accessed is not found.",
    f"{_FILES}/listdirectorycontents; MLflow's tests and public reports",
    Basis.OBSERVED,
)
DIRECTORY_NOT_EMPTY = _rest(
    "DIRECTORY_NOT_EMPTY", 400, "The directory is not empty.", f"{_FILES}/deletedirectory", Basis.GUESS
)
VOLUME_NOT_FOUND = _rest("NOT_FOUND", 404, "Volume '{name}' does not exist.", _FILES, Basis.GUESS)
VOLUME_DENIED = _rest(
    "PERMISSION_DENIED", 403, "User does not have {privilege} on {kind} '{name}'.", _PRIVILEGES, Basis.OBSERVED
)
BAD_PATH = _rest("INVALID_PARAMETER_VALUE", 400, "{path} is not a path in a volume.", _FILES, Basis.GUESS)
BAD_RANGE = _rest("INVALID_RANGE", 416, "The range {range} is not in the file.", "RFC 9110, 15.5.17", Basis.DOCUMENTED)
PRESIGNED_REFUSED = _rest(
    "AccessDenied", 403, "Request has expired", "the object store's own answer, S3's wording", Basis.OBSERVED
)
PRESIGNED_NO_FILE = _rest(
    "NoSuchKey", 404, "The specified key does not exist.", f"{_E2E}: GET of a missing file", Basis.OBSERVED
)

ALL = tuple(value for value in list(globals().values()) if isinstance(value, Condition))

# What Sail 0.7.2 says, as (pattern, condition, names of the groups): it sends neither class nor SQLSTATE.
_SAIL: tuple[tuple[str, Condition, tuple[str, ...]], ...] = (
    (r"(?:Table or view|Table) not found: (?!\[)(\S+)", TABLE_OR_VIEW_NOT_FOUND, ("name",)),
    (r"(?:Database|Schema) not found: (\S+)", SCHEMA_NOT_FOUND, ("name",)),
    (r"Catalog not found: (\S+)", CATALOG_NOT_FOUND, ("name",)),
    (r"Table already exists: (\S+)", TABLE_OR_VIEW_ALREADY_EXISTS, ("name",)),
    (r"Database already exists: (\S+)", SCHEMA_ALREADY_EXISTS, ("name",)),
    (r'ObjectName\(\[Identifier\("(\w+)"\).*cannot resolve', UNRESOLVED_COLUMN, ("name",)),
    (r"Cannot resolve UPDATE target column `(\w+)`", UNRESOLVED_COLUMN, ("name",)),
    (r"unknown function: (\S+)", UNRESOLVED_ROUTINE, ("name",)),
    (r"NOT NULL constraint violated for column: (\w+)", NOT_NULL_VIOLATED, ("column",)),
    (r"MERGE_CARDINALITY_VIOLATION", MERGE_TWO_SOURCES, ()),
    (r"Cannot cast string '(.*?)' to value of (\w+)", CAST_INVALID_INPUT, ("value", "type")),
    (r"Failed to commit transaction", CONCURRENT_APPEND, ()),
    (r"divide by zero", DIVIDE_BY_ZERO, ()),
    (r"input schema for INSERT has (\d+) fields, but table schema has (\d+)", INSERT_ARITY, ("given", "wanted")),
    (r"invalid argument: found (end of input|\S+)", PARSE_SYNTAX_ERROR, ("near",)),
    (r"expected (one statement)", PARSE_SYNTAX_ERROR, ("near",)),
)


def from_engine(text: str) -> WarehouseError:
    """Say what Sail said the way Databricks says it; INTERNAL_ERROR with Sail's words where no pattern fits."""
    for pattern, condition, names in _SAIL:
        found = re.search(pattern, text)
        if found:
            return condition.error(**dict(zip(names, found.groups(), strict=True)))
    return INTERNAL_ERROR.error(text=text)
