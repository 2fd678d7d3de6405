"""Questions that only a real account answers, each with the answer that is assumed until then.

A test of the product can ask for the other answer: what it claims should hold under both. The README lists them with
the statement that would settle each.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Unsettled:
    """The assumed answers.

    missing_file_is_ignored: COPY INTO with a file in FILES that isn't there, and no `ignoreMissingFiles` given. The
        option's default is said to be true for COPY INTO (https://docs.databricks.com/ingestion/cloud-object-storage/
        auto-loader/options, generic options).
    int_fits_bigint: COPY INTO of an INT column into a BIGINT one without a cast. databricks-sql-cli issue 39 saw it
        refused.
    expired_token: the HTTP status of a request whose OAuth token has expired, 401 or 403. At REST end points 403 was
        seen (n8n issue 34147); of the Thrift path nothing is known.
    """

    missing_file_is_ignored: bool = True
    int_fits_bigint: bool = False
    expired_token: int = 403
