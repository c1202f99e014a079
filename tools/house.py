"""Count what keeps the code a house, and fail where a count is over its limit: `python tools/house.py`.

Few rooms, few files in each, no import circle, faces without logic, typed artifacts, and public functions that say
what they do.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import networkx

SOURCE = Path(__file__).parents[1] / "src"
PRODUCT = SOURCE / "rawlabel"
TOP_ENTRIES, FOLDER_FILES, LOOSE_DICTS, SHORTEST_DOCSTRING = 18, 20, 60, 40
ONE_FILE_EACH = ("cli/verbs", "config")
"""Folders that may hold more files: one a verb. Those of plug-ins are found by `PLUGIN`."""

Modules = dict[str, Path]
Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules() -> Modules:
    """Every module of the three packages by its dotted name."""
    found = {}
    for path in sorted(SOURCE.rglob("*.py")):
        parts = path.relative_to(SOURCE).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(known: Modules) -> networkx.DiGraph:
    """Who imports whom, imports inside functions and for type checkers included."""
    graph = networkx.DiGraph()
    for name, path in known.items():
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module in known:
                asked = (f"{node.module}.{alias.name}" for alias in node.names)
                graph.add_edges_from((name, one if one in known else node.module) for one in asked)
            elif isinstance(node, ast.Import):
                graph.add_edges_from((name, alias.name) for alias in node.names if alias.name in known)
    graph.remove_edges_from(list(networkx.selfloop_edges(graph)))
    return graph


def rooms_graph(graph: networkx.DiGraph) -> networkx.DiGraph:
    """The same between rooms: the entries directly under the product, and the packages beside it."""
    rooms = networkx.DiGraph()
    rooms.add_edges_from({(_room(importer), _room(imported)) for importer, imported in graph.edges})
    rooms.remove_edges_from(list(networkx.selfloop_edges(rooms)))
    return rooms


def _room(module: str) -> str:
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == PRODUCT.name else parts[0]


def crowded_folders() -> Iterator[str]:
    """Folders with too many files beside each other."""
    for folder in sorted({path.parent for path in SOURCE.rglob("*.py")}):
        files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
        own = folder.relative_to(SOURCE / folder.relative_to(SOURCE).parts[0]).as_posix()
        is_for_plugins = any(re.search(r"^PLUGIN = ", path.read_text("utf-8"), re.M) for path in files)
        if len(files) > FOLDER_FILES and own not in ONE_FILE_EACH and not is_for_plugins:
            yield f"{folder.relative_to(SOURCE)} has {len(files)} files"


def faces_with_logic(known: Modules) -> Iterator[str]:
    """`__init__` files that define more than names, a lazy `__getattr__` among them."""
    for name, path in known.items():
        if path.name != "__init__.py":
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            is_logic = isinstance(node, ast.ClassDef | ast.For | ast.While | ast.With | ast.Try)
            if is_logic or (isinstance(node, Function) and node.name not in ("__getattr__", "__dir__")):
                yield f"{name} defines logic in line {node.lineno}"


def thin_docstrings(known: Modules) -> Iterator[str]:
    """Public functions, methods included, whose docstring says next to nothing."""
    for name, path in known.items():
        for function, is_public in _functions(ast.parse(path.read_text("utf-8")), is_public=True):
            text = ast.get_docstring(function) or ""
            if is_public and len(text) < SHORTEST_DOCSTRING and not _is_exempt(function):
                yield f"{name}.{function.name}: {text!r}"


def _functions(parent: ast.AST, *, is_public: bool) -> Iterator[tuple[Function, bool]]:
    for node in ast.iter_child_nodes(parent):
        if isinstance(node, Function | ast.ClassDef):
            visible = is_public and not node.name.startswith("_")
            if isinstance(node, Function):
                yield node, visible
            else:
                yield from _functions(node, is_public=visible)


def _is_exempt(function: Function) -> bool:
    """Overloads have the docstring of what they overload; an override without one inherits it."""
    names = {ast.unparse(one).rpartition(".")[2] for one in function.decorator_list}
    return "overload" in names or ("override" in names and ast.get_docstring(function) is None)


def main() -> int:
    """Print the counts; 1 where one is over its limit."""
    known = modules()
    graph = imports(known)
    rooms = rooms_graph(graph)
    entries = [
        one.name
        for one in PRODUCT.iterdir()
        if one.name not in ("__init__.py", "__main__.py", "__pycache__") and not one.name.startswith(".")
    ]
    circles = [
        sorted(one)
        for each in (graph, rooms)
        for one in networkx.strongly_connected_components(each)
        if len(one) > 1
    ]
    loose = sum(path.read_text("utf-8").count("dict[str, Any]") for path in known.values())
    crowded, faces, thin = list(crowded_folders()), list(faces_with_logic(known)), list(thin_docstrings(known))
    counts = (
        ("entries directly under src/rawlabel", len(entries), TOP_ENTRIES, sorted(entries)),
        ("crowded folders", len(crowded), 0, crowded),
        ("import circles", len(circles), 0, circles),
        ("package faces with logic", len(faces), 0, faces),
        ("dict[str, Any] in src", loose, LOOSE_DICTS - 1, []),
        (f"public docstrings under {SHORTEST_DOCSTRING} characters", len(thin), 0, thin),
    )
    say = sys.stdout.write
    say(f"{len(known)} modules in {len(rooms)} rooms, {rooms.number_of_edges()} arrows between these\n")
    for what, count, limit, examples in counts:
        say(f"{what}: {count} (at most {limit})\n")
        if count > limit:
            for example in examples[:40]:
                say(f"  {example}\n")
    return int(any(count > limit for _, count, limit, _ in counts))


if __name__ == "__main__":
    sys.exit(main())
