"""Templates made ready: what they may not do is refused, what they may is charged for. Imported where a template needs it."""

import copy
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, cast

from jinja2 import Template, TemplateError, Undefined, nodes
from jinja2.meta import find_undeclared_variables
from jinja2.runtime import Context
from jinja2.visitor import NodeTransformer

from mock_server.engine.replies.sandbox import BUDGET_NAME, Budget, TooMuch, environment

LONGEST_SOURCE = 20_000  # characters
LONGEST_OUTPUT = 100_000  # characters
STATEMENTS = (nodes.Template, nodes.Output, nodes.TemplateData, nodes.If, nodes.For, nodes.Assign)


class Compiled:
    """A template ready to be rendered: as a text, or as the value of its one expression."""

    def __init__(self, template: Template, names: frozenset[str], value: Template | None) -> None:
        self._template, self.names, self._value = template, names, value

    def render(self, variables: Mapping[str, Any]) -> str:
        """Raises whatever the template stumbles over, and TooMuch."""
        pieces: list[str] = []
        left = LONGEST_OUTPUT
        for piece in self._template.root_render_func(self._context(self._template, variables)):
            left -= len(piece)
            if left < 0:
                raise TooMuch(f"it writes more than {LONGEST_OUTPUT} characters")
            pieces.append(piece)
        return "".join(pieces)

    def evaluate(self, variables: Mapping[str, Any]) -> Any:
        """The value of a template that is one expression, the text of any other."""
        if self._value is None:
            return self.render(variables)
        context = self._context(self._value, variables)
        for _ in self._value.root_render_func(context):
            pass
        value = context.vars["result"]
        if isinstance(value, Undefined):
            str(value)  # raises what is missing
        return value if isinstance(value, str | int | float | bool | list | dict | None) else str(value)

    def _context(self, template: Template, variables: Mapping[str, Any]) -> Context:
        return template.new_context({**variables, BUDGET_NAME: Budget()})


@lru_cache(maxsize=1024)
def compiled(source: str) -> Compiled:
    """Raises ValueError with what is wrong, and the line."""
    if len(source) > LONGEST_SOURCE:
        raise ValueError(f"a template has at most {LONGEST_SOURCE} characters")
    try:
        tree = environment().parse(source)
        names = frozenset(find_undeclared_variables(tree))
        single = _single(tree)
        tree = _Bounds().visit(tree)
        value = None
        if single is not None:
            assigned = nodes.Assign(nodes.Name("result", "store", lineno=1), _Bounds().visit(single), lineno=1)
            value = _template(nodes.Template([assigned], lineno=1))
        return Compiled(_template(tree), names, value)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise ValueError(
            f"the template cannot be read{f' (its line {line})' if line else ''}: {error.message}"
        ) from None
    except (RecursionError, MemoryError, SyntaxError):
        raise ValueError("the template is nested too deeply") from None


def _single(tree: nodes.Template) -> nodes.Expr | None:
    """The expression of a template that is nothing else, not yet bounded."""
    if len(tree.body) == 1 and isinstance(tree.body[0], nodes.Output) and len(tree.body[0].nodes) == 1:
        only = tree.body[0].nodes[0]
        if not isinstance(only, nodes.TemplateData):
            return copy.deepcopy(only)
    return None


def _template(tree: nodes.Template) -> Template:
    tree.set_environment(environment())
    return Template.from_code(environment(), environment().compile(tree), {})


class _Bounds(NodeTransformer):
    """Refuses what a template may not do, and puts a charge on what it may."""

    def visit(self, node: nodes.Node, *args: Any, **kwargs: Any) -> Any:
        if isinstance(node, nodes.Stmt | nodes.Template) and not isinstance(node, STATEMENTS):
            raise ValueError(f"a template has no {type(node).__name__.lower()}: only if, for, set and expressions")
        return super().visit(node, *args, **kwargs)

    def visit_Name(self, node: nodes.Name) -> nodes.Node:
        if node.name.startswith("_") or node.name == "self":
            raise ValueError(f"a template has no name such as {node.name}")
        return node

    def visit_NSRef(self, node: nodes.NSRef) -> nodes.Node:
        raise ValueError("a template sets names only")

    def visit_For(self, node: nodes.For) -> nodes.Node:
        if node.recursive:
            raise ValueError("a template has no recursive loops")
        weight = 1 + sum(1 for part in (*node.body, *node.else_) for _ in part.find_all(nodes.Node))
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "looped", nodes.Const(weight, lineno=node.lineno))
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "concatenated")

    def visit_Compare(self, node: nodes.Compare) -> nodes.Node:
        self.generic_visit(node)
        node.expr = _filtered(node.expr, "weighed")
        for operand in node.ops:
            operand.expr = _filtered(operand.expr, "weighed")
        return node

    def visit_List(self, node: nodes.Expr) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, "weighed")

    visit_Dict = visit_List

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:
        return node if node.ctx == "store" else self.visit_List(node)

    def visit_Getitem(self, node: nodes.Getitem) -> nodes.Node:
        self.generic_visit(node)
        return _filtered(node, "weighed") if isinstance(node.arg, nodes.Slice) else node


def _filtered(node: nodes.Node, name: str, *args: nodes.Expr) -> nodes.Filter:
    return nodes.Filter(cast("nodes.Expr", node), name, list(args), [], None, None, lineno=node.lineno)
