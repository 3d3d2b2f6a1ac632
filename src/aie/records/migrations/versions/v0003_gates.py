"""Gates before models: whose turn it is to call one, and which circuit breakers are open."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def _text(name: str) -> "sa.Column[str]":
    return sa.Column(name, sa.Text(), nullable=False)


def _big(name: str) -> "sa.Column[int]":
    return sa.Column(name, sa.BigInteger(), autoincrement=False, nullable=False)


def upgrade() -> None:
    """Add the tables."""
    op.create_table("gates", _text("model"), _big("open_until"), _big("probe_until"), sa.PrimaryKeyConstraint("model"))
    op.create_table(
        "passes",
        _text("id"),
        _text("model"),
        _big("tokens"),
        _big("counts_until"),
        _big("holds_until"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("passes_model", "passes", ["model", "counts_until"])
