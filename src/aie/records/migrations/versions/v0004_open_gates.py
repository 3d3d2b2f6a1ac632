"""What opened a circuit breaker."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the words."""
    op.add_column("gates", sa.Column("why", sa.Text(), nullable=False, server_default=""))
