"""Rows of the store as JSON for programs."""

import json

from aie.core import JSON, iso
from aie.records import RunRow

__all__ = ["run_json"]


def run_json(row: RunRow) -> dict[str, JSON]:
    """Return what programs want to know of a run; keyed hashes stay inside."""
    return {
        "run": row.id,
        "workflow": row.workflow,
        "release": row.release,
        "environment": row.environment,
        "state": row.state,
        "failure": row.failure,
        "step": row.failed_path,
        "spend": json.loads(row.spend) if row.spend else {},
        "executing_ms": row.executing_ms,
        "submitted_at": iso(row.submitted_at),
        "updated_at": iso(row.updated_at),
    }
