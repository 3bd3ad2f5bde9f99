#!/usr/bin/env python3
"""Makes, writes, holds and checks SQLite databases for tests of live captures.

    make DB wal|delete ROWS     a database of ROWS items
    write DB RATE               commits RATE numbered transactions a second until standard input ends
    hold DB                     holds an exclusive lock until standard input ends
    idle DB                     commits once, has the log copied back, and keeps the database open until then
    crash DB                    dies in the middle of a transaction that has reached the file
    check DB ROWS               a captured database: whole, and what a replay of its transactions gives
"""
import hashlib
import json
import os
import signal
import sqlite3
import sys
import threading
import time


def text(number, item):
    return hashlib.sha256(f"{number} {item}".encode()).hexdigest() * 4


def fill(database, rows):
    database.execute("CREATE TABLE item (id INTEGER PRIMARY KEY, text TEXT, version INTEGER)")
    database.execute("CREATE INDEX item_version ON item (version, id)")
    database.execute("CREATE TABLE log (number INTEGER PRIMARY KEY)")
    database.executemany("INSERT INTO item VALUES (?, ?, 0)", ((item, text(0, item)) for item in range(rows)))


def apply(database, number, rows):
    """One transaction: its number, five changed items, a new one, one that goes."""
    database.execute("BEGIN IMMEDIATE")
    database.execute("INSERT INTO log VALUES (?)", (number,))
    for step in range(5):
        item = (number * 7919 + step * 104729) % rows
        database.execute("UPDATE item SET text = ?, version = ? WHERE id = ?", (text(number, item), number, item))
    database.execute("INSERT INTO item VALUES (?, ?, ?)", (rows + number, text(number, 0), number))
    database.execute("DELETE FROM item WHERE id = ?", (rows + number - 100,))
    database.execute("COMMIT")


def make(path, journal, rows):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute(f"PRAGMA journal_mode = {journal}")
    database.execute("PRAGMA user_version = 7")
    database.execute(f"PRAGMA application_id = {rows}")
    database.execute("BEGIN")
    fill(database, rows)
    database.execute("COMMIT")
    database.close()


def write(path, rate):
    ended = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), ended.set()), daemon=True).start()
    database = sqlite3.connect(path, isolation_level=None, timeout=60)
    database.execute("PRAGMA synchronous = NORMAL")
    rows = database.execute("PRAGMA application_id").fetchone()[0]
    first = number = database.execute("SELECT coalesce(max(number), 0) FROM log").fetchone()[0]
    start, longest = time.monotonic(), 0.0
    while not ended.is_set():
        number += 1
        begun = time.monotonic()
        apply(database, number, rows)
        longest = max(longest, time.monotonic() - begun)
        if number == first + 20:
            print("ready", flush=True)
        pause = start + (number - first) / rate - time.monotonic()
        if pause > 0:
            time.sleep(pause)
    seconds = time.monotonic() - start
    print(json.dumps({"transactions": number - first, "seconds": round(seconds, 3),
                      "longest_wait_ms": round(longest * 1000, 1)}), flush=True)
    database.close()


def hold(path):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA locking_mode = EXCLUSIVE")
    database.execute("BEGIN EXCLUSIVE")
    print("ready", flush=True)
    sys.stdin.read()
    database.execute("ROLLBACK")


def idle(path):
    database = sqlite3.connect(path, isolation_level=None)
    apply(database, 1, database.execute("PRAGMA application_id").fetchone()[0])
    database.execute("PRAGMA wal_checkpoint(PASSIVE)")
    print("ready", flush=True)
    sys.stdin.read()


def crash(path):
    database = sqlite3.connect(path, isolation_level=None)
    database.execute("PRAGMA cache_size = 10")
    database.execute("BEGIN")
    database.execute("UPDATE item SET text = 'half', version = 99")
    os.kill(os.getpid(), signal.SIGKILL)


def check(path, rows):
    database = sqlite3.connect(path)
    findings = [row[0] for row in database.execute("PRAGMA integrity_check")]
    if findings != ["ok"]:
        sys.exit(f"integrity_check: {findings[:3]}")
    last = database.execute("SELECT coalesce(max(number), 0) FROM log").fetchone()[0]
    replay = sqlite3.connect(":memory:", isolation_level=None)
    fill(replay, rows)
    for number in range(1, last + 1):
        apply(replay, number, rows)
    for table in ("item", "log"):
        query = f"SELECT * FROM {table} ORDER BY 1"
        if database.execute(query).fetchall() != replay.execute(query).fetchall():
            sys.exit(f"{table} differs from a replay of {last} transactions")
    print(last)


if __name__ == "__main__":
    verb, path = sys.argv[1], sys.argv[2]
    if verb == "make":
        make(path, sys.argv[3], int(sys.argv[4]))
    elif verb == "write":
        write(path, int(sys.argv[3]))
    elif verb == "hold":
        hold(path)
    elif verb == "idle":
        idle(path)
    elif verb == "crash":
        crash(path)
    elif verb == "check":
        check(path, int(sys.argv[3]))
    else:
        sys.exit(__doc__)
