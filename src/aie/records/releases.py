"""Which releases a tenant has."""

from dataclasses import dataclass

from sqlalchemy import select

from aie.records import tables
from aie.records.store import Store

__all__ = ["ReleaseRow", "find_releases"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseRow:
    """A release as it stands: the projection of its stream."""

    id: str
    workflow: str
    actor: str
    """Who locked or imported it."""
    parent: str
    """Release it was made to follow; empty when none was named."""
    bundle: str
    """Digest of the stored bundle's bytes."""
    imported: bool
    created_at: int
    """Microseconds since the epoch."""


def find_releases(
    store: Store, tenant: str, *, workflow: str = "", prefix: str = "", limit: int = 100
) -> list[ReleaseRow]:
    """Return the tenant's releases, newest first: of one workflow, or whose id begins with `prefix`."""
    table = tables.releases
    query = (
        select(table)
        .where(table.c.tenant == tenant, table.c.id.startswith(prefix, autoescape=True))
        .order_by(table.c.created_at.desc(), table.c.id)
        .limit(limit)
    )
    if workflow:
        query = query.where(table.c.workflow == workflow)
    with store.connect() as connection:
        rows = connection.execute(query).all()
    return [
        ReleaseRow(
            id=row.id,
            workflow=row.workflow,
            actor=row.actor,
            parent=row.parent,
            bundle=row.bundle,
            imported=bool(row.imported),
            created_at=row.created_at,
        )
        for row in rows
    ]
