"""Fills a world with conversations and messages by plain SQL, a million rows in seconds."""

from typing import Any

from mock_server.base.ids import account_id
from mock_server.engine.store import RAISE, Store

START_MS = 1_735_689_600_000  # 2025-01-01
STEP_MS = 60_000
SCRAMBLE = 2_654_435_761  # odd, so that ids of 32 bits are all different and lie in no order
KEY = "growth"

# A tenth of all conversations share an assistant; a call has one.
METADATA = (
    ("assistant_id", "'assistant-' || (n % 10)"),
    ("call_control_id", "'v3:' || n"),
    ("telnyx_end_user_target", "printf('+1555%07d', n)"),
)
NUMBERS = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < :rows)"
ID = f"printf('%08x-0000-4000-8000-000000000000', n * {SCRAMBLE} % 4294967296)"
AT = f"{START_MS} + n * {STEP_MS}"
OBJECT = "json_object(" + ", ".join(f"'{key}', {value}" for key, value in METADATA) + ")"
CONVERSATIONS = f"""{NUMBERS} INSERT INTO conversation
 (account, id, n, name, created_at, last_message_at, metadata, messages)
 SELECT :account, {ID}, n, printf('Call %07d', n), {AT}, {AT}, {OBJECT}, 0 FROM numbers"""
PAIRS = """{numbers} INSERT INTO conversation_metadata (account, key, value, created_at, n, conversation)
 SELECT :account, '{key}', {value}, {at}, n, {id} FROM numbers ORDER BY 3"""
MESSAGES = f"""{NUMBERS} INSERT INTO conversation_message (account, conversation, n, role, text, sent_at, created_at)
 SELECT :account, :conversation, n, CASE n % 2 WHEN 1 THEN 'user' ELSE 'assistant' END, 'Message ' || n || ' of a long talk.',
 {AT}, {AT} FROM numbers"""


def id_of(n: int) -> str:
    """The id of the n-th conversation that `conversations` makes."""
    return f"{n * SCRAMBLE % 2**32:08x}-0000-4000-8000-000000000000"


def conversations(store: Store, rows: int) -> None:
    """`rows` conversations of the key `growth`, each with three pairs of metadata, a minute apart."""
    account = account_id(KEY.encode())
    with store.transaction():
        store.run(RAISE, account=account, kind="conversation", n=rows)
        _execute(store, CONVERSATIONS, account=account, rows=rows)
        for key, value in METADATA:
            sql = PAIRS.format(numbers=NUMBERS, key=key, value=value, at=AT, id=ID)
            _execute(store, sql, account=account, rows=rows)


def messages(store: Store, conversation: str, rows: int) -> None:
    """`rows` messages in a conversation that has none."""
    account = account_id(KEY.encode())
    with store.transaction():
        _execute(store, MESSAGES, account=account, conversation=conversation, rows=rows)
        _execute(
            store,
            "UPDATE conversation SET messages = :rows, last_message_at = :at WHERE account = :account AND id = :id",
            account=account,
            id=conversation,
            rows=rows,
            at=START_MS + rows * STEP_MS,
        )


def _execute(store: Store, sql: str, **values: Any) -> None:
    store.connection.exec_driver_sql(sql, values)
