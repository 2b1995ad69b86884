"""The journal's tables, their version, and whether a file on the disk may be used at all (JRN-01, JRN-14).

Every row carries a check value over its columns: SQLite finds a damaged page, not a damaged number in a whole one.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from zlib import crc32

from engine.base.errors import JournalError
from engine.orders.journalwal import logged

APPLICATION_ID = 0x454E4A31
"""In the header of every file of ours: not any database is a journal."""
MAGIC = b"SQLite format 3\x00"
HEADER_BYTES = 100
PAGE_BYTES = 2048
"""Room for three rows with a request or a report, of which a commit has few: it writes whole pages."""


@dataclass(frozen=True, slots=True)
class Schema:
    """One version of the tables.

    Attributes:
        create: what makes them.
        steps: by an older version: what makes the next one of it; the last one ends with the very tables of *create*.
    """

    version: int
    create: str
    steps: Mapping[int, str] = field(default_factory=dict)


SCHEMA = Schema(
    version=1,
    create="""
CREATE TABLE intent (
  order_no INTEGER PRIMARY KEY AUTOINCREMENT, consumer_id TEXT NOT NULL, client_order_id TEXT NOT NULL,
  use_no INTEGER NOT NULL, wire_id TEXT NOT NULL UNIQUE, provider TEXT NOT NULL, symbol TEXT NOT NULL,
  request BLOB NOT NULL, seal INTEGER NOT NULL, UNIQUE (consumer_id, client_order_id, use_no));
CREATE TABLE sent (
  order_no INTEGER PRIMARY KEY, outcome INTEGER NOT NULL, venue_order_id TEXT, ts_ns INTEGER NOT NULL,
  seal INTEGER NOT NULL);
CREATE TABLE report (
  report_no INTEGER PRIMARY KEY AUTOINCREMENT, order_no INTEGER NOT NULL, consumer_id TEXT NOT NULL,
  report_seq INTEGER NOT NULL, state INTEGER NOT NULL, venue_order_id TEXT, ts_ns INTEGER NOT NULL,
  body BLOB NOT NULL, seal INTEGER NOT NULL, delivered INTEGER NOT NULL);
CREATE INDEX report_of_order ON report (order_no, report_seq);
CREATE INDEX report_waiting ON report (consumer_id, report_no) WHERE delivered = 0;
CREATE TABLE fill (
  provider TEXT NOT NULL, symbol TEXT NOT NULL, exec_id TEXT NOT NULL, order_no INTEGER NOT NULL,
  consumer_id TEXT NOT NULL, side INTEGER NOT NULL, qty_raw INTEGER NOT NULL, qty_scale INTEGER NOT NULL,
  price TEXT NOT NULL, fees BLOB NOT NULL, ts_ns INTEGER NOT NULL, seal INTEGER NOT NULL,
  PRIMARY KEY (provider, symbol, exec_id)) WITHOUT ROWID;
CREATE INDEX fill_of_order ON fill (order_no);
CREATE TABLE terminal (
  order_no INTEGER PRIMARY KEY, state INTEGER NOT NULL, ended_ns INTEGER NOT NULL, seal INTEGER NOT NULL);
CREATE INDEX terminal_at ON terminal (ended_ns);
CREATE TABLE position (
  consumer_id TEXT NOT NULL, provider TEXT NOT NULL, symbol TEXT NOT NULL, net_qty TEXT NOT NULL, fees BLOB NOT NULL,
  seal INTEGER NOT NULL, PRIMARY KEY (consumer_id, provider, symbol)) WITHOUT ROWID;
CREATE TABLE risk_state (control TEXT PRIMARY KEY, state BLOB NOT NULL, seal INTEGER NOT NULL) WITHOUT ROWID;
""",
)


def seal_of(table: str, values: tuple[Any, ...]) -> int:
    """The check value of a row: all its columns but *seal*, and *delivered*, which is 0 or the seal itself."""
    return crc32(repr((table, values)).encode())


def unsealed(table: str, row: tuple[Any, ...]) -> tuple[Any, ...]:
    """The columns of a row whose last one is its seal.

    Raises:
        JournalError: the row is not what was written.
    """
    if seal_of(table, row[:-1]) != row[-1]:
        raise damaged(f"a row of {table} is not what was written")
    return row[:-1]


def damaged(what: str) -> JournalError:
    """The error of a journal that cannot be believed."""
    return JournalError(
        f"the journal is damaged: {what}",
        op="journal.open",
        hint="the file is kept as it is; put a good copy in its place, or move it away and settle open orders by hand",
    )


# --- opening ------------------------------------------------------------------------------------------------


def examine(path: Path, schema: Schema) -> int | None:
    """The version of the file at *path*, proven whole without changing a byte of it; None = there is none.

    Raises:
        JournalError: it is damaged, newer than this program, not a journal, or cannot be read.
    """
    try:
        with path.open("rb") as file:
            header = file.read(HEADER_BYTES)
            size_bytes = os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        if wal_of(path).exists():
            raise damaged(f"{path.name} is gone, what was to be added to it is there") from None
        return None
    except OSError as error:
        raise _unusable(path, str(error)) from error
    if len(header) < HEADER_BYTES or not header.startswith(MAGIC):
        raise damaged(f"{path.name} does not begin as a database does")
    page_bytes = int.from_bytes(header[16:18], "big")
    page_bytes = 65536 if page_bytes == 1 else page_bytes
    wal = logged(wal_of(path))
    if wal.is_broken:
        raise damaged(f"{wal_of(path).name} is broken in the middle")
    # A death while the log was moved into the file may leave its end unwritten, or half a page: the log has it.
    pages = wal.pages or int.from_bytes(header[28:32], "big")
    whole = size_bytes // page_bytes if page_bytes else -1
    is_torn = size_bytes != whole * page_bytes and not wal.pages
    if is_torn or not wal.numbers.issuperset(range(whole + 1, pages + 1)):
        raise damaged(f"{path.name} is shorter than it says")
    try:
        reader = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None)
    except sqlite3.Error as error:
        raise _unusable(path, str(error)) from error
    try:
        (owner,) = reader.execute("PRAGMA application_id").fetchone()
        (version,) = reader.execute("PRAGMA user_version").fetchone()
        if owner != APPLICATION_ID:
            raise damaged(f"{path.name} is not an order journal")
        if version > schema.version:
            raise JournalError(
                f"the journal has version {version}, this program knows {schema.version}",
                op="journal.open",
                hint="start the newer program that wrote it; the file is kept as it is",
            )
        if version != schema.version and version not in schema.steps:
            raise damaged(f"{path.name} has version {version}, which never was")
        found = reader.execute("PRAGMA integrity_check(1)").fetchone()[0]
        if found != "ok":
            raise damaged(str(found))
        if version == schema.version:
            _compare_tables(reader, schema)
        return int(version)
    except sqlite3.OperationalError as error:
        raise _unusable(path, str(error)) from error
    except sqlite3.DatabaseError as error:
        raise damaged(str(error)) from error
    finally:
        reader.close()


def _compare_tables(reader: sqlite3.Connection, schema: Schema) -> None:
    with_ours = sqlite3.connect(":memory:", isolation_level=None)
    with_ours.executescript(schema.create)
    listing = "SELECT name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"
    same = reader.execute(listing).fetchall() == with_ours.execute(listing).fetchall()
    with_ours.close()
    if not same:
        raise damaged("its tables are not ours")


def _unusable(path: Path, cause: str) -> JournalError:
    return JournalError(f"{path} cannot be used: {cause}", op="journal.open")


def wal_of(path: Path) -> Path:
    """Where SQLite writes what is committed, before it goes into the file itself."""
    return path.with_name(path.name + "-wal")


def create(path: Path, schema: Schema) -> None:
    """Make an empty journal; it appears under its name whole or not at all.

    Raises:
        JournalError: it cannot be written.
    """
    fresh = path.with_name(path.name + ".new")
    try:
        for left in (fresh, wal_of(fresh), fresh.with_name(fresh.name + "-journal")):
            left.unlink(missing_ok=True)
        writer = sqlite3.connect(fresh, isolation_level=None)
        try:
            # Before the first table: later it would need all of the file written anew.
            writer.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
            writer.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            writer.executescript(f"BEGIN;{schema.create}PRAGMA user_version = {schema.version};COMMIT;")
            # Here and not at its first use: a death in the middle of that would leave a file that only a writer mends.
            writer.execute("PRAGMA journal_mode = WAL").fetchall()
        finally:
            writer.close()
        fresh.chmod(0o600)
        os.rename(fresh, path)
        _sync_folder(path.parent)
    except (OSError, sqlite3.Error) as error:
        raise _unusable(path, str(error)) from error


def migrate(writer: sqlite3.Connection, path: Path, version: int, schema: Schema) -> None:
    """Copy an older journal aside, then bring it to *schema* in one transaction.

    Raises:
        JournalError: it could not be copied or brought there; the file is as it was.
    """
    aside = path.with_name(f"{path.name}.v{version}")
    try:
        aside.unlink(missing_ok=True)
        copy = sqlite3.connect(aside)
        try:
            writer.backup(copy)
        finally:
            copy.close()
        _sync_folder(path.parent)
        steps = "".join(schema.steps[number] for number in range(version, schema.version))
        writer.executescript(f"BEGIN IMMEDIATE;{steps}PRAGMA user_version = {schema.version};")
        _compare_tables(writer, schema)
        writer.execute("COMMIT")
    except (OSError, sqlite3.Error, KeyError, JournalError) as error:
        if writer.in_transaction:
            writer.execute("ROLLBACK")
        raise JournalError(
            f"version {version} could not be brought to {schema.version}: {error}", op="journal.migrate"
        ) from error


def _sync_folder(folder: Path) -> None:
    """Make a new name in *folder* last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
