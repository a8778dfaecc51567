"""The law of docs/design.md: a file imports only from rooms below its own."""

import ast
import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PACKAGE = "keras_centernet"
FACES = ("__init__", "__main__", "__version__")  # they belong to the package as a whole
# Imports inside functions: `model` and `loading` call rooms that import the model themselves.
DOORS = {("model", "exporting"), ("model", "presets"), ("loading", "exporting"), ("loading", "model")}


def order():
    """{room: its level}, as documented."""
    text = (ROOT / "docs" / "design.md").read_text()
    (listed,) = re.findall(r"A file imports only from rooms below its own: (.+?)\. ", text, re.DOTALL)
    return {room.strip(): level for level, rooms in enumerate(listed.split("<")) for room in rooms.split(",")}


def room_of(path):
    """The folder or file directly in the package."""
    return path.relative_to(ROOT / PACKAGE).parts[0].removesuffix(".py")


def imports_of(path):
    """Yields (room, whether at top level) of each import from the package, without imports for types only."""
    tree = ast.parse(path.read_text())
    for_types = [node for node in tree.body if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test)]
    ignored = {id(inside) for node in for_types for inside in ast.walk(node)}
    for node in ast.walk(tree):
        if id(node) in ignored:
            continue
        names = []
        if isinstance(node, ast.ImportFrom) and node.module == PACKAGE:
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(f"{PACKAGE}."):
            names = [node.module.split(".")[1]]
        elif isinstance(node, ast.Import):
            names = [alias.name.split(".")[1] for alias in node.names if alias.name.startswith(f"{PACKAGE}.")]
        yield from ((name, node in tree.body) for name in names)


FILES = sorted((ROOT / PACKAGE).rglob("*.py"))
ROOMS = {room_of(path) for path in FILES}


def test_every_room_has_its_level():
    assert order().keys() == ROOMS - set(FACES)


@pytest.mark.parametrize("room", sorted(ROOMS - set(FACES)))
def test_imports_go_down(room):
    level = order()
    files = [path for path in FILES if room_of(path) == room]
    found = {(other, at_once) for path in files for other, at_once in imports_of(path) if other not in (room, *FACES)}
    upward = {(room, other) for other, at_once in found if level[other] >= level[room]}
    assert upward <= DOORS
    assert not [other for other, at_once in found if at_once and (room, other) in DOORS]


def test_the_readme_and_the_design_page_have_the_same_map():
    maps = [
        re.findall(r"```\n(a folder, a JSON file.+?)```", (ROOT / name).read_text(), re.DOTALL)
        for name in ("README.md", "docs/design.md")
    ]
    assert len(maps[0]) == 1
    assert maps[0] == maps[1]


def test_the_map_names_rooms_and_files_that_exist():
    rows = re.search(r"```\n(a folder, a JSON file.+?)```", (ROOT / "README.md").read_text(), re.DOTALL)[1].splitlines()
    named = [re.findall(r"(?<!\S)[a-z_]+/[a-z_/]*(?:\.py)?|[a-z_/]+\.py", row) for row in rows]
    assert sum(map(len, named)) > 25
    for first, *others in filter(None, named):
        place = ROOT / PACKAGE / first
        beside = place if place.is_dir() else place.parent
        assert place.exists(), first
        assert not [name for name in others if not (beside / name).exists() and not (ROOT / PACKAGE / name).exists()]
