"""Table reads in the loop-carried chains of a C++ kernel, by walking over its source as libclang parses it.

An iteration of a pipelined loop takes registers to registers. Those that depend on each other from iteration to
iteration set the shortest initiation interval: between two of them must lie at most one table read, and its address
must be a register, not something that the iteration itself computes. What lies outside of such circles a tool may
pipeline as deep as it likes.

The walk follows values through calls, structs and conditions. A value is known by the registers that it comes from,
each with the number of table reads on the way; a read at a computed address counts as two.
"""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clang.cindex import Cursor, CursorKind, Index, TranslationUnit

from gan2hls.tools import require_tool
from tests.hls.bench import FLAGS

ASSIGNMENTS = {"=", "+=", "-=", "*=", "|=", "&=", "^=", "<<=", ">>="}
CASTS = {
    CursorKind.UNEXPOSED_EXPR,
    CursorKind.PAREN_EXPR,
    CursorKind.CXX_FUNCTIONAL_CAST_EXPR,
    CursorKind.CXX_STATIC_CAST_EXPR,
    CursorKind.CSTYLE_CAST_EXPR,
    CursorKind.PACK_EXPANSION_EXPR,
}
FUNCTIONS = {CursorKind.FUNCTION_TEMPLATE, CursorKind.FUNCTION_DECL, CursorKind.CXX_METHOD}


@dataclass(frozen=True)
class Value:
    """Registers that it comes from, with the most table reads on the way; `plain` if it is one of them as it was."""

    reads: dict[str, int] = field(default_factory=dict)
    plain: bool = True

    def __or__(self, other: "Value") -> "Value":
        names = self.reads.keys() | other.reads.keys()
        return Value({n: max(self.reads.get(n, 0), other.reads.get(n, 0)) for n in names}, False)

    def looked_up(self) -> "Value":
        """What a table says at this address."""
        return Value({name: reads + (1 if self.plain else 2) for name, reads in self.reads.items()}, False)


def parse(project: Path) -> TranslationUnit:
    """A project of C++ as C simulation sees it; g++ says where the system's headers are, libclang has none."""
    said = subprocess.run(["g++", "-E", "-v", "-x", "c++", "/dev/null"], capture_output=True, text=True, check=True)
    system = said.stderr.split("search starts here:\n")[-1].split("End of search")[0].split()
    headers = [f"-isystem{folder}" for folder in (require_tool("ap_types").path, *system)]
    arguments = [*FLAGS, f"-I{project / 'kernels' / 'sim'}", *headers]
    unit = Index.create().parse(str(project / "firmware" / "generator.cpp"), args=arguments)
    assert not list(unit.diagnostics), list(unit.diagnostics)
    return unit


class Loop:
    """The loop of a function, walked.

    Attributes:
        edges: register → the registers that its next value comes from, with the table reads between.
    """

    def __init__(self, unit: TranslationUnit, function: str) -> None:
        self._functions: dict[str, list[Cursor]] = {}
        kernels = [top for top in unit.cursor.get_children() if "/kernels/" in str(top.location.file)]
        for cursor in (inner for top in kernels for inner in top.walk_preorder()):
            if cursor.kind in FUNCTIONS and cursor.is_definition():
                self._functions.setdefault(cursor.spelling, []).append(cursor)
        self._types: dict[str, str] = {}
        self._registers: set[str] = set()
        self._environment: dict[str, Value] = {}
        self._conditions: list[Value] = []
        (self._function,) = self._functions[function]
        body = _body(self._function)
        for statement in body.get_children():
            if statement.kind == CursorKind.LABEL_STMT:
                (loop,) = statement.get_children()
                self._statement(list(loop.get_children())[-1], {})
            elif statement.kind == CursorKind.DECL_STMT:
                for declared in statement.get_children():
                    self._declare_register(declared)
        self.edges = {name: value.reads for name, value in self._environment.items() if self._root(name)}

    def circle(self) -> set[str]:
        """Registers that their own next values come from."""
        return {name for name in self.edges if name in self._reached(name)}

    def faults(self) -> list[str]:
        """Chains between registers of a circle with more than one table read, or with one at a late address."""
        return sorted(
            f"{source} -> {name}: {reads}"
            for name, sources in self.edges.items()
            for source, reads in sources.items()
            if reads > 1 and source in self._reached(name)
        )

    def _reached(self, name: str) -> set[str]:
        """Registers that come from one, over one iteration or more."""
        found: set[str] = set()
        waiting = [name]
        while waiting:
            source = waiting.pop()
            new = {target for target, sources in self.edges.items() if source in sources} - found
            found |= new
            waiting += new
        return found

    # -- the walk -----------------------------------------------------------------------------------------------------

    def _declare_register(self, declared: Cursor) -> None:
        if declared.kind != CursorKind.VAR_DECL or "constexpr" in {t.spelling for t in declared.get_tokens()}:
            return
        self._registers.add(declared.spelling)
        kinds = [c.spelling for c in declared.get_children() if c.kind == CursorKind.TEMPLATE_REF]
        self._types[declared.spelling] = kinds[0] if kinds else ""

    def _root(self, path: str) -> bool:
        return path.split(".")[0] in self._registers

    def _read(self, path: str) -> Value:
        if self._root(path):
            return self._environment.get(path, Value({path: 0}))
        fields = [value for name, value in self._environment.items() if name.startswith(f"{path}.")]
        known = [self._environment[path]] if path in self._environment else []
        if not known and not fields and "." in path:
            return self._read(path.rpartition(".")[0])  # a field of a struct that was set as a whole
        return known[0] if known and not fields else _union([*known, *fields]) if fields else Value()

    def _write(self, path: str, value: Value, whole: bool = True) -> None:
        for condition in self._conditions:
            value |= condition
        if not whole or (self._conditions and self._root(path)):
            value |= self._read(path)
        self._environment[path] = value

    def _statement(self, cursor: Cursor, names: dict[str, str]) -> Value:
        """Walk a statement; the value that it returns."""
        kind, children = cursor.kind, list(cursor.get_children())
        result = Value()
        if kind == CursorKind.IF_STMT:
            children = [child for child in children if child.kind != CursorKind.DECL_STMT]
            self._conditions.append(self._value(children[0], names) | Value())
            for child in children[1:]:
                result |= self._statement(child, names)
            if any(c.kind == CursorKind.RETURN_STMT for c in cursor.walk_preorder()):
                result |= self._conditions[-1]
            self._conditions.pop()
        elif kind == CursorKind.FOR_STMT:  # unrolled: its counter is a constant
            for _ in range(2):
                result |= self._statement(children[-1], names)
        elif kind == CursorKind.DECL_STMT:
            for declared in children:
                if declared.kind == CursorKind.VAR_DECL:
                    self._declare(declared, names)
        elif kind == CursorKind.RETURN_STMT:
            return self._value(children[0], names) if children else result
        elif kind in (CursorKind.COMPOUND_STMT, CursorKind.LABEL_STMT):
            values = [self._statement(child, names) for child in children]
            values = [value for value in values if value.reads or not value.plain]
            result = values[0] if len(values) == 1 else _union(values)
        elif kind.is_expression():
            self._value(cursor, names)
        return result

    def _declare(self, declared: Cursor, names: dict[str, str]) -> None:
        path = f"{declared.spelling}@{declared.hash}"
        names[declared.spelling] = path
        given = [c for c in declared.get_children() if c.kind.is_expression()]
        self._environment.pop(path, None)
        if given and "[" not in declared.type.spelling:
            self._environment[path] = self._value(given[-1], names)

    def _path(self, cursor: Cursor, names: dict[str, str]) -> str | None:
        """The variable, or the field of one, that an expression names."""
        children = [c for c in cursor.get_children() if c.kind.is_expression()]
        if cursor.kind in CASTS and len(children) == 1:
            return self._path(children[0], names)
        if cursor.kind == CursorKind.DECL_REF_EXPR and cursor.spelling:
            field_of_this = f"{names.get('this', '')}.{cursor.spelling}"
            return names.get(cursor.spelling, cursor.spelling if self._root(cursor.spelling) else field_of_this)
        if cursor.kind == CursorKind.MEMBER_REF_EXPR:
            base = self._path(children[0], names) if children else names.get("this")
            if base is None:
                return None
            name = cursor.spelling or [t.spelling for t in cursor.get_tokens()][-1]
            return base if "." in base and self._root(base) else f"{base}.{name}"
        if cursor.kind == CursorKind.ARRAY_SUBSCRIPT_EXPR:
            return self._path(children[0], names)
        return None

    def _value(self, cursor: Cursor, names: dict[str, str]) -> Value:
        children = [c for c in cursor.get_children() if c.kind.is_expression()]
        if cursor.kind in CASTS and len(children) == 1:
            return self._value(children[0], names)
        if cursor.kind == CursorKind.ARRAY_SUBSCRIPT_EXPR:
            index = self._value(children[1], names)
            content = self._value(children[0], names)
            if not index.reads:
                return content
            return index.looked_up() | Value({name: reads + 1 for name, reads in content.reads.items()}, False)
        if cursor.kind in (CursorKind.DECL_REF_EXPR, CursorKind.MEMBER_REF_EXPR):
            path = self._path(cursor, names)
            return Value() if path is None else self._read(path)
        operator = _operator(cursor, children)
        operands = [c for c in children if not _names_operator(c)]
        if operator in ASSIGNMENTS or operator in ("++", "--"):
            return self._assign(operator, operands, names)
        if cursor.kind == CursorKind.CALL_EXPR and not operator and children:
            if children[0].extent.start.offset == cursor.extent.start.offset:
                return self._call(children, names)
            if len(children) == 1:  # a cast of a type that depends on parameters
                return self._value(children[0], names)
        return _union([self._value(child, names) for child in operands])

    def _assign(self, operator: str, operands: list[Cursor], names: dict[str, str]) -> Value:
        target = operands[0]
        value = self._value(operands[1], names) if len(operands) > 1 else Value()
        path = self._path(target, names)
        if operator != "=":
            value |= self._value(target, names)
        if path is not None:
            element = next((c for c in target.walk_preorder() if c.kind == CursorKind.ARRAY_SUBSCRIPT_EXPR), None)
            if element is not None:
                value |= _union([self._value(c, names) for c in list(element.get_children())[1:]])
            whole = element is None and (target.kind != CursorKind.MEMBER_REF_EXPR or path.count(".") == 1)
            self._write(path, value, whole)
        return value

    def _call(self, children: list[Cursor], names: dict[str, str]) -> Value:
        callee, arguments = children[0], children[1:]
        base = None
        if callee.kind == CursorKind.MEMBER_REF_EXPR:
            name = callee.spelling or [t.spelling for t in callee.get_tokens() if t.spelling.isidentifier()][-1]
            owners = [c for c in callee.get_children() if c.kind.is_expression()]
            base = self._path(owners[0], names) if owners else names.get("this")
        else:
            overloads = [c.spelling for c in callee.walk_preorder() if c.kind == CursorKind.OVERLOADED_DECL_REF]
            name, base = callee.spelling or (overloads or [""])[0], names.get("this")
        owner = self._types.get(base or "", "")
        found = [f for f in self._functions.get(name, []) if f.semantic_parent.spelling in ("gan2hls", owner)]
        values = [self._value(argument, names) for argument in arguments]
        if not found:
            return _union([*values, *([self._read(base)] if base and callee.kind != CursorKind.DECL_REF_EXPR else [])])
        results = [self._inlined(function, arguments, values, base, names) for function in found]
        return results[0] if len(results) == 1 else _union(results)

    def _inlined(
        self, function: Cursor, arguments: list[Cursor], values: list[Value], base: str | None, names: dict[str, str]
    ) -> Value:
        inner = {"this": base} if base else {}
        parameters = [c for c in function.get_children() if c.kind == CursorKind.PARM_DECL]
        for parameter, argument, value in zip(parameters, arguments, values, strict=False):
            path = self._path(argument, names)
            by_reference = "&" in parameter.type.spelling and "const" not in parameter.type.spelling
            if path is not None and (by_reference or "[" in parameter.type.spelling):
                inner[parameter.spelling] = path
            else:
                inner[parameter.spelling] = f"{parameter.spelling}@{function.hash}"
                self._environment[inner[parameter.spelling]] = value
        return self._statement(_body(function), inner)


def _union(values: list[Value]) -> Value:
    if len(values) == 1:
        return Value(values[0].reads, False)
    result = Value({}, False)
    for value in values:
        result |= value
    return result


def _body(function: Cursor) -> Cursor:
    return next(c for c in function.get_children() if c.kind == CursorKind.COMPOUND_STMT)


def _names_operator(cursor: Cursor) -> bool:
    return any(c.spelling.startswith("operator") for c in _overloads(cursor))


def _overloads(cursor: Cursor) -> Iterator[Cursor]:
    if cursor.kind in (CursorKind.DECL_REF_EXPR, CursorKind.UNEXPOSED_EXPR):
        yield from (c for c in cursor.get_children() if c.kind == CursorKind.OVERLOADED_DECL_REF)


def _operator(cursor: Cursor, children: list[Cursor]) -> str:
    """The operator of an expression, "" if it has none: by its token, or by the name of what it may call."""
    for child in children:
        for overload in _overloads(child):
            if overload.spelling.startswith("operator"):
                return overload.spelling.removeprefix("operator")
    if cursor.kind in (CursorKind.BINARY_OPERATOR, CursorKind.COMPOUND_ASSIGNMENT_OPERATOR) and len(children) == 2:
        left, right = children[0].extent.end.offset, children[1].extent.start.offset
        tokens = [t.spelling for t in cursor.get_tokens() if left <= t.extent.start.offset < right]
        return tokens[0] if tokens else ""
    if cursor.kind == CursorKind.UNARY_OPERATOR:
        return next((t.spelling for t in cursor.get_tokens() if t.spelling in ("++", "--")), "!")
    return ""
