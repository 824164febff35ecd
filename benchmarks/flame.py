"""Draws folded stacks (`frame;frame;frame count` a line) as a flame graph: an SVG without scripts, below 100 KB."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from html import escape

WIDTH, ROW, LETTER = 1200, 17, 6.4  # pixels
LEAST = 0.004  # of all samples: what is narrower is left out
PLACE = re.compile(r"^(?P<name>.*) \((?P<file>[^()]*?)(?::\d+)?\)$")
# By where a frame's file lies: fill and what the legend says.
COLOURS = {"mock_server/": ("#f4a259", "mock server"), "uvicorn/": ("#8cb0d9", "uvicorn")}
OTHER = ("#c9c9c9", "others")


@dataclass
class Frame:
    """A function that was called, in how many samples, and what it called."""

    count: int = 0
    below: dict[str, "Frame"] = field(default_factory=dict)


def tree(lines: Iterable[str]) -> tuple[str, Frame]:
    """Stacks from the last frame on that all have in common, and its name."""
    name, root = "all", Frame()
    for line in lines:
        stack, _, count = line.rpartition(" ")
        node = root
        node.count += int(count)
        for frame in stack.split(";"):
            found = PLACE.match(frame)
            node = node.below.setdefault(f"{found['name']} ({found['file']})" if found else frame, Frame())
            node.count += int(count)
    while len(root.below) == 1:
        name, root = next(iter(root.below.items()))
    return name, root


def draw(lines: Iterable[str], title: str) -> str:
    """The SVG: callers above what they call, as wide as their share of the samples."""
    name, root = tree(lines)
    boxes: list[str] = []
    deepest = _boxes(Frame(root.count, {f"event loop: {name}": root}), root.count, 0.0, 0, boxes)
    height = (deepest + 3) * ROW
    legend = "".join(
        f'<rect x="{WIDTH - 330 + i * 110}" y="4" width="10" height="10" fill="{fill}"/>'
        f'<text x="{WIDTH - 316 + i * 110}" y="13">{name}</text>'
        for i, (fill, name) in enumerate([*COLOURS.values(), OTHER])
    )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" viewBox="0 0 {WIDTH} {height}" '
        f'font-family="monospace" font-size="10.5">\n<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>\n'
        f'<text x="4" y="13" font-weight="bold">{escape(title)}: {root.count:,} samples</text>{legend}\n'
        + "\n".join(boxes)
        + "\n</svg>\n"
    )


def _boxes(node: Frame, total: int, left: float, depth: int, boxes: list[str]) -> int:
    """Add the boxes of what `node` calls; how deep they go."""
    deepest = depth
    for name, frame in sorted(node.below.items()):
        width = frame.count / total * WIDTH
        if frame.count / total >= LEAST:
            y = (depth + 1) * ROW + 6
            boxes.append(
                f"<g><title>{escape(name)} {frame.count / total:.1%}</title>"
                f'<rect x="{left:.1f}" y="{y}" width="{max(width - 0.5, 0.5):.1f}" height="{ROW - 1}" fill="{_fill(name)}"/>'
                f'<text x="{left + 2:.1f}" y="{y + 12}">{escape(_label(name, width))}</text></g>'
            )
            deepest = max(deepest, _boxes(frame, total, left, depth + 1, boxes))
        left += width
    return deepest


def _fill(name: str) -> str:
    return next((fill for part, (fill, _) in COLOURS.items() if f"({part}" in name or f"/{part}" in name), OTHER[0])


def _label(name: str, width: float) -> str:
    letters = int((width - 4) / LETTER)
    short = name if len(name) <= letters else name.partition(" (")[0]
    if len(short) <= letters:
        return short
    return f"{short[: letters - 2]}.." if letters > 4 else ""
