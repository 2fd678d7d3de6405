"""What tells steps from other steps, for claims that wait while rules are changed."""

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import fields

from databricks_uploader.model.aggregation import AggregateStep
from databricks_uploader.model.secret import Secret
from databricks_uploader.model.steps import Rule, SanitizeStep, Step


def fingerprint(
    steps: Sequence[Step],
    judged: Collection[str] | None = None,
    key: Secret | None = None,
    aggregate: AggregateStep | None = None,
) -> str:
    """Return 32 hexadecimal digits that are others once steps, judged columns or the key of `hash` are.

    Where a rule is written does not count. It is a keyed digest where there is a key, and tells nothing of it.
    """
    told = [
        [type(step).__name__, step.allow if isinstance(step, SanitizeStep) else None, [_told(r) for r in step.rules]]
        for step in steps
    ]
    columns = None if judged is None else sorted(name.casefold() for name in judged)
    secret = b"" if key is None else hashlib.sha256(key.reveal().encode()).digest()
    text = json.dumps([told, columns, *([] if aggregate is None else [repr(aggregate)])])
    return hashlib.blake2b(text.encode(), key=secret, digest_size=16).hexdigest()


def _told(rule: Rule) -> object:
    values = {field.name: getattr(rule, field.name) for field in fields(rule) if field.name != "inside"}
    return [type(rule).__name__, values]
