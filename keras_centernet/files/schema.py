"""Schemas of JSON content, made of plain values, and the first place where a content differs from its schema.

| schema | what fits |
|---|---|
| str, bool, None | a text without NUL; true or false; null |
| int | a whole number from 0 to 2**62 |
| object | anything |
| [schema] | a list of what fits |
| {str: schema} | an object with any keys, whose values fit |
| {"a": schema, "b?": schema} | an object with the key "a", optionally "b" and, if the schema has the key "?", others |
| (schema, schema) | one of them |
"""

import operator

_LARGEST = 2**62
_OTHERS = "?"
_NAMES = {str: "a text", int: "a whole number from 0", bool: "true or false", None: "null"}
_LEAVES = {
    str: lambda value: isinstance(value, str) and "\0" not in value,
    int: lambda value: isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _LARGEST,
    bool: lambda value: isinstance(value, bool),
    None: lambda value: value is None,
    object: lambda value: True,
}


def find_fault(value: object, schema: type | list | dict | tuple | None, where: tuple[str, ...] = ()) -> str:
    """Returns the first difference as "<what is expected> as <where>, got <value>"; "" if there is none.

    Args:
        value: content of a JSON file.
        schema: as above.
        where: keys that lead to the value.

    Examples:
        >>> find_fault({"sizes": [3, "4"]}, {"sizes": [int]})
        "a whole number from 0 as sizes.1, got '4'"
    """
    return _find(value, schema, where)[1]


def _find(value, schema, where: tuple[str, ...]) -> tuple[int, str]:
    """Returns (how deep the difference lies, its text)."""
    if isinstance(schema, tuple):
        faults = [_find(value, one, where) for one in schema]
        # The deepest difference belongs to the schema that was meant.
        return (0, "") if any(not text for _, text in faults) else max(faults, key=operator.itemgetter(0))
    if isinstance(schema, list):
        if not isinstance(value, list):
            return _fault("a list", value, where)
        return _first(_find(one, schema[0], (*where, str(i))) for i, one in enumerate(value))
    if isinstance(schema, dict):
        return _find_in_object(value, schema, where)
    return (0, "") if _LEAVES[schema](value) else _fault(_NAMES[schema], value, where)


def _find_in_object(value, schema: dict, where: tuple[str, ...]) -> tuple[int, str]:
    if not isinstance(value, dict):
        return _fault("an object", value, where)
    if str in schema:
        return _first(_find(one, schema[str], (*where, key)) for key, one in value.items())
    known = {key.removesuffix("?"): inner for key, inner in schema.items() if key != _OTHERS}
    missing = [key for key in schema if key[-1] != "?" and key not in value]
    unknown = [key for key in value if key not in known and _OTHERS not in schema]
    if missing or unknown:
        expected = f"the key {missing[0]!r}" if missing else f"no key but {', '.join(known)}"
        return _fault(expected, list(value), where)
    return _first(_find(one, known[key], (*where, key)) for key, one in value.items() if key in known)


def _first(faults) -> tuple[int, str]:
    return next((fault for fault in faults if fault[1]), (0, ""))


def _fault(expected: str, value, where: tuple[str, ...]) -> tuple[int, str]:
    got = repr(value) if isinstance(value, str) else str(value)
    place = ".".join(key[:40] for key in where)
    return len(where), f"{expected} as {place or 'its content'}, got {got[:77]}"
