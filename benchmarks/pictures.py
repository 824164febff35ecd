"""Makes the pictures of docs/performance.md: `python benchmarks/pictures.py [--only flames|curves]`.

Flame graphs of the server under load (py-spy; as root, or where ptrace is allowed), growth curves of what growth.py measured.
Needs `pip install -e '.[bench]'`.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import servers
from flame import draw
from load import http_load, stream_load
from run import new_conversation
from wire import CHAT, CREATE, READ, STREAM

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "performance"
SECONDS, RATE = 10, 400
FLAMES = {
    "chat": ("chat completion, 32 connections", http_load, CHAT, 32),
    "stream": ("200-token stream, 16 clients", stream_load, STREAM, 16),
    "create": ("create a conversation, 32 connections", http_load, CREATE, 32),
    "read": ("read a conversation, 32 connections", http_load, READ, 32),
}
# What is drawn of growth.json: the others run along with these.
CURVES = {
    "conversations": (
        "create",
        "get",
        "update",
        "append a message",
        "list, first page",
        "list, eq on a rare metadata key",
        "list, eq on a common metadata key",
        "list messages",
        "delete",
    ),
    "messages": ("append to a long one", "list messages, first page", "list messages, last page", "get a long one"),
}


def flame(name: str) -> None:
    """Record a server under load and draw it."""
    title, drive, request, connections = FLAMES[name]
    with servers.mock("127.0.0.1") as mock, tempfile.TemporaryDirectory() as folder:
        wanted = request.at(id=new_conversation(mock))
        drive(mock, wanted, connections, 1)  # what the first requests import is no part of it
        folded = Path(folder) / "folded"
        command = [str(Path(sys.executable).with_name("py-spy")), "record", "--pid", str(mock.pid), "--format", "raw"]
        command += ["--rate", str(RATE), "--duration", str(SECONDS), "--function", "--output", str(folded)]
        spy = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        drive(mock, wanted, connections, SECONDS + 2)
        _, said = spy.communicate()
        if spy.returncode:
            raise SystemExit(f"py-spy failed: {said.decode(errors='replace').strip()[-300:]}")
        (FOLDER / f"{name}.svg").write_text(draw(folded.read_text().splitlines(), title))


def curves() -> None:
    """Draw how the time of each operation grows, as multiples of its time at the smallest size."""
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update({"svg.hashsalt": "growth", "svg.fonttype": "none", "font.size": 9})
    from matplotlib import pyplot

    results: dict[str, Any] = json.loads((FOLDER / "growth.json").read_text())
    for kind, names in CURVES.items():
        figure, axes = pyplot.subplots(figsize=(10, 4.5), layout="constrained")
        for i, name in enumerate(names):
            times = {int(size): ms for size, ms in results[kind][name].items()}
            first = times[min(times)]
            label = f"{name} ({first:.2f} ms at {min(times):,})"
            axes.plot(list(times), [ms / first for ms in times.values()], marker="osv^Dx*+p"[i % 9], label=label)
        axes.axhline(1.5, linestyle="--", color="black", linewidth=1, label="the bound: 1.5")
        axes.set_xscale("log")
        axes.set_ylim(0, max(2.0, axes.get_ylim()[1]))
        axes.set_xlabel(f"{kind} stored" if kind == "conversations" else "messages in one conversation")
        axes.set_ylabel("times its cost at the smallest size")
        axes.grid(alpha=0.3)
        axes.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
        figure.savefig(FOLDER / f"growth-{kind}.svg", metadata={"Date": None})
        pyplot.close(figure)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=["flames", "curves"])
    options = parser.parse_args()
    FOLDER.mkdir(exist_ok=True)
    if options.only != "flames":
        curves()
    if options.only != "curves":
        for name in FLAMES:
            flame(name)


if __name__ == "__main__":
    main()
