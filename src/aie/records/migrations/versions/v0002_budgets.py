"""Budgets above a run, the slabs they are leased in, and kill switches."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

_COUNTS = ("reserved", "spent", "forfeited", "overrun")


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)


def _big(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def upgrade() -> None:
    """Add the tables, and to runs what they wait for."""
    op.add_column("runs", sa.Column("held", sa.Text(), nullable=False, server_default=""))
    op.create_index(
        "runs_held",
        "runs",
        ["state", "queued_at", "id"],
        sqlite_where=sa.text("held != ''"),
        postgresql_where=sa.text("held != ''"),
    )
    op.create_table(
        "draws",
        _text("slab"),
        _text("tenant"),
        _text("window_id"),
        *(_big(f"{count}_{unit}") for count in _COUNTS for unit in ("cost", "tokens")),
        sa.PrimaryKeyConstraint("slab"),
    )
    op.create_index("draws_window", "draws", ["window_id"])
    op.create_table("windows", _text("id"), _text("tenant"), sa.PrimaryKeyConstraint("id"))
    op.create_table(
        "slabs",
        _text("id"),
        _text("tenant"),
        _text("window_id"),
        _text("executor"),
        _big("granted_cost"),
        _big("granted_tokens"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("slabs_window", "slabs", ["window_id"])
    op.create_table(
        "budgets",
        _text("tenant"),
        _text("scope"),
        _text("name"),
        sa.Column("cost", sa.BigInteger()),
        sa.Column("tokens", sa.BigInteger()),
        _text("per"),
        _text("on_exhausted"),
        _text("actor"),
        _text("reason"),
        _big("at"),
        sa.PrimaryKeyConstraint("tenant", "scope", "name"),
    )
    op.create_table(
        "stops",
        _text("tenant"),
        _text("kind"),
        _text("name"),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        _text("actor"),
        _text("reason"),
        _big("at"),
        sa.PrimaryKeyConstraint("tenant", "kind", "name"),
    )
