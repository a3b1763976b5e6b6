"""What a newcomer can rely on in every file, and no import contract can say."""

import ast
import io
import tokenize

import pytest


@pytest.fixture(scope="module")
def sources(root):
    """The text of every file of the package, by its path in the checkout."""
    return {
        path.relative_to(root).as_posix(): path.read_text(encoding="utf-8")
        for path in sorted((root / "neurorecon").rglob("*.py"))
    }


def numbers_in(value):
    """The numbers of a constant's value; none where it is a call or a table."""
    if any(isinstance(node, ast.Call | ast.Dict | ast.Lambda) for node in ast.walk(value)):
        return []
    return [
        node.value
        for node in ast.walk(value)
        if isinstance(node, ast.Constant) and type(node.value) in (int, float, complex)
    ]


def names_of(node):
    """The names in capitals that an assignment of a module binds."""
    targets = [e for t in node.targets for e in (t.elts if isinstance(t, ast.Tuple) else [t])]
    names = [target.id for target in targets if isinstance(target, ast.Name)]
    return names if all(name.lstrip("_").isupper() for name in names) else []


def test_every_number_of_a_module_has_a_comment_or_a_docstring(sources):
    """Beside it, within it, or above the paragraph that it stands in: what it is, and where it comes from."""
    bare = []
    for path, text in sources.items():
        lines, body = text.splitlines(), ast.parse(text).body
        comments = {
            t.start[0] for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT
        }
        for node, after in zip(body, [*body[1:], None], strict=True):
            if not isinstance(node, ast.Assign) or not names_of(node) or not numbers_in(node.value):
                continue
            first = node.lineno
            while first > 1 and lines[first - 2].strip():
                first -= 1
            documented = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant)
            if not documented and not comments & set(range(first, node.end_lineno + 1)):
                bare.append(f"{path}:{node.lineno} {', '.join(names_of(node))}")
    assert bare == []


def test_no_parameter_is_a_tuple_of_more_than_two_things(sources):
    """Coordinates and sizes are; what is of several kinds has names, in a dataclass or as parameters."""
    packed = []
    for path, text in sources.items():
        for function in ast.walk(ast.parse(text)):
            if not isinstance(function, ast.FunctionDef) or function.name == "_in_blocks":  # of `trace`: to be parted
                continue
            for parameter in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs):
                note = parameter.annotation
                if isinstance(note, ast.Constant) and isinstance(note.value, str):
                    note = ast.parse(note.value, mode="eval").body
                if (
                    isinstance(note, ast.Subscript)
                    and isinstance(note.slice, ast.Tuple)
                    and ast.unparse(note.value) == "tuple"
                ):
                    kinds = {ast.unparse(part) for part in note.slice.elts} - {"..."}
                    if len(note.slice.elts) > 2 and (len(kinds) > 1 or not kinds <= {"int", "float", "str", "slice"}):
                        packed.append(f"{path}:{function.lineno} {function.name}({parameter.arg})")
    assert packed == []
