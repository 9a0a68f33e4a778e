"""Files of code as syntax trees, each parsed once for all tests that look at the shape of the code."""

import ast
from functools import cache
from pathlib import Path


@cache
def tree(path: Path) -> ast.Module:
    """Returns the syntax tree of a file, which nobody may change."""
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def nodes(path: Path) -> tuple[ast.AST, ...]:
    """Returns all nodes of the tree of a file."""
    return tuple(ast.walk(tree(path)))
