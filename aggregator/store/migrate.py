"""
Bring a database to the tables of this version.

Flow: store -> **migrate** -> migrations. All in one transaction: it gets there, or it stays as it was.
"""

from __future__ import annotations

from typing import Final

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, inspect

from aggregator.store.tables import metadata
from kinwatch.errors import InputError

VERSION_TABLE: Final = "kinwatch_version"
"""Where Alembic notes the revision: not under its own name, so that no other program's revision is taken for ours."""


def configuration() -> Config:
    """Alembic's, with the migrations of this package, wherever it is installed."""
    config = Config()
    config.set_main_option("script_location", "aggregator.store:migrations")
    return config


def migrate(connection: Connection, revision: str = "head") -> None:
    """Upgrade in the connection's transaction; InputError for a database that is not of this or an earlier version."""
    config = configuration()
    _check(connection, ScriptDirectory.from_config(config))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _check(connection: Connection, scripts: ScriptDirectory) -> None:
    heads = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE}).get_current_heads()
    known = {script.revision for script in scripts.walk_revisions()}
    if unknown := sorted(set(heads) - known):
        raise InputError(
            f"the database was written by a newer version of Kinwatch: its revision {unknown[0]} is not known here",
            remedy="run that version, or start with another database or --data-dir",
        )
    if not heads and (taken := sorted(set(inspect(connection).get_table_names()) & set(metadata.tables))):
        raise InputError(
            f"the database holds tables of another program: {', '.join(taken)}", remedy="give Kinwatch its own database"
        )
