"""Samples become medians, ratios, goals and tables."""

import os
import platform
import statistics
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import faults
import memory
import transcription

Samples = dict[str, list[dict[str, Any]]]

# key: (title, unit of the rate)
TITLES = {
    "chat.c1": ("chat completion, 1 connection", "req/s"),
    "chat.c32": ("chat completion, 32 connections", "req/s"),
    "stream.c16": ("200-token stream, 16 clients", "chunks/s"),
    "create.c32": ("create a conversation, 32 connections", "req/s"),
    "read.c32": ("read a conversation, 32 connections", "req/s"),
    "ws.c16": ("text-to-speech socket, 16 clients", "frames/s"),
    "stt.speech": ("speech-to-text socket, 16 clients: the mock's own audio", "frames/s"),
    "stt.tones": ("the same, decoded anew: told by its tones", "frames/s"),
    "stt.noise": ("the same, noise", "frames/s"),
    "stt.silence": ("the same, silence", "frames/s"),
    "live.c500": ("500 speech-to-text sockets fed in real time", "frames/s"),
}
LEGEND = (
    "ratio: mock / bare of neighbouring runs, higher is better. p50: of an answer; of the first byte of a stream; "
    "of a turn on a socket.\ncpu: the server's user and system time, microseconds a request, stream or frame. "
    "cpu ratio: bare / mock, higher is better; the steadier one on a busy machine."
)
SUITE_OF = {"create.c32": "crud", "read.c32": "crud", "ws.c16": "ws", "live.c500": "live"}
SUITE_OF |= {f"stt.{kind}": "stt" for kind in ("speech", "tones", "noise", "silence")}


@dataclass(frozen=True)
class Goal:
    title: str
    key: str
    bound: float
    value: Callable[[list[dict[str, Any]]], float | None]
    at_most: bool = False
    unit: str = ""


def ratios(samples: list[dict[str, Any]], name: str) -> list[float]:
    return [s["mock"][name] / s["reference"][name] for s in samples]


def rate_ratio(samples: list[dict[str, Any]]) -> float:
    return statistics.median(ratios(samples, "rate"))


def cold_ratio(samples: list[dict[str, Any]]) -> float:
    return statistics.median(ratios(samples, "ms"))


def first_create_ratio(samples: list[dict[str, Any]]) -> float | None:
    """The first conversation created after a start, which opens the database, to the reference's whole start."""
    return _median(s["first_create_ms"] / s["reference"]["ms"] for s in samples if "first_create_ms" in s)


def first_byte_ratio(samples: list[dict[str, Any]]) -> float:
    return statistics.median(ratios(samples, "p50_ms"))


def cpu_ratio(samples: list[dict[str, Any]]) -> float | None:
    """CPU time of the reference over the mock's: higher is better, as with the other ratio."""
    known = all(s["reference"]["cpu_us"] and s["mock"]["cpu_us"] for s in samples)
    return 1 / statistics.median(ratios(samples, "cpu_us")) if known else None


def fault_cost(key: str) -> Callable[[list[dict[str, Any]]], float | None]:
    """CPU time of a chat with a set of fault rules that do not fire, to that without any."""

    def cost(samples: list[dict[str, Any]]) -> float | None:
        found = [sample[key]["cpu_us"] / sample["none"]["cpu_us"] for sample in samples if sample["none"]["cpu_us"]]
        return statistics.median(found) if found else None

    return cost


def memory_after(stage: str) -> Callable[[list[dict[str, Any]]], float | None]:
    def memory(samples: list[dict[str, Any]]) -> float | None:
        return _median(s.get(stage) for s in samples)

    return memory


def answer_p99(samples: list[dict[str, Any]]) -> float | None:
    return _median(s["mock"]["p99_ms"] for s in samples)


MEMORY = {  # of one server, in this order
    "start_mb": "at the start",
    "chat_mb": f"after {memory.CHATS:,} chats and {memory.STREAMS:,} streams",
    "state_mb": f"after {memory.CONVERSATIONS:,} conversations made and as many read, too (SQLAlchemy)",
    "spoken_mb": f"after {memory.SENTENCES:,} sentences spoken on sockets, too",
    "heard_mb": f"after {memory.UTTERANCES * len(transcription.KINDS)} utterances heard on sockets, too",
}
GOALS = (
    Goal("chat completion, 32 connections, to bare", "chat.c32", 0.55, rate_ratio),
    Goal("chat completion, 1 connection, to bare", "chat.c1", 0.75, rate_ratio),
    Goal("200-token stream, chunks/s, to bare", "stream.c16", 5.0, rate_ratio),
    Goal("200-token stream, first byte p50, to bare", "stream.c16", 0.25, first_byte_ratio, at_most=True),
    Goal("create a conversation, 32 connections, to a bare chat", "create.c32", 0.20, rate_ratio),
    Goal("read a conversation, 32 connections, to a bare chat", "read.c32", 0.40, rate_ratio),
    Goal("text-to-speech socket, frames/s, to bare", "ws.c16", 0.85, rate_ratio),
    Goal("cold start to the first answer, to minimal FastAPI", "cold", 1.6, cold_ratio, at_most=True),
    Goal("speech-to-text socket, own audio, frames/s, to bare", "stt.speech", 0.85, rate_ratio),
    Goal("speech-to-text socket, tones, frames/s, to bare", "stt.tones", 0.85, rate_ratio),
    Goal("speech-to-text socket, noise, frames/s, to bare", "stt.noise", 0.85, rate_ratio),
    Goal("speech-to-text socket, silence, frames/s, to bare", "stt.silence", 0.85, rate_ratio),
    Goal("500 speech-to-text sockets in real time, answer p99", "live.c500", 50, answer_p99, at_most=True, unit=" ms"),
    Goal(
        "a chat with 1 fault rule of another operation, CPU to none",
        "faults",
        1.1,
        fault_cost("elsewhere"),
        at_most=True,
    ),
    Goal(
        "a chat with 1,000 fault rules that do not fire, CPU to none",
        "faults",
        1.5,
        fault_cost("thousand"),
        at_most=True,
    ),
    Goal(
        "memory after chats, streams, conversations, speaking, hearing",
        "memory",
        95,
        memory_after("heard_mb"),
        at_most=True,
        unit=" MB",
    ),
)


def results(samples: Samples, absent: set[str]) -> dict[str, Any]:
    """{figures: {key: {...}}, goals: [...]}: what the tables show, for machines."""
    figures = {key: _figure(samples[key]) for key in TITLES if key in samples}
    return {"figures": figures, "goals": [_goal(goal, samples, absent) for goal in GOALS]}


def _figure(samples: list[dict[str, Any]]) -> dict[str, Any]:
    rates = ratios(samples, "rate")
    figure: dict[str, Any] = {"ratio": rate_ratio(samples), "ratio_low": min(rates), "ratio_high": max(rates)}
    for side in ("reference", "mock"):
        for name in ("rate", "p50_ms", "cpu_us"):
            figure[f"{side}_{name}"] = _median(s[side][name] for s in samples)
    return {**figure, "cpu_ratio": cpu_ratio(samples), "p50_ratio": statistics.median(ratios(samples, "p50_ms"))}


def _goal(goal: Goal, samples: Samples, absent: set[str]) -> dict[str, Any]:
    value = goal.value(samples[goal.key]) if goal.key in samples else None
    if value is not None:
        state = "met" if (value <= goal.bound if goal.at_most else value >= goal.bound) else "missed"
    else:
        state = "not emulated yet" if SUITE_OF.get(goal.key) in absent else "not measured"
    wanted = f"{'at most' if goal.at_most else 'at least'} {goal.bound:g}{goal.unit}"
    return {"goal": goal.title, "wanted": wanted, "measured": value, "state": state}


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def circumstances(client: str, rounds: int, seconds: int) -> str:
    load = f", load average {os.getloadavg()[0]:.1f} at the start" if hasattr(os, "getloadavg") else ""
    return (
        f"Medians of {rounds} rounds, {seconds} s a run; load from {client}; "
        f"Python {platform.python_version()} on {platform.system()}, {os.cpu_count()} cores{load}."
    )


# ---- tables


def markdown(samples: Samples, absent: set[str], circumstances: str) -> str:
    got = results(samples, absent)
    # fmt: off
    head = ["", "ratio", "low to high", "cpu ratio", "unit", "bare", "mock",
            "p50 ms bare", "mock", "cpu us bare", "mock"]
    # fmt: on
    rows = [head]
    for key, (title, unit) in TITLES.items():
        if key in got["figures"]:
            rows.append(_row(got["figures"][key], title, unit))
        elif SUITE_OF.get(key) in absent:
            rows.append([title, "not emulated yet", *[""] * (len(head) - 2)])
    goals = [["goal", "wanted", "measured", ""]]
    goals += [[g["goal"], g["wanted"], _number(g["measured"]), g["state"]] for g in got["goals"]]
    others = [["", "mock", "reference", "ratio"], *_other_rows(samples, got["figures"])]
    first = [_table(rows), LEGEND] if len(rows) > 1 else []
    second = [_table(others)] if len(others) > 1 else []
    if "faults" in samples:
        second.append(_table(_fault_rows(samples["faults"])))
    return "\n\n".join([circumstances, *first, *second, _table(goals)])


def _row(figure: dict[str, Any], title: str, unit: str) -> list[str]:
    return [
        title,
        _number(figure["ratio"]),
        f"{_number(figure['ratio_low'])} to {_number(figure['ratio_high'])}",
        _number(figure["cpu_ratio"]),
        unit,
        *_whole(figure["reference_rate"], figure["mock_rate"]),
        *(_number(figure[f"{side}_{name}"]) for name in ("p50_ms", "cpu_us") for side in ("reference", "mock")),
    ]


def _other_rows(samples: Samples, figures: dict[str, Any]) -> list[list[str]]:
    rows: list[list[str]] = []
    if cold := samples.get("cold"):
        mock, minimal_ms = (_median(s[side]["ms"] for s in cold) for side in ("mock", "reference"))
        ratio = _number(cold_ratio(cold))
        title = "cold start to the first answer, ms (reference: minimal FastAPI)"
        rows.append([title, *_whole(mock, minimal_ms), ratio])
        if cpu := cpu_ratio(cold):
            mock, minimal = (_median(s[side]["cpu_us"] / 1000 for s in cold) for side in ("mock", "reference"))
            rows.append(["CPU time of it, ms", *_whole(mock, minimal), _number(1 / cpu)])
        if first := _median(s.get("first_create_ms") for s in cold):
            ratio = _number(first_create_ratio(cold))
            rows.append(
                [
                    "first conversation created after it, ms (reference: as above)",
                    _number(first),
                    *_whole(minimal_ms),
                    ratio,
                ]
            )
    if stream := figures.get("stream.c16"):
        times = [_number(stream[f"{side}_p50_ms"]) for side in ("mock", "reference")]
        rows.append(["stream, first byte p50, ms (reference: bare)", *times, _number(stream["p50_ratio"])])
    if live := samples.get("live.c500"):
        for name, title in (("p50_ms", "p50"), ("p99_ms", "p99"), ("lag_ms", "p99 of the client's own lateness")):
            both = [_median(s[side][name] for s in live) for side in ("mock", "reference")]
            rows.append([f"500 sockets in real time, answer, {title}, ms (reference: bare)", *map(_number, both), ""])
    if memory := samples.get("memory"):
        for name, title in MEMORY.items():
            if (found := _median(s.get(name) for s in memory)) is not None:
                rows.append([f"memory {title}, MB", *_whole(found, None), ""])
    return rows


def _fault_rows(samples: list[dict[str, Any]]) -> list[list[str]]:
    """What each set of fault rules costs a chat, 32 connections: to none, and CPU time."""
    rows = [["fault rules in force, none of which fires", "cpu ratio", "low to high", "rate ratio", "cpu us"]]
    for key, (title, _) in faults.SETS.items():
        cpu = [fault_cost(key)([sample]) for sample in samples]
        known = [value for value in cpu if value is not None]
        spread = f"{_number(min(known))} to {_number(max(known))}" if known else ""
        rate = statistics.median(sample[key]["rate"] / sample["none"]["rate"] for sample in samples)
        rows.append(
            [title, _number(_median(cpu)), spread, _number(rate), _number(_median(s[key]["cpu_us"] for s in samples))]
        )
    return rows


def _whole(*values: float | None) -> list[str]:
    return ["" if value is None else f"{value:,.0f}" for value in values]


def _number(value: float | None) -> str:
    """Three figures, which is more than the noise leaves."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _table(rows: list[list[str]]) -> str:
    widths = [max(3, *(len(row[column]) for row in rows)) for column in range(len(rows[0]))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])
