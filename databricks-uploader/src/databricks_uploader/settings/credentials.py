"""Who a person says we are to a workspace: a token, a file with one, or a client of its own."""

from dataclasses import dataclass
from pathlib import Path

from databricks_uploader.model.secret import Secret
from databricks_uploader.settings.kinds import SECRET, MisfitError


@dataclass(frozen=True)
class GivenSecret:
    """A token that stays what it is."""

    secret: Secret

    def token(self) -> Secret:
        """Return the token."""
        return self.secret


@dataclass(frozen=True)
class TokenFile:
    """A file with a token, as mounted secrets are; what it holds may change."""

    path: Path

    def token(self) -> Secret:
        """Return the token that the file holds now. Raises MisfitError where it holds none."""
        try:
            text = self.path.read_text(encoding="utf-8").strip()
        except FileNotFoundError as error:
            raise MisfitError(f"names no file: {self.path}") from error
        except (OSError, UnicodeDecodeError) as error:
            raise MisfitError(f"can't be read: {self.path}") from error
        try:
            found: Secret = SECRET.parse(text)
        except ValueError as error:
            raise MisfitError(f"holds no token of one word: {self.path}") from error
        return found


@dataclass(frozen=True)
class Client:
    """A service principal, which OAuth lends tokens to."""

    client_id: str
    secret: Secret


Way = GivenSecret | TokenFile | Client
