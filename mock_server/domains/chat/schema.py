"""A value that fits a simple JSON schema: objects, arrays, scalars, enums, bounds. Deterministic."""

from typing import Any

FORMATS = {
    "date": "2025-01-01",
    "date-time": "2025-01-01T00:00:00Z",
    "time": "00:00:00Z",
    "email": "user@example.com",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "uri": "https://example.com/",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "hostname": "example.com",
}
DEEPEST = 20


def instance(schema: Any, hint: str = "", depth: int = 0) -> Any:
    """A value for `schema`; strings take `hint` (the property's name) where nothing else is asked of them."""
    if not isinstance(schema, dict) or depth > DEEPEST:
        return hint or "value"
    for name in ("const", "default"):
        if name in schema:
            return schema[name]
    if schema.get("enum"):
        return schema["enum"][0]
    for name in ("anyOf", "oneOf"):
        if schema.get(name):
            return instance(schema[name][0], hint, depth + 1)
    kind = schema.get("type") or ("object" if "properties" in schema else "string")
    if isinstance(kind, list):
        kind = next((k for k in kind if k != "null"), "null")
    if kind == "object":
        return _object(schema, depth)
    if kind == "array":
        return [instance(schema.get("items"), hint, depth + 1) for _ in range(_within(schema.get("minItems"), 1, 50))]
    if kind in ("integer", "number"):
        return _number(schema, kind == "integer")
    if kind == "boolean":
        return True
    return None if kind == "null" else _string(schema, hint)


def _object(schema: dict[str, Any], depth: int) -> dict[str, Any]:
    properties = schema.get("properties")
    properties = properties if isinstance(properties, dict) else {}
    required = schema.get("required")
    names = [*properties, *(n for n in (required if isinstance(required, list) else []) if n not in properties)]
    return {str(name): instance(properties.get(name, {}), str(name), depth + 1) for name in names}


def _string(schema: dict[str, Any], hint: str) -> str:
    text = FORMATS.get(schema.get("format", ""), hint or "value")
    shortest = _within(schema.get("minLength"), 0, 10_000)
    text = text + "x" * (shortest - len(text))
    longest = schema.get("maxLength")
    return text[:longest] if isinstance(longest, int) and longest >= 0 else text


def _number(schema: dict[str, Any], whole: bool) -> float | int:
    low, high, step = schema.get("minimum"), schema.get("maximum"), schema.get("multipleOf")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    value: float | int = 1
    margin = 1 if whole else 0.5
    if low is not None or above is not None:
        value = max(x for x in (low, None if above is None else above + margin) if x is not None)
    if isinstance(step, int | float) and step > 0:
        value = -(-value // step) * step
    if high is not None and value > high:
        value = high
    if below is not None and value >= below:
        value = below - margin
    return int(value) if whole else value


def _within(value: Any, least: int, most: int) -> int:
    return min(max(value, least), most) if isinstance(value, int) else least
