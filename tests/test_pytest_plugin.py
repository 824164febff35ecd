"""The pytest plugin in a project of its own: a pytest in another process that knows of it by the entry point only."""

import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from mock_server import LocalServer
from mock_server.pytest_plugin import key_of
from tests.conftest import Client

pytestmark = [pytest.mark.check, pytest.mark.timeout(180)]  # each test is a pytest run, some are two or three
ROOT = Path(__file__).parent.parent
Run = Callable[..., "subprocess.CompletedProcess[str]"]
CHAT = 'telnyx_mock.openai.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])'
HEAVY = ("fastapi", "sqlmodel", "sqlalchemy", "pydantic", "httpx", "uvicorn", "telnyx", "openai")


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """`run(code, *arguments, conftest="")`: pytest over a file of tests, with the plugin installed as pyproject.toml says."""
    entry = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["pytest11"]
    info = tmp_path / "site" / "telnyx_ai_mock-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: telnyx-ai-mock\nVersion: 0\n")
    (info / "entry_points.txt").write_text("[pytest11]\n" + "".join(f"{name} = {at}\n" for name, at in entry.items()))
    project = tmp_path / "project"
    project.mkdir()

    def pytest_in_a_project(code: str, *arguments: str, conftest: str = "") -> "subprocess.CompletedProcess[str]":
        (project / "test_sample.py").write_text(dedent(code))
        (project / "conftest.py").write_text(dedent(conftest))
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("PYTEST_", "TELNYX_", "OPENAI_"))
        }
        env |= {"PYTHONPATH": f"{tmp_path / 'site'}{os.pathsep}{ROOT}"}
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments, "test_sample.py"]
        return subprocess.run(command, cwd=project, env=env, capture_output=True, text=True, timeout=120)

    return pytest_in_a_project


def passed(done: "subprocess.CompletedProcess[str]", n: int) -> None:
    assert done.returncode == 0 and f"{n} passed" in done.stdout, done.stdout + done.stderr


def test_collection_imports_nothing_heavy(run: Run) -> None:
    done = run(
        f"""
        import sys

        LOADED = [name for name in {HEAVY} if name in sys.modules]

        def test_light():
            assert LOADED == []
            assert "mock_server.pytest_plugin" in sys.modules
        """
    )

    passed(done, 1)


def test_a_test_has_a_key_and_the_variables_of_the_sdks(run: Run) -> None:
    done = run(
        """
        import os

        import openai
        import telnyx

        def test_variables(telnyx_mock):
            assert openai.OpenAI().chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}]).choices
            assert telnyx.Telnyx().ai.conversations.create(name="one").id
            assert {e["account"] for e in telnyx_mock.requests()} == {telnyx_mock.requests()[0]["account"]}
            assert len(telnyx_mock.requests()) == 2
            assert "127.0.0.1" in os.environ["NO_PROXY"]

        def test_variables_are_set_back():
            assert not {"TELNYX_API_KEY", "TELNYX_BASE_URL", "OPENAI_API_KEY", "OPENAI_BASE_URL"} & set(os.environ)
        """
    )

    passed(done, 2)


def test_everything_that_a_test_can_ask_for(run: Run) -> None:
    done = run(
        """
        import pytest

        def chat(mock):
            answer = mock.openai.chat.completions.create(model="m", messages=[{"role": "user", "content": "the weather"}])
            return answer.choices[0].message.content

        def test_all(telnyx_mock):
            telnyx_mock.reply("Sunny.", user_text={"contains": "weather"})
            telnyx_mock.fault("503;retry-after=0", times=1, operation="*chat*")
            assert chat(telnyx_mock) == "Sunny."
            assert [e["status"] for e in telnyx_mock.requests()] == [200, 503]
            telnyx_mock.verify({"operation": "*chat*"}, count={"exactly": 2})
            with pytest.raises(AssertionError):
                telnyx_mock.verify({"operation": "*chat*"}, count={"exactly": 7})
            assert telnyx_mock.verdict()["verdict"] in ("ok", "findings")
            assert telnyx_mock.telnyx.ai.conversations.create(name="one").id
            before = telnyx_mock.clock.freeze()["now"]
            assert telnyx_mock.clock.advance(60)["now"] > before
            assert telnyx_mock.scenario("brownout")["name"] == "brownout"

        def test_nothing_of_it_is_left(telnyx_mock):
            assert chat(telnyx_mock) != "Sunny."
            assert telnyx_mock.admin.faults.list() == []
        """
    )

    passed(done, 2)


def test_a_failed_test_shows_its_exchanges(run: Run) -> None:
    done = run(
        f"""
        def test_fails(telnyx_mock):
            telnyx_mock.fault("402")
            telnyx_mock.reply("Never said.", user_text={{"contains": "weather"}})
            try:
                {CHAT}
            finally:
                telnyx_mock.admin.faults.clear()
                {CHAT}

        def test_sends_nothing(telnyx_mock):
            assert False

        def test_does_not_use_it():
            assert False
        """
    )

    assert done.returncode == 1
    report = done.stdout
    assert "POST /v2/ai/openai/chat/completions -> 402" in report and "fault=" in report
    assert "  > {" in report and '"content":"hi"' in report
    assert "near miss: " in report
    assert "No request with this test's key (test-test-sample-py-test-sends-nothing-" in report
    assert report.count("- Telnyx AI mock -") == 2


def test_a_failed_fixture_and_a_socket_are_shown_too(run: Run) -> None:
    done = run(
        """
        import pytest
        from websockets.sync.client import connect

        @pytest.fixture
        def spoken(telnyx_mock):
            url = telnyx_mock.base_url.replace("http", "ws") + "/text-to-speech/speech?voice=Telnyx.NaturalHD.astra"
            with connect(url, additional_headers={"authorization": f"Bearer {telnyx_mock.key}"}) as socket:
                for text in (" ", "Hello.", ""):
                    socket.send('{"text": "%s"}' % text)
                list(socket)
            raise RuntimeError("no good")

        def test_error(spoken): ...
        """
    )

    assert done.returncode == 1
    assert "GET /v2/text-to-speech/speech?voice=Telnyx.NaturalHD.astra -> 101" in done.stdout
    assert "> 3 frames" in done.stdout and "closed by the server: 1000" in done.stdout


def test_under_xdist_workers_have_servers_of_their_own_and_reports_come_through(run: Run) -> None:
    done = run(
        f"""
        import pytest

        @pytest.mark.parametrize("n", range(8))
        def test_many(telnyx_mock, n):
            {CHAT}
            telnyx_mock.verify(count={{"exactly": 1}})
            assert n != 5
        """,
        "-n", "2",
    )  # fmt: skip

    assert "7 passed" in done.stdout and "1 failed" in done.stdout, done.stdout + done.stderr
    assert done.stdout.count("POST /v2/ai/openai/chat/completions -> 200") == 1


def test_in_asynchronous_tests(run: Run) -> None:
    done = run(
        """
        import openai
        import pytest

        @pytest.mark.anyio
        async def test_awaits(telnyx_mock):
            telnyx_mock.reply("At once.", user_text={"contains": "hi"})
            async with openai.AsyncOpenAI() as client:
                answer = await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
            assert answer.choices[0].message.content == "At once."
            telnyx_mock.verify(count={"exactly": 1})
        """,
        conftest="""
        import pytest

        @pytest.fixture
        def anyio_backend():
            return "asyncio"
        """,
    )

    passed(done, 1)


def test_in_classes_of_unittest(run: Run) -> None:
    done = run(
        """
        import unittest

        import openai
        import pytest

        def ask(client):
            return client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])

        class TestChat(unittest.TestCase):
            @pytest.fixture(autouse=True)
            def _mock(self, telnyx_mock):
                self.mock = telnyx_mock

            def test_one(self):
                ask(openai.OpenAI())
                self.assertEqual(len(self.mock.requests()), 1)

        @pytest.mark.usefixtures("telnyx_mock")
        class TestAwaited(unittest.IsolatedAsyncioTestCase):
            async def test_two(self):
                async with openai.AsyncOpenAI() as client:
                    assert (await ask(client)).choices
        """
    )

    passed(done, 2)


def test_settings_of_the_server_are_a_fixture_of_the_project(run: Run) -> None:
    done = run(
        """
        def test_profile(telnyx_mock_server):
            assert telnyx_mock_server.admin.health()["profile"] == "live"
        """,
        conftest="""
        import pytest

        @pytest.fixture(scope="session")
        def telnyx_mock_settings():
            return {"profile": "live", "admin_token": "sesame"}
        """,
    )

    passed(done, 1)


def test_a_server_that_runs_already_keeps_what_a_failed_test_did(run: Run, server: LocalServer, client: Client) -> None:
    done = run(
        f"""
        def test_good(telnyx_mock):
            {CHAT}

        def test_bad(telnyx_mock):
            telnyx_mock.reply("Still here?", user_text={{"contains": "hi"}})
            {CHAT}
            assert False
        """,
        "--telnyx-mock-url", f"{server.url}/v2", "--telnyx-mock-prefix", "run-7",
    )  # fmt: skip

    good, bad = (client.as_key(key_of(f"test_sample.py::test_{name}", "run-7")) for name in ("good", "bad"))
    assert "1 failed, 1 passed" in done.stdout, done.stdout
    assert f"telnyx-ai-mock requests --url {server.url} --key run-7-test-sample-py-test-bad-" in done.stdout
    assert f"In the console: {server.url}/_mock/#exchanges/{bad.journal()[0]['id']}" in done.stdout
    assert good.journal() == [] and [e["reply"] is not None for e in bad.journal()] == [True]
    assert bad.chat().json()["choices"][0]["message"]["content"] != "Still here?"


def test_a_report_says_as_much_of_the_exchanges_as_there_is_to_say(run: Run, server: LocalServer) -> None:
    done = run(
        """
        import httpx
        import pytest
        from websockets.sync.client import connect

        def get(mock, path="/ai/models"):
            return httpx.get(mock.base_url + path, headers={"authorization": f"Bearer {mock.key}"})

        def test_many(telnyx_mock):
            for n in range(25):
                get(telnyx_mock, f"/ai/models?n={n}")
            assert False

        def test_cut(telnyx_mock):
            telnyx_mock.fault("cut=headers")
            get(telnyx_mock)

        def test_sound(telnyx_mock):
            url = telnyx_mock.base_url.replace("http", "ws") + "/speech-to-text/transcription"
            url += "?transcription_engine=Telnyx&input_format=wav"
            with connect(url, additional_headers={"authorization": f"Bearer {telnyx_mock.key}"}) as socket:
                socket.send(b"RIFF")
            assert False

        def test_nothing(telnyx_mock):
            assert False

        @pytest.fixture
        def broken_at_its_end(telnyx_mock):
            yield
            raise RuntimeError("at its end")

        def test_end(telnyx_mock, broken_at_its_end):
            get(telnyx_mock, "/ai/models?end=1")
        """,
        "--telnyx-mock-url", server.url, "--telnyx-mock-prefix", "run-8",
    )  # fmt: skip

    report = done.stdout
    assert "4 failed, 1 passed, 1 error" in report, report
    many, cut, sound, nothing = report.split("- Telnyx AI mock -")[1:]
    assert "The last 20 exchanges:" in many and "GET /v2/ai/models?n=5 -> 200" in many and "?n=24 " in many
    assert "?n=4 " not in many and "  > " not in many, "a GET has no body to show"
    assert "GET /v2/ai/models -> 200" in cut and cut.split("In the console")[0].count("  cut") == 1
    assert "  > 1 frames, 4 bytes\n" in sound, "sound is not shown"
    assert "came to " in nothing and "To look again: " in nothing and "In the console" not in nothing
    assert "at its end" in nothing.partition("short test summary")[2] and "?end=1" not in report


def test_a_server_that_is_not_there_is_told_in_one_sentence(run: Run) -> None:
    done = run("def test_one(telnyx_mock): ...", "--telnyx-mock-url", "http://127.0.0.1:1")

    assert done.returncode == 1
    assert "No Telnyx AI mock to be used at http://127.0.0.1:1" in done.stdout and "Traceback" not in done.stdout


def test_keys_are_one_test_s_own_whatever_it_is_called() -> None:
    names = ["a.py::t[x y]", "a.py::t[x-y]", "a.py::t[ä\n]", "a.py::t[" + "x" * 5000 + "]"]
    keys = {key_of(name, "test") for name in names}

    assert len(keys) == len(names)
    assert all(key.isascii() and key.isprintable() and " " not in key and len(key) < 120 for key in keys)


def test_the_page_on_it_is_true(run: Run, server: LocalServer) -> None:
    page = (ROOT / "docs" / "pytest.md").read_text(encoding="utf-8")
    tests, settings, classes = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    (command,) = re.findall(r"^```bash\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    options = command.replace("http://localhost:4010", server.url).split()[1:]

    passed(run(tests + classes), 3)
    passed(run(tests + classes, *options), 3)
    passed(
        run(
            'def test_it(telnyx_mock_server):\n    assert telnyx_mock_server.admin.health()["profile"] == "live"\n',
            conftest=settings,
        ),
        1,
    )
