"""The database: SQLAlchemy Core tables, statements right on SQLite and PostgreSQL, Alembic migrations."""
