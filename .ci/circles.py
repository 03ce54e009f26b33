"""Finds circles of modules: .ci/circles.py [SRC]. Prints each and exits with 1 if there is any.

A module is a file. It stands above those whose names its `use` lines bring in; a name that a parent only passes on (`pub use`) is its
owner's, and what a module takes from those that it lies in does not count. What is used by its full path in the middle of a line is not
seen, nor are uses in tests.
"""

import pathlib
import re
import sys

SRC = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parent.parent / "src")


def module(path):
    """The path of a module, as a tuple of names."""
    parts = path.relative_to(SRC).with_suffix("").parts
    return parts[:-1] if parts[-1] in ("mod", "lib") else parts


def flat(tree):
    """(names of a path, name by which it goes) of each leaf of a use tree."""
    tree = tree.strip()
    if match := re.fullmatch(r"(.*?)\{(.*)\}", tree, re.DOTALL):
        depth, piece = 0, ""
        for char in match[2] + ",":
            depth += {"{": 1, "}": -1}.get(char, 0)
            if char == "," and depth == 0:
                if piece.strip():
                    yield from ((match[1].replace(" ", "").rstrip(":").split("::") + names, name) for names, name in flat(piece))
                piece = ""
            else:
                piece += char
    else:
        path, _, alias = tree.partition(" as ")
        names = path.replace(" ", "").split("::")
        yield names, alias.strip() or names[-1]


def main():
    files = {module(path): path for path in SRC.rglob("*.rs") if path.name not in ("tests.rs", "main.rs")}
    uses, passed_on = {}, {}
    for at, path in files.items():
        text = re.sub(r"//[^\n]*", "", path.read_text("utf-8"))
        text = text.split("#[cfg(test)]\nmod tests {")[0]
        uses[at] = []
        for public, tree in re.findall(r"^\s*(pub(?:\([^)]*\))? )?use ([^;]+);", text, re.MULTILINE):
            for names, name in flat(tree):
                names = [n for n in names if n]
                where = list(at)
                if names[0] == "crate":
                    where, names = [], names[1:]
                elif names[0] in ("self", "super"):
                    while names and names[0] in ("self", "super"):
                        where = where[:-1] if names.pop(0) == "super" else where
                elif tuple([*at, names[0]]) not in files:
                    continue  # a library's
                (passed_on.setdefault(at, {}).__setitem__(name, (tuple(where), names)) if public else uses[at].append((tuple(where), names)))

    def owner(where, names, depth=0):
        """The module that has the name, as far as it can be told."""
        while names and (*where, names[0]) in files:
            where, names = (*where, names[0]), names[1:]
        if names and depth < 9 and names[0] in passed_on.get(where, {}):
            return owner(*passed_on[where][names[0]], depth + 1)
        return where

    graph = {at: {to for use in uses[at] if (to := owner(*use)) != at[: len(to)]} for at in files}
    order, low, stack, circles = {}, {}, [], []

    def visit(at):  # Tarjan's strongly connected components
        order[at] = low[at] = len(order)
        stack.append(at)
        for to in graph[at] & graph.keys():
            if to not in order:
                visit(to)
            low[at] = min(low[at], low[to]) if to in stack else low[at]
        if low[at] == order[at]:
            circle = stack[stack.index(at) :]
            del stack[stack.index(at) :]
            circles.extend([circle] if len(circle) > 1 else [])

    sys.setrecursionlimit(10_000)
    for at in graph:
        if at not in order:
            visit(at)
    for circle in circles:
        print("a circle of modules:")
        for at in circle:
            print(f"    {'::'.join(at) or 'lib'} -> {', '.join(sorted('::'.join(to) or 'lib' for to in graph[at] & set(circle)))}")
    print(f"{len(files)} modules, {len(circles)} circles")
    sys.exit(bool(circles))


main()
