"""Capture sessions of photographed screens."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply it."""
    op.create_table(
        "pop_sessions",
        sa.Column("id", sa.String(64), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("failure", sa.String(64)),
        sa.Column("frames", sa.Integer(), server_default="0", nullable=False),
        sa.Column("good_frames", sa.Integer(), server_default="0", nullable=False),
        sa.Column("consecutive_failures", sa.Integer(), server_default="0", nullable=False),
        sa.Column("patient_sha256", sa.String(64)),
        sa.Column("corners", sa.Text()),
        sa.Column("best_frame", sa.Integer()),
        sa.Column("best_spread", sa.Double()),
        sa.Column("best_result_code", sa.Integer()),
        sa.Column("best_vhs", sa.Double()),
        sa.Column("best_vlas", sa.Double()),
        sa.Column("frame_token", sa.String(32)),
        sa.Column("frame_until", sa.BigInteger()),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.Column("erase_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("state IN ('active', 'complete', 'failed')", name=op.f("ck_pop_sessions_state")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_pop_sessions_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_pop_sessions"),
    )
    op.create_index("ix_pop_sessions_erase_at", "pop_sessions", ["erase_at"])
    _pop_bodies()


def _pop_bodies() -> None:
    op.create_table(
        "pop_bodies",
        sa.Column("session_id", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.CheckConstraint("kind IN ('best', 'answer')", name=op.f("ck_pop_bodies_kind")),
        sa.ForeignKeyConstraint(
            ["session_id"], ["pop_sessions.id"], name="fk_pop_bodies_session_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("session_id", "kind", name="pk_pop_bodies"),
    )


def downgrade() -> None:
    """Take it back."""
    op.drop_table("pop_bodies")
    op.drop_table("pop_sessions")
