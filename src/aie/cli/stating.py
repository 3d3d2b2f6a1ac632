"""Rows of the store as JSON for programs."""

import json
from dataclasses import fields

from aie.app import Lack, Moved
from aie.core import JSON, iso
from aie.records import Report, RunRow

__all__ = ["lack_json", "moved_json", "report_json", "run_json"]


def lack_json(lack: Lack) -> dict[str, JSON]:
    """Return the layer versions that a run needs, and what is installed of the same layers."""
    return {"needs": dict(lack.needs), "installed": dict(lack.installed)}


def report_json(report: Report) -> dict[str, JSON]:
    """Return what was verified, what was found and what cannot be told."""
    return {
        "intact": report.intact,
        "events": report.events,
        "blobs": report.blobs,
        "blocks": report.blocks,
        "sealed_up_to": dict(report.sealed_up_to),
        "anchored_up_to": dict(report.anchored_up_to),
        "unsealed": report.unsealed,
        "unprovable": list(report.unprovable),
        "findings": [
            {"kind": e.kind, "message": e.message, "tenant": e.tenant, "stream": e.stream, "n": e.n}
            for e in report.findings
        ],
    }


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


def moved_json(moved: Moved) -> dict[str, JSON]:
    """Return the alert of a name that came to mean another model."""
    return {each.name: getattr(moved, each.name) for each in fields(moved)}
