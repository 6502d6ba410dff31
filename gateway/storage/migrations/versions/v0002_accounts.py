"""Accounts, their keys, and the ledger of what they used."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

_REASONS = "'valid_vhs', 'no_valid_vhs', 'recheck_24h', 'billing_error', 'void'"


def upgrade() -> None:
    """Apply it."""
    _accounts()
    _usage_events()
    _make_append_only("usage_events")
    _usage_counters()
    _recheck_grace()
    _idempotency()
    _measurements()


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("auto_tier", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("custom_single_cents", sa.Integer()),
        sa.Column("custom_session_cents", sa.Integer()),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "tier IN ('paygo', 'starter', 'professional', 'enterprise')", name=op.f("ck_accounts_tier")
        ),
        sa.PrimaryKeyConstraint("id", name="pk_accounts"),
        sa.UniqueConstraint("name", name="uq_accounts_name"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.String(8), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("key_sha256", sa.String(64), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.BigInteger()),
        sa.Column("revoked_at", sa.BigInteger()),
        sa.Column("last_used_day", sa.Date()),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_api_keys_account_id"),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.UniqueConstraint("key_sha256", name="uq_api_keys_key_sha256"),
    )
    op.create_index("ix_api_keys_account_id", "api_keys", ["account_id"])


def _usage_events() -> None:
    op.create_table(
        "usage_events",
        sa.Column("event_id", sa.String(200), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("key_id", sa.String(8), nullable=False),
        sa.Column("period", sa.String(7), nullable=False),
        sa.Column("endpoint", sa.Text(), nullable=False),
        sa.Column("call_type", sa.String(16), nullable=False),
        sa.Column("billable", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(16), nullable=False),
        sa.Column("seq", sa.Integer()),
        sa.Column("monthly_usage", sa.Integer(), nullable=False),
        sa.Column("tier", sa.String(16), nullable=False),
        sa.Column("rate_cents", sa.Integer()),
        sa.Column("uuid_sha256", sa.String(64)),
        sa.Column("result_code", sa.Integer()),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=False),
        sa.Column("voids", sa.String(200)),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("call_type IN ('single', 'session')", name=op.f("ck_usage_events_call_type")),
        sa.CheckConstraint(f"reason IN ({_REASONS})", name=op.f("ck_usage_events_reason")),
        sa.CheckConstraint("billable = (seq IS NOT NULL)", name=op.f("ck_usage_events_seq")),
        sa.CheckConstraint(
            "(billable OR voids IS NOT NULL) = (rate_cents IS NOT NULL)",
            name=op.f("ck_usage_events_rate_cents"),
        ),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_usage_events_account_id"),
        sa.ForeignKeyConstraint(["voids"], ["usage_events.event_id"], name="fk_usage_events_voids"),
        sa.PrimaryKeyConstraint("event_id", name="pk_usage_events"),
        sa.UniqueConstraint("account_id", "period", "seq", name="uq_usage_events_account_id_period_seq"),
        sa.UniqueConstraint("voids", name="uq_usage_events_voids"),
    )


def _make_append_only(table: str) -> None:
    refusal = f"{table} is append-only"
    if op.get_context().dialect.name == "sqlite":
        for change in ("UPDATE", "DELETE"):
            op.execute(
                f"CREATE TRIGGER {table}_no_{change.lower()} BEFORE {change} ON {table} "
                f"BEGIN SELECT RAISE(ABORT, '{refusal}'); END"
            )
        return
    op.execute(
        f"CREATE FUNCTION {table}_refuse() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN RAISE EXCEPTION '{refusal}'; END $$"
    )
    op.execute(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        f"FOR EACH STATEMENT EXECUTE FUNCTION {table}_refuse()"
    )


def _usage_counters() -> None:
    op.create_table(
        "usage_counters",
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("period", sa.String(7), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("voided", sa.Integer(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_usage_counters_account_id"),
        sa.PrimaryKeyConstraint("account_id", "period", name="pk_usage_counters"),
    )


def _recheck_grace() -> None:
    op.create_table(
        "recheck_grace",
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("uuid_sha256", sa.String(64), nullable=False),
        sa.Column("billed_at", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.String(200), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_recheck_grace_account_id"),
        sa.PrimaryKeyConstraint("account_id", "uuid_sha256", name="pk_recheck_grace"),
    )


def _idempotency() -> None:
    op.create_table(
        "idempotency",
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("route", sa.String(200), nullable=False),
        sa.Column("key_sha256", sa.String(64), nullable=False),
        sa.Column("body_sha256", sa.String(64), nullable=False),
        sa.Column("response", sa.LargeBinary()),
        sa.Column("expires_at", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_idempotency_account_id"),
        sa.PrimaryKeyConstraint("account_id", "route", "key_sha256", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_expires_at", "idempotency", ["expires_at"])


def _measurements() -> None:
    op.create_table(
        "measurements",
        sa.Column("event_id", sa.String(200), nullable=False),
        sa.Column("account_id", sa.String(32), nullable=False),
        sa.Column("uuid_sha256", sa.String(64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("vhs", sa.Double(), nullable=False),
        sa.Column("vlas", sa.Double()),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name="fk_measurements_account_id"),
        sa.PrimaryKeyConstraint("event_id", name="pk_measurements"),
    )
    columns = ["account_id", "uuid_sha256", "at"]
    op.create_index("ix_measurements_account_id_uuid_sha256_at", "measurements", columns)


def downgrade() -> None:
    """Take it back."""
    for table in ("measurements", "idempotency", "recheck_grace", "usage_counters", "usage_events"):
        op.drop_table(table)
    if op.get_context().dialect.name == "postgresql":
        op.execute("DROP FUNCTION usage_events_refuse()")
    op.drop_table("api_keys")
    op.drop_table("accounts")
