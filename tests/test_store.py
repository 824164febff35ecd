"""The database of a World: transactions, counters, files."""

import sqlite3

import pytest
from sqlmodel import select

from mock_server.engine.store import COUNTERS, Store, StoreError, mine


def numbers(store, account, kind, times=1):
    drawn = []
    for _ in range(times):
        with store.transaction() as transaction:
            drawn.append(store.number(transaction, account, kind))
    return drawn


def test_numbers_count_per_account_and_kind():
    store = Store()
    assert numbers(store, "a", "conversation", 3) == [1, 2, 3]
    assert numbers(store, "a", "insight") == [1]
    assert numbers(store, "b", "conversation") == [1]


def test_a_number_is_given_back_when_the_transaction_fails():
    store = Store()
    with pytest.raises(ZeroDivisionError), store.transaction() as transaction:
        store.number(transaction, "a", "conversation")
        _ = 1 / 0
    assert numbers(store, "a", "conversation") == [1]


def test_a_second_transaction_inside_one_is_refused():
    store = Store()
    with store.transaction(), pytest.raises(AssertionError, match="open already"), store.transaction():
        pass
    assert numbers(store, "a", "x") == [1]


def test_a_file_goes_on_counting_after_a_restart(tmp_path):
    store = Store(tmp_path / "state.db")
    assert numbers(store, "a", "conversation", 2) == [1, 2]
    store.close()
    assert numbers(Store(tmp_path / "state.db"), "a", "conversation") == [3]


def test_mine_shows_one_accounts_rows():
    store = Store()
    numbers(store, "a", "x")
    numbers(store, "b", "x")
    with store.transaction() as transaction:
        rows = transaction.execute(mine(select(COUNTERS.c.account), COUNTERS, "b")).all()
    assert [row.account for row in rows] == ["b"]


def test_reset_forgets_one_account_or_all():
    store = Store()
    numbers(store, "a", "x")
    numbers(store, "b", "x")
    store.reset("a")
    assert (numbers(store, "a", "x"), numbers(store, "b", "x")) == ([1], [2])
    store.reset()
    assert numbers(store, "b", "x") == [1]


def test_a_file_of_another_version_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "state.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 99")
        connection.execute("CREATE TABLE theirs (x)")
    with pytest.raises(StoreError, match="version 99"):
        Store(path)
    assert sqlite3.connect(path).execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


def test_a_file_that_is_no_database_is_refused(tmp_path):
    path = tmp_path / "state.db"
    path.write_text("not a database, but long enough to be taken for one at first sight" * 20)
    with pytest.raises(StoreError, match="cannot be used"):
        Store(path)
