"""Owns the sandbox of templates: what is written in one can neither reach the program nor take long, nor much memory.

It has JSON values alone, no files and no macros. Loops, ranges and results are bounded: a template that goes beyond fails.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from jinja2 import StrictUndefined, Template, TemplateError, TemplateSyntaxError, Undefined, nodes
from jinja2.exceptions import SecurityError
from jinja2.meta import find_undeclared_variables
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.visitor import NodeTransformer

from tracker.delivery.notifiers.templates.failure import InvalidTemplate, TemplateFailure

MAX_ITERATIONS: Final = 2000
"""Of all loops of a template together."""

MAX_RANGE: Final = 1000
MAX_LENGTH: Final = 100_000
"""Characters or items of a value that an expression makes."""

MAX_TEXT: Final = 10_000
"""Characters of a text; the rest is cut."""

_FILE: Final = "<template>"
_FAILURES: Final = (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, AttributeError, RecursionError)
"""What an expression may raise."""

_MAX_BITS: Final = 1024
"""Of a whole number that an expression makes."""

_FILTERS: Final = (
    "abs capitalize count d default dictsort filesizeformat first float int items last length list lower map max min reject "
    "rejectattr reverse round select selectattr sort string sum title tojson trim truncate unique upper urlencode "
    "wordcount"
)
_METHODS: Final[Mapping[type, str]] = {
    str: (
        "capitalize count endswith find lower lstrip partition removeprefix removesuffix rpartition rstrip split splitlines "
        "startswith strip title upper"
    ),
    dict: "get items keys values",
}
_REFUSED: Final[Mapping[type[nodes.Node], str]] = {
    nodes.Include: "include",
    nodes.Import: "import",
    nodes.FromImport: "import",
    nodes.Extends: "extends",
    nodes.Macro: "macro",
    nodes.CallBlock: "call",
}


class _Bounding(NodeTransformer):
    """Has loops count how often they go round, and texts that are joined by `~` and all that holds other values measured."""

    def visit_For(self, node: nodes.For) -> nodes.Node:  # noqa: N802 - jinja2 calls it so
        if node.recursive:
            raise TemplateSyntaxError("a loop that is `recursive` is not allowed", node.lineno)
        self.generic_visit(node)
        node.iter = _filtered(node.iter, "_counted")
        return node

    def visit_Concat(self, node: nodes.Concat) -> nodes.Node:  # noqa: N802 - as above
        self.generic_visit(node)
        return _filtered(nodes.List(node.nodes, lineno=node.lineno), "join")

    def visit_List(self, node: nodes.List) -> nodes.Node:  # noqa: N802 - as above
        self.generic_visit(node)
        return _filtered(node, "_measured")

    def visit_Dict(self, node: nodes.Dict) -> nodes.Node:  # noqa: N802 - as above
        self.generic_visit(node)
        return _filtered(node, "_measured")

    def visit_Tuple(self, node: nodes.Tuple) -> nodes.Node:  # noqa: N802 - as above
        self.generic_visit(node)
        return _filtered(node, "_measured") if node.ctx == "load" else node


def _filtered(node: Any, name: str) -> nodes.Filter:
    return nodes.Filter(node, name, [], [], None, None, lineno=node.lineno)


class Sandbox(ImmutableSandboxedEnvironment):
    """An environment of jinja2. `finalize` makes the text of each value that a template puts out."""

    intercepted_binops = frozenset(("+", "*", "**", "%"))

    def __init__(self, finalize: Callable[[Any], str]) -> None:
        super().__init__(
            autoescape=False,
            undefined=StrictUndefined,
            finalize=lambda value: "" if type(value) is Undefined else finalize(value),  # of an `if` without its `else`
            trim_blocks=True,
            lstrip_blocks=True,
        )
        own: dict[str, Callable[..., Any]] = {
            "replace": _replace,
            "join": _join,
            "_counted": self._counted,
            "_measured": _measured,
        }
        self.filters = {name: self.filters[name] for name in _FILTERS.split()} | own
        self.globals = {"range": _range}
        self._left = 0

    def prepared(self, source: str) -> tuple[Template, frozenset[str]]:
        """The template, and the names that it uses. Raises `InvalidTemplate`."""
        try:
            tree = self.parse(source)
            _refuse(tree)
            used = frozenset(find_undeclared_variables(tree))
            code = self.compile(_Bounding().visit(tree), filename=_FILE)
        except TemplateSyntaxError as error:
            raise InvalidTemplate(TemplateFailure.of(error.lineno, error.message or "")) from None
        except RecursionError:
            raise InvalidTemplate(TemplateFailure.of(0, "it is nested too deeply")) from None
        return Template.from_code(self, code, self.make_globals(None)), used

    def rendered(self, template: Template, values: Mapping[str, Any]) -> str | TemplateFailure:
        """The text of a `template` of this environment, cut after `MAX_TEXT` characters."""
        self._left = MAX_ITERATIONS
        try:
            text = "".join(_cut(template.generate(values))).strip()
        except _FAILURES as error:
            return TemplateFailure.of(_line_of(error), str(error) or type(error).__name__)
        return text or TemplateFailure(0, "it gives no text")

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        is_allowed = not callable(value) or attr in _METHODS.get(type(obj), "").split()
        return is_allowed and super().is_safe_attribute(obj, attr, value)

    def wrap_str_format(self, value: Any) -> None:
        """`str.format` is as any other method: it is not allowed."""

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if operator == "**":
            raise SecurityError("`**` is not allowed")
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if not numbers and (operator != "+" or len(left) + len(right) > MAX_LENGTH):
            raise SecurityError(f"`{operator}` is only for numbers{' and for what is short' if operator == '+' else ''}")
        result = super().call_binop(context, operator, left, right)
        if not numbers:
            return _measured(result)
        if isinstance(result, int) and result.bit_length() > _MAX_BITS:
            raise SecurityError("the number is too large")
        return result

    def _counted(self, values: Iterable[Any]) -> Iterator[Any]:
        for value in values:
            if self._left <= 0:
                raise SecurityError(f"its loops go round more than {MAX_ITERATIONS} times")
            self._left -= 1
            yield value


def _measured(value: Any) -> Any:
    """`value`, if all that it holds, what stands in it twice counted twice, is short enough."""
    left, rest = MAX_LENGTH, [value]
    while rest:
        each = rest.pop()
        left -= len(each) if isinstance(each, str) else 1
        if isinstance(each, dict):
            rest += [*each, *each.values()]
        elif isinstance(each, list | tuple):
            rest += each
        if left < len(rest):
            raise SecurityError("the value is too long")
    return value


def _range(*bounds: int) -> range:
    found = range(*bounds)
    if len(found) > MAX_RANGE:
        raise SecurityError(f"a range has at most {MAX_RANGE} numbers")
    return found


def _replace(text: object, old: str, new: str) -> str:
    """As jinja2's own."""
    before = str(text)
    if len(before) + before.count(str(old)) * len(str(new)) > MAX_LENGTH:
        raise SecurityError("the text is too long")
    return before.replace(str(old), str(new))


def _join(values: Iterable[Any], between: str = "") -> str:
    """As jinja2's own, without its parameter `attribute`."""
    kept: list[str] = []
    left = MAX_LENGTH
    for each in map(str, values):
        left -= len(each) + len(between)
        if left < 0:
            raise SecurityError("the text is too long")
        kept.append(each)
    return str(between).join(kept)


def _refuse(tree: nodes.Template) -> None:
    """Raises `TemplateSyntaxError` for a statement that is not allowed."""
    for refused, word in _REFUSED.items():
        for node in tree.find_all(refused):
            raise TemplateSyntaxError(f"`{word}` is not allowed", node.lineno)


def _cut(parts: Iterable[str]) -> Iterator[str]:
    left = MAX_TEXT
    for part in parts:
        yield part[:left]
        left -= len(part)
        if left <= 0:
            return


def _line_of(error: BaseException) -> int:
    """The line of the template in which an error was raised, the innermost."""
    found, traceback = 0, error.__traceback__
    while traceback:
        found = traceback.tb_lineno if traceback.tb_frame.f_code.co_filename == _FILE else found
        traceback = traceback.tb_next
    return found
