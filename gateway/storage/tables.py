"""Every table, as SQLAlchemy Core; the migrations build the same, and a test compares the two."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
    Date,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from gateway.storage.clock import Instant

# Named by rule, so that a migration can drop what SQLite would leave nameless.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)

# What a job is about lies here and nowhere else: the engine behind `gateway.jobs` sees its id only.
jobs = Table(
    "jobs",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("api", String(32), nullable=False),
    Column("account", String(200), nullable=False),
    Column("external_id", String(200), nullable=False),  # the caller's own name for it
    Column("body_sha256", String(64), nullable=False),
    Column("kind", String(64), nullable=False),
    Column("queue", String(64), nullable=False),
    Column("priority", Integer, nullable=False),  # lower runs first
    Column("state", String(16), nullable=False),
    Column("cancel_requested", Boolean, nullable=False, server_default=false()),
    # The fencing token: each start takes the next number, and writes of an earlier one change nothing.
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("crash_count", Integer, nullable=False, server_default="0"),
    Column("executor_id", String(200)),
    Column("request", Text, nullable=False),  # JSON; paths live here
    Column("secret", LargeBinary),  # encrypted by its API, erased when the job ends
    Column("phase", String(64), nullable=False, default=""),
    Column("total", Integer),
    Column("done", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("detail", Text),  # JSON; whatever else the work says about how far it is
    Column("result", Text),  # JSON
    Column("error_code", String(64)),
    Column("error", Text),
    Column("created_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("finished_at", Instant),
    UniqueConstraint("api", "account", "external_id"),
    CheckConstraint("state IN ('queued', 'running', 'succeeded', 'failed', 'cancelled')", name="state"),
    Index("ix_jobs_state_created_at", "state", "created_at"),
    Index("ix_jobs_finished_at", "finished_at"),
)

# Results of steps that need not run again.
job_steps = Table(
    "job_steps",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("output", Text, nullable=False),  # JSON
    Column("finished_at", Instant, nullable=False),
)

# What a long job works through, in batches: 100,000 films are 500 rows, each written a few times.
job_items = Table(
    "job_items",
    metadata,
    Column("job_id", String(64), ForeignKey("jobs.id", ondelete="CASCADE"), primary_key=True),
    Column("batch", Integer, primary_key=True, autoincrement=False),
    Column("names", Text, nullable=False),  # JSON, a list of strings
    Column("outcomes", Text, nullable=False),  # a letter for each name
    Column("open", Integer, nullable=False),  # how many have none yet
    Column("begun", Boolean, nullable=False, server_default=false()),
)

# The processes that run jobs. A new start of one slot brings a new boot_id.
executors = Table(
    "executors",
    metadata,
    Column("executor_id", String(200), primary_key=True),
    Column("boot_id", String(64), nullable=False),
    Column("heartbeat_at", Instant, nullable=False),
)

# Whom we bill. Rates of our own making apply unless an enterprise has its own.
accounts = Table(
    "accounts",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False, unique=True),
    Column("tier", String(16), nullable=False),
    Column("auto_tier", Boolean, nullable=False, server_default=false()),  # by the month's volume instead
    Column("custom_single_cents", Integer),
    Column("custom_session_cents", Integer),
    Column("created_at", Instant, nullable=False),
    CheckConstraint("tier IN ('paygo', 'starter', 'professional', 'enterprise')", name="tier"),
)

# The key itself is nowhere; its id is a part of it that may be shown.
api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(8), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False, index=True),
    Column("key_sha256", String(64), nullable=False, unique=True),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant),
    Column("revoked_at", Instant),
    Column("last_used_day", Date),
)

# Append-only, triggers see to it: one row for each outcome, charged or not. A correction is another
# row, which `voids` an event and carries its cents with a minus, so that a bill is a sum of `rate_cents`.
usage_events = Table(
    "usage_events",
    metadata,
    Column("event_id", String(200), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("key_id", String(8), nullable=False),
    Column("period", String(7), nullable=False),  # YYYY-MM of `at`, in UTC; of what it voids, if so
    Column("endpoint", Text, nullable=False),
    Column("call_type", String(16), nullable=False),
    Column("billable", Boolean, nullable=False),
    Column("reason", String(16), nullable=False),
    Column("seq", Integer),  # 1, 2, 3… of the account's charged calls in its period
    Column("monthly_usage", Integer, nullable=False),
    Column("tier", String(16), nullable=False),
    Column("rate_cents", Integer),
    Column("uuid_sha256", String(64)),
    Column("result_code", Integer),
    Column("model_version", Text, nullable=False),
    Column("request_id", Text, nullable=False),
    Column("voids", String(200), ForeignKey("usage_events.event_id"), unique=True),
    Column("at", Instant, nullable=False),
    UniqueConstraint("account_id", "period", "seq"),
    CheckConstraint("call_type IN ('single', 'session')", name="call_type"),
    CheckConstraint(
        "reason IN ('valid_vhs', 'no_valid_vhs', 'recheck_24h', 'billing_error', 'void')", name="reason"
    ),
    CheckConstraint("billable = (seq IS NOT NULL)", name="seq"),
    CheckConstraint("(billable OR voids IS NOT NULL) = (rate_cents IS NOT NULL)", name="rate_cents"),
)

# n = charged events = greatest seq; n - voided = what the customer is told.
usage_counters = Table(
    "usage_counters",
    metadata,
    Column("account_id", String(32), ForeignKey("accounts.id"), primary_key=True),
    Column("period", String(7), primary_key=True),
    Column("n", Integer, nullable=False),
    Column("voided", Integer, nullable=False, server_default="0"),
)

# When a patient was charged last: for a day after, the next calls are free.
recheck_grace = Table(
    "recheck_grace",
    metadata,
    Column("account_id", String(32), ForeignKey("accounts.id"), primary_key=True),
    Column("uuid_sha256", String(64), primary_key=True),
    Column("billed_at", Instant, nullable=False),
    Column("event_id", String(200), nullable=False),
)

# Answers kept for callers that ask again under the same Idempotency-Key.
idempotency = Table(
    "idempotency",
    metadata,
    Column("account_id", String(32), ForeignKey("accounts.id"), primary_key=True),
    Column("route", String(200), primary_key=True),
    Column("key_sha256", String(64), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("response", LargeBinary),  # none while the first call is at work
    Column("expires_at", Instant, nullable=False, index=True),
)

# A patient's history: one row for each call that gave a valid measurement.
measurements = Table(
    "measurements",
    metadata,
    Column("event_id", String(200), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("uuid_sha256", String(64), nullable=False),
    Column("at", Instant, nullable=False),
    Column("vhs", Double, nullable=False),
    Column("vlas", Double),
    Index("ix_measurements_account_id_uuid_sha256_at", "account_id", "uuid_sha256", "at"),
)

# A vet photographs a screen, frame by frame, until there is a measurement or no more patience. One frame is
# in work at a time: it holds the session until `frame_until`, which its end clears.
pop_sessions = Table(
    "pop_sessions",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("account_id", String(32), ForeignKey("accounts.id"), nullable=False),
    Column("state", String(16), nullable=False),
    Column("failure", String(64)),  # the contract's word
    Column("frames", Integer, nullable=False, server_default="0"),
    Column("good_frames", Integer, nullable=False, server_default="0"),
    Column("consecutive_failures", Integer, nullable=False, server_default="0"),
    Column("patient_sha256", String(64)),
    Column("corners", Text),  # JSON: where the last frame had its screen
    Column("best_frame", Integer),
    Column("best_spread", Double),
    Column("best_result_code", Integer),
    Column("best_vhs", Double),
    Column("best_vlas", Double),
    Column("frame_token", String(32)),  # of the last frame; a later one takes the place of one that hangs
    Column("frame_until", Instant),
    Column("expires_at", Instant, nullable=False),
    Column("erase_at", Instant, nullable=False, index=True),
    CheckConstraint("state IN ('active', 'complete', 'failed')", name="state"),
)

# What a session keeps of its frames and answers: pictures, so megabytes, written seldom.
pop_bodies = Table(
    "pop_bodies",
    metadata,
    Column("session_id", String(64), ForeignKey("pop_sessions.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    CheckConstraint("kind IN ('best', 'answer')", name="kind"),
)
