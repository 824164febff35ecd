"""The command line against real servers: what each command prints, its JSON, its exit code, and how it complains."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mock_server.cli import EPILOG, HOMES, main
from mock_server.cli.look import _curl
from mock_server.cli.tables import cell, table

ROOT = Path(__file__).parent.parent
NEW_YEAR = "2026-01-01T00:00:00Z"
SILENT = "http://127.0.0.1:1"  # nobody answers there


@dataclass(frozen=True)
class Done:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@pytest.fixture
def run(monkeypatch, capsys) -> Iterator[Callable[..., Done]]:
    """Run a command in this process: `run("health", "--url", url)`."""
    for name in [name for name in os.environ if name.startswith(("MOCK_", "TELNYX_", "OPENAI_", "ANTHROPIC_"))]:
        monkeypatch.delenv(name)

    def command(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["telnyx-ai-mock", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        out, err = capsys.readouterr()
        return Done(int(ended.value.code or 0), out, err)

    yield command


@pytest.fixture
def mock(start, run, monkeypatch):
    """A client of a server of its own, which commands call by MOCK_URL."""
    client = start(clock=NEW_YEAR)
    monkeypatch.setenv("MOCK_URL", client.v2)
    return client


# Look


def test_health_says_which_server_answers(mock, run):
    assert "profile  spec" in run("health").out
    assert run("health", "--json").json["status"] == "ok"


def test_nobody_answers(run):
    done = run("health", "--url", SILENT, "--wait", "0.2")
    assert (done.code, done.out) == (3, "")
    assert done.err.startswith(f"telnyx-ai-mock: No server answers at {SILENT}: ") and done.err.count("\n") == 1


def test_requests_are_listed_the_newest_last(mock, run):
    mock.chat("first")
    mock.http.get(mock.url + "/ai/models%1b[31m")
    done = run("requests")
    lines = done.out.splitlines()
    assert re.match(r"AT +STATUS +METHOD +PATH +OPERATION +MS +FAULT OR REPLY$", lines[0])
    assert "chat.create_completion" in lines[1] and " default" in lines[1]
    assert "404" in lines[2] and "\x1b" not in done.out
    assert [e["status"] for e in run("requests", "--json").json] == [200, 404]
    assert [e["status"] for e in run("requests", "--failed", "--json").json] == [404]
    assert [e["status"] for e in run("requests", "--status", 200, "--operation", "chat.*", "--json").json] == [200]
    assert len(run("requests", "--limit", 1, "--json").json) == 1


def test_requests_of_a_key_are_its_own(mock, run):
    mock.chat()
    assert run("requests", "--key", "nobody-s").out == "No requests so far.\n"
    assert len(run("requests", "--key", mock.key, "--json").json) == 1


def test_one_request_is_shown_whole(mock, run):
    id = mock.chat("look at me").headers["x-request-id"]
    out = run("requests", id).out
    assert "POST /v2/ai/chat/completions" in out and "look at me" in out and "authorization: ***" in out
    done = run("requests", "none")
    assert (done.code, done.err) == (
        4,
        "telnyx-ai-mock: the server refuses: There is no exchange with this id in the journal.\n",
    )


def test_a_request_as_curl_sends_it_again(mock, run):
    mock.chat("it's $HOME; `ls`")
    command = run("requests", "--curl").out.strip()
    done = subprocess.run(
        ["bash", "-c", command], env={**os.environ, "TELNYX_API_KEY": mock.key}, capture_output=True, text=True
    )
    assert "it's $HOME; `ls`" in json.loads(done.stdout)["choices"][0]["message"]["content"]
    assert mock.key not in command
    again = [json.loads(e["request"]["body"]) for e in mock.journal()]
    assert again[0] == again[1]


def test_a_body_that_was_cut_is_told_of(mock, run):
    mock.chat("x" * 20_000)
    assert "# the body was cut" in run("requests", "--curl").out


def test_following_goes_on_with_what_comes(mock):
    mock.chat()
    env = {**os.environ, "MOCK_URL": mock.url}
    command = [sys.executable, "-m", "mock_server", "requests", "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=ROOT) as process:
        head, first = process.stdout.readline(), process.stdout.readline()
        mock.get("/ai/models")
        second = process.stdout.readline()
        process.send_signal(2)
        assert process.wait(10) == 130
    assert head.startswith("AT") and "POST" in first and "ai.retrieve_models" in second


@pytest.mark.check
@pytest.mark.parametrize("form", ["--json", "--curl"])
def test_following_tells_each_once_however_many_come(mock, form):
    env = {**os.environ, "MOCK_URL": mock.url}
    program = "from mock_server.cli import look, main; look.MOST, look.LOOK_EVERY = 2, 0.05; main()"
    command = [sys.executable, "-c", program, "requests", "--follow", form, "--key", mock.key]
    told = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=env, cwd=ROOT) as process:
        for n in range(8):
            mock.chat(f"number {n}")
            told.append(process.stdout.readline())
        process.send_signal(2)
        rest = process.stdout.read()
        assert process.wait(10) == 130
    assert rest == ""
    bodies = [json.loads(line)["request"]["body"] if form == "--json" else shlex.split(line)[-1] for line in told]
    assert [json.loads(body)["messages"][0]["content"] for body in bodies] == [f"number {n}" for n in range(8)]


def test_a_request_without_a_key_is_shown_without_one(mock, run):
    mock.http.get(mock.v2 + "/ai/models?a=b")
    assert run("requests", "--curl").out.startswith(f"curl -sS -X GET '{mock.v2}/ai/models?a=b' -H ")
    assert "TELNYX_API_KEY" not in run("requests", "--curl").out


def test_state_counts_what_is_kept(mock, run):
    mock.post("/ai/conversations", {"name": "x"})
    mock.post("/ai/conversations", {"name": "y"})
    counted = run("state", "--key", mock.key, "--json").json
    assert counted["rows"] == {"conversation": 2} and counted["objects"] == 0
    assert re.search(r"^conversation +2$", run("state").out, re.MULTILINE)


def test_reset_is_for_the_account_or_the_server(mock, run):
    mock.chat()
    assert re.fullmatch(r"Reset: acct_\w{24}\.\n", run("reset", "--key", mock.key).out)
    assert run("reset").out == "Reset: server.\n"
    assert mock.journal() == []


# Check


def test_verify_says_yes_or_no_by_its_exit_code(mock, run):
    mock.chat("weather in Chicago")
    assert run("verify", "--operation", "chat.*").code == 0
    assert run("verify", "--operation", "chat.*", "--text", "chicago", "--exactly", 1).out == "Yes.\n"
    no = run("verify", "--operation", "chat.*", "--exactly", 2)
    assert no.code == 1 and no.out.startswith("No. ") and "2" in no.out
    assert run("verify", "--check", '{"count": {"at_most": 0}}', "--json").code == 1
    wrong = run("verify", "--check", '{"count": {"perhaps": 0}}')
    assert wrong.code == 2 and "perhaps" in wrong.err


def test_json_of_an_argument_comes_from_a_file_or_from_standard_input_too(mock, run, monkeypatch, tmp_path):
    check = '{"match": {"operation": "chat.*"}, "count": {"exactly": 1}}'
    (tmp_path / "check.json").write_text(check)
    mock.chat()
    for given in (check, f"@{tmp_path}/check.json", "-"):
        monkeypatch.setattr(sys, "stdin", io.StringIO(check))
        assert run("verify", "--check", given).out == "Yes.\n"
    for given, said in (("[1]", "--check is a JSON object."), ("{", "'{' is no JSON that can be read: "),
                        (f"@{tmp_path}/none", "no JSON that can be read: [Errno 2]")):  # fmt: skip
        done = run("verify", "--check", given)
        assert (done.code, done.out) == (2, "") and said in done.err and done.err.count("\n") == 1


def test_verdict_is_on_the_account_s_client(mock, run):
    mock.chat()
    assert run("verdict", "--key", mock.key).out == "Ok: 1 requests, 0 retries.\n"
    mock.get("/ai/models", headers={"x-mock-fault": "503"})
    found = run("verdict", "--key", mock.key)
    assert found.code == 1 and "not-retried" in found.out
    assert run("verdict").code == 4, "it takes a key"


# Rules


def test_faults_are_added_listed_and_taken_out(mock, run):
    assert run("faults", "list").out == "No fault rules.\n"
    assert "fault-1" in run("faults", "add", "503;times=1", "--operation", "ai.*").out
    assert [mock.get("/ai/models").status_code for _ in range(2)] == [503, 200]
    run("faults", "add", "--rule", '{"id": "mine", "effect": {"status": 429}}', "--key", mock.key)
    rules = run("faults", "list", "--json").json
    assert {rule["id"] for rule in rules} == {"fault-1", "mine"}
    assert run("faults", "remove", "mine").out == "Removed: mine.\n"
    assert run("faults", "clear").out == "Removed: 1.\n"
    assert run("faults", "remove", "mine").code == 4


@pytest.mark.parametrize(
    "arguments", [[], ["429", "--rule", "{}"], ["--rule", "{"], ["--rule", "@none"], ["999"], ["429", "--times", "x"]]
)
def test_a_fault_that_cannot_be_is_wrong_usage(mock, run, arguments):
    done = run("faults", "add", *arguments)
    assert done.code == 2 and done.err.startswith("telnyx-ai-mock: ") and done.err.count("\n") == 1
    assert "Value error" not in done.err


def test_replies_are_added_listed_and_taken_out(mock, run, tmp_path):
    run("replies", "add", "Sunny.", "--contains", "weather", "--id", "sun")
    assert mock.chat("The weather?").json()["choices"][0]["message"]["content"] == "Sunny."
    (tmp_path / "rule.json").write_text('{"id": "moon", "reply": {"text": "Moon."}}')
    run("replies", "add", "--rule", f"@{tmp_path / 'rule.json'}")
    assert [r["id"] for r in run("replies", "list", "--json").json][:2] == ["sun", "moon"]
    assert "text=Sunny." in run("replies", "list").out
    assert run("replies", "remove", "sun").code == 0 and run("replies", "clear").out == "Removed: 1.\n"


@pytest.mark.parametrize("arguments", [[], ["Sunny.", "--rule", '{"reply": {"text": "Rainy."}}']])
def test_a_reply_is_a_text_or_a_rule(mock, run, arguments):
    done = run("replies", "add", *arguments)
    assert (done.code, done.out, done.err) == (2, "", "telnyx-ai-mock: give either a text or --rule.\n")
    assert run("replies", "list", "--json").json == [] or all(
        "Rainy." not in json.dumps(reply) for reply in run("replies", "list", "--json").json
    )


def test_a_scenario_is_switched_on_and_off(mock, run):
    assert "expired-key" in run("scenario", "show").out
    assert run("scenario", "on", "expired-key").out == "On: expired-key.\n"
    assert mock.get("/ai/models").status_code == 401
    assert run("scenario", "off").out == "Off: expired-key.\n"
    assert run("scenario", "on", "none").code == 4


def test_plans_limits_and_the_account_s_state_are_set_and_set_back(mock, run):
    assert "fine_tuning" in run("plans", "set", "fine_tuning=failed").out
    assert [p["source"] for p in run("plans", "show", "--json").json if p["kind"] == "fine_tuning"] == ["server"]
    assert run("plans", "set", "nonsense").code == 2
    run("plans", "clear")
    run("limits", "set", "1/hour", "--key", mock.key)
    assert [mock.get("/ai/models").status_code for _ in range(2)] == [200, 429]
    run("limits", "clear", "--key", mock.key)
    run("account", "set", "revoked", "--key", mock.key)
    assert mock.get("/ai/models").status_code == 401
    assert "active" in run("account", "clear", "--key", mock.key).out
    assert run("account", "set", "happy").code == 2


# Clock, snapshots


def test_the_clock_is_moved(mock, run):
    assert run("clock", "show").out == "2026-01-01T00:00:00.000Z, frozen\n"
    assert run("clock", "advance", 90).out == "2026-01-01T00:01:30.000Z, frozen\n"
    assert run("clock", "advance", "--", -30).out == "2026-01-01T00:01:00.000Z, frozen\n"
    assert run("clock", "set", "2027-01-01").out == "2027-01-01T00:00:00.000Z, frozen\n"
    assert run("clock", "speed", 10).out.endswith(", running 10 times as fast\n")
    assert run("clock", "run", "--json").json["speed"] == 1
    assert run("clock", "freeze", "2028-01-01T00:00:00Z").out == "2028-01-01T00:00:00.000Z, frozen\n"
    assert run("clock", "set", "yesterday").code == 2


def test_snapshots_are_taken_carried_and_restored(mock, run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mock.post("/ai/conversations", {"name": "x"})
    key = ("--key", mock.key)
    assert run("snapshot", "list").out == "No snapshots.\n"
    assert "one" in run("snapshot", "take", "one", *key).out
    assert run("snapshot", "download", "one", *key).out.startswith("one.jsonl.gz: ")
    assert run("snapshot", "remove", "one", *key).out == "Removed: one.\n"
    assert run("snapshot", "upload", "two", "one.jsonl.gz", *key).code == 0
    run("reset", *key)
    assert run("snapshot", "restore", "two", *key).out == f"Restored: two, as of {NEW_YEAR[:-1]}.000Z.\n"
    assert len(mock.get("/ai/conversations").json()["data"]) == 1
    assert [s["name"] for s in run("snapshot", "list", "--json").json] == ["two"]


def test_snapshots_that_cannot_be_are_told(mock, run, tmp_path):
    (tmp_path / "empty").write_bytes(b"")
    assert run("snapshot", "restore", "none").code == 4
    assert run("snapshot", "upload", "x", tmp_path / "none").code == 2
    empty = run("snapshot", "upload", "x", tmp_path / "empty")
    assert empty.code == 2 and "ends too soon" in empty.err, "and no snapshot is taken instead"
    assert run("snapshot", "list", "--json").json == []
    run("snapshot", "take", "y")
    assert run("snapshot", "download", "y", tmp_path).code == 2


# Without a server


@pytest.mark.check
def test_the_document_is_that_of_the_server(mock, run, tmp_path):
    assert run("openapi").json == mock.http.get(mock.url + "/openapi.json").json()
    assert run("openapi", "--out", tmp_path / "api.json").out == ""
    assert json.loads((tmp_path / "api.json").read_text())["openapi"].startswith("3.")
    assert "/_mock/snapshots/{name}" in run("openapi", "--admin").json["paths"]
    assert run("openapi", "--out", tmp_path).code == 2


def test_fixtures_are_checked_with_file_and_line(run, tmp_path):
    (tmp_path / "replies").mkdir()
    (tmp_path / "replies" / "mine.yaml").write_text("- id: a\n  reply: {text: A}\n- id: b\n  reply: {txt: B}\n")
    done = run("fixtures", "check", tmp_path)
    assert done.code == 1 and re.search(r"mine\.yaml:\d: ", done.out)
    assert run("fixtures", "check", tmp_path, "--json").json["problems"][0]["line"]
    (tmp_path / "replies" / "mine.yaml").write_text("- id: a\n  reply: {text: A}\n")
    assert run("fixtures", "check", tmp_path).out == f"Ok: {tmp_path}\n"
    assert run("fixtures", "check", tmp_path / "none").code == 2


# Doctor


def test_the_doctor_finds_nothing_wrong(mock, run, monkeypatch):
    for name, end in (("TELNYX", ""), ("OPENAI", "/ai/openai")):
        monkeypatch.setenv(f"{name}_BASE_URL", mock.v2 + end)
        monkeypatch.setenv(f"{name}_API_KEY", "my-test-key")
    done = run("doctor")
    assert done.code == 0, done.out
    assert done.out.count("GET ") == 2 and "my-test-key" not in done.out
    assert {finding["level"] for finding in run("doctor", "--json").json} == {"ok"}


MISTAKES = [
    ("TELNYX_BASE_URL", "{url}", "wrong", "/v2 is missing"),
    ("TELNYX_BASE_URL", "{url}/v2/ai", "wrong", "it should end in /v2"),
    ("TELNYX_BASE_URL", "http://127.0.0.1:1/v2", "wrong", "a wrong port, or the mock is not started"),
    ("TELNYX_BASE_URL", "localhost:4010/v2", "wrong", "No URL that can be called"),
    ("TELNYX_BASE_URL", "https://api.telnyx.com/v2", "wrong", "It was not called"),
    ("OPENAI_BASE_URL", "{https}/v2/ai/openai", "wrong", "speaks http, not https"),
    ("OPENAI_BASE_URL", "{url}/v2", "wrong", "it should end in /v2/ai/openai"),
    ("OPENAI_BASE_URL", "{url}/v2/ai", "note", "/v2/ai/embeddings is another operation"),
    ("OPENAI_BASE_URL", "https://api.openai.com/v1", "wrong", "The real service"),
    ("TELNYX_API_KEY", "mock-fault-429", "note", "A magic key"),
    ("TELNYX_API_KEY", "", "wrong", "refuses to start without"),
    ("HTTP_PROXY", "http://proxy:3128", "wrong", "to this proxy"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value", "level", "says"), MISTAKES)
def test_the_doctor_explains_the_classic_mistakes(mock, run, monkeypatch, name, value, level, says):
    monkeypatch.setenv(name, value.format(url=mock.url, https=mock.url.replace("http", "https")))
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.delenv("no_proxy", raising=False)
    found = [f for f in run("doctor", "--json").json if f["name"] == name]
    assert [(f["level"], says in f["says"]) for f in found] == [(level, True)]


def test_the_doctor_tells_what_a_key_gets(mock, run, monkeypatch):
    monkeypatch.setenv("TELNYX_BASE_URL", mock.v2)
    monkeypatch.setenv("TELNYX_API_KEY", "mock-fault-429")
    monkeypatch.setenv("ANTHROPIC_BASE_URL", mock.v2 + "/ai/anthropic")
    found = {f["name"]: f for f in run("doctor", "--json").json}
    assert found["TELNYX_BASE_URL"]["level"] == "note"
    assert re.match(r"GET \S+ answers 429: ", found["TELNYX_BASE_URL"]["says"])
    assert (found["ANTHROPIC_BASE_URL"]["level"], found["ANTHROPIC_BASE_URL"]["says"]) == (
        "ok",
        "The mock answers there.",
    )


def test_the_doctor_tells_of_requests_that_went_astray(mock, run):
    mock.http.get(mock.url + "/nothing/here")
    assert "GET /nothing/here. Point the client at" in run("doctor").out


def test_the_doctor_repeats_what_clients_were_told(mock, run):
    mock.post("/chat/completions", {})
    mock.post("/ai/embeddings/similarity-search", {"bucket_name": "b", "query": "q", "num_docs": 1})
    told = [finding["says"] for finding in run("doctor", "--json").json if finding["level"] == "note"]
    assert "num_docs is ignored: the field is num_of_docs." in told
    assert any(says.endswith("the client's base URL should end in /v2/ai/openai.") for says in told)


def test_the_doctor_without_a_mock(run):
    done = run("doctor", "--url", SILENT)
    assert done.code == 1 and "telnyx-ai-mock serve" in done.out


# Usage


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["serv"], "no such command 'serv'. Did you mean 'serve'? See telnyx-ai-mock --help."),
        (["serve", "--port", "x"], "invalid value for '--port' (env var: 'MOCK_PORT'): Input should be a valid integer. "
         "See telnyx-ai-mock serve --help."),
        (["serve", "--profile", "x"], "invalid value for '--profile' (env var: 'MOCK_PROFILE'): 'x' is not one of 'spec', "
         "'live', 'stub'. See telnyx-ai-mock serve --help."),
        (["clock", "advance"], "missing argument 'SECONDS'. See telnyx-ai-mock clock advance --help."),
        (["clock", "advance", "soon"], "invalid value for 'SECONDS': Input should be a valid number. "
         "See telnyx-ai-mock clock advance --help."),
        (["requests", "--limit", "0"], "invalid value for '--limit': "),
        (["health", "--url", "nonsense"], "--url: 'nonsense' is no address: it is written http://localhost:4010."),
    ],
)  # fmt: skip
def test_wrong_usage_is_told_in_one_line(run, arguments, said):
    done = run(*arguments)
    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"telnyx-ai-mock: {said}") and done.err.count("\n") == 1


@pytest.mark.parametrize("group", ["clock", "replies", "snapshot"])
def test_a_group_without_its_command_shows_what_there_is(run, group):
    done = run(group)
    assert (done.code, done.out) == (2, "")
    assert f"Usage: telnyx-ai-mock {group} " in done.err and "Commands:" in done.err


def test_every_command_has_its_help(run):
    for name in HOMES:
        done = run(name, "--help")
        assert done.code == 0 and f"Usage: telnyx-ai-mock {name}" in done.out
    listed = run("--help").out
    assert all(re.search(rf"^  {name} +\S", listed, re.MULTILINE) for name in HOMES)
    assert shlex.split(EPILOG)[0] in listed


def test_no_command_is_imported_that_is_not_called():
    code = "import sys; from mock_server.cli import main\ntry: main()\nexcept SystemExit: print(sorted(m for m in sys.modules))"
    done = subprocess.run(
        [sys.executable, "-c", code, "serve", "--port", "x"], capture_output=True, text=True, cwd=ROOT
    )
    ours = [m for m in eval(done.stdout) if m.startswith("mock_server.cli.")]
    assert ours == ["mock_server.cli.serve"] and "'httpx'" not in done.stdout


def test_completion_names_the_commands():
    words = {"_TELNYX_AI_MOCK_COMPLETE": "complete_bash", "COMP_WORDS": "telnyx-ai-mock sn", "COMP_CWORD": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "mock_server"], env={**os.environ, **words}, capture_output=True, text=True, cwd=ROOT
    )
    assert done.stdout.split() == ["snapshot"]


# Tables


def test_cells_hold_no_controls_and_one_line():
    assert cell("a\x1b[31m\nb\x9bc") == "a [31m b c"
    assert [cell(value) for value in (None, "", True, [], {"a": 1, "b": [2, 3]}, 0)] == [
        "-",
        "-",
        "yes",
        "-",
        "a=1, b=2, 3",
        "0",
    ]
    assert table(("a", "bb"), [["1", "2"], ["333", "4"]]) == "A    BB\n1    2\n333  4"


def test_curl_leaves_out_what_was_masked():
    sent = {
        "headers": [["authorization", "***"], ["x-api-key", "***"], ["host", "x"], ["a", "b c"]],
        "body": "",
        "size": 0,
        "truncated": False,
    }
    server = type("At", (), {"url": "http://localhost:1"})()
    command = _curl(server, {"method": "GET", "path": "/p", "query": "q=1&r=2", "request": sent})
    assert (
        command
        == "curl -sS -X GET 'http://localhost:1/p?q=1&r=2' -H \"Authorization: Bearer $TELNYX_API_KEY\" -H 'a: b c'"
    )
