"""Every table, as SQLAlchemy Core; the migrations build the same, and a test compares the two."""

from sqlalchemy import (
    Boolean,
    CheckConstraint,
    Column,
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
