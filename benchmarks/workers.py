"""What a second worker brings: chats and new conversations a second of 16 keys, 2 workers against 1: `python benchmarks/workers.py`.

Rounds are interleaved, and the ratio of their medians is shown. The client takes processors, too: on few of them there is
little to gain. It wants wrk.
"""

import json
import re
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

KEYS, SECONDS, ROUNDS, WORKERS = 16, 3, 5, (1, 2)
CHAT = ("/v2/ai/chat/completions", {"messages": [{"role": "user", "content": "hi"}]})
CREATE = ("/v2/ai/conversations", {"name": "one"})
LUA = """
local made = 0
function setup(thread) thread:set("id", made); made = made + 1 end
function init(args)
  wrk.method, wrk.body = "POST", %s
  wrk.headers["content-type"] = "application/json"
  wrk.headers["authorization"] = "Bearer benchmark-workers-" .. id
end
"""


@contextmanager
def server(workers: int) -> Iterator[str]:
    """The address of a server with so many workers."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "mock_server", "serve", "--port", "0", "--workers", str(workers)]
        process = subprocess.Popen([*command, "--db", f"{folder}/state.sqlite3"], stdout=subprocess.PIPE, text=True)
        try:
            assert process.stdout is not None
            found = re.search(r"http://\S+?(?=/v2)", process.stdout.readline())
            assert found is not None, "the server did not start"
            yield found[0]
        finally:
            process.terminate()
            process.wait()


def rate(url: str, path: str, script: Path, seconds: int) -> float:
    """Requests a second: a thread and two connections for each key."""
    command = ["wrk", f"-t{KEYS}", f"-c{2 * KEYS}", f"-d{seconds}s", "-s", str(script), url + path]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in told, told
    found = re.search(r"Requests/sec:\s+([\d.]+)", told)
    assert found is not None, told
    return float(found[1])


def main() -> None:
    for name, (path, body) in {"chats": CHAT, "new conversations": CREATE}.items():
        rates: dict[int, list[float]] = {workers: [] for workers in WORKERS}
        with tempfile.TemporaryDirectory() as folder:
            script = Path(folder) / "keys.lua"
            script.write_text(LUA % json.dumps(json.dumps(body)))
            for _ in range(ROUNDS):
                for workers in WORKERS:
                    with server(workers) as url:
                        rate(url, path, script, 1)  # warm
                        rates[workers].append(rate(url, path, script, SECONDS))
        one, two = (statistics.median(rates[workers]) for workers in WORKERS)
        print(f"{name} a second over {KEYS} keys: 1 worker {one:.0f}, 2 workers {two:.0f}, ratio {two / one:.2f}")


if __name__ == "__main__":
    main()
