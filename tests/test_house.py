"""What a newcomer can rely on in every file, and no import contract can say."""

import ast
import io
import re
import tokenize
from collections import defaultdict

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


# Words by which a comment says where a number comes from: a paper, a benchmark or a test, a data set, a convention.
SOURCE = re.compile(
    r"\b(1[89]|20)\d\d\b|benchmarks/|tests/|docs/|METRICS|RFC|Gold166|chosen|measured|set by hand|training neurons"
    r"|real (stacks|morphologies)|convention|by definition|facts of|raised when|exit code",
    re.IGNORECASE,
)


def numbers_of_modules(text):
    """Yield each numeric constant of a module: line, names, the comment of its own, and that with those above it.

    Its own comment stands beside it, within it, on the lines directly above it, or is the docstring below it. A comment
    that opens its paragraph, or a part of it, holds for the numbers below.
    """
    lines, body = text.splitlines(), ast.parse(text).body
    comments = {
        t.start[0]: t.string for t in tokenize.generate_tokens(io.StringIO(text).readline) if t.type == tokenize.COMMENT
    }
    for node, after in zip(body, [*body[1:], None], strict=True):
        if not isinstance(node, ast.Assign) or not names_of(node) or not numbers_in(node.value):
            continue
        first = node.lineno
        while first > 1 and lines[first - 2].strip():
            first -= 1
        whole = [row for row in range(first, node.lineno) if lines[row - 1].startswith("#")]
        own = [row for row in range(node.lineno, node.end_lineno + 1) if row in comments]
        row = node.lineno - 1
        while row in whole:
            own.append(row)
            row -= 1
        said = [comments[row] for row in own]
        if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
            said.append(str(after.value.value))
        yield node.lineno, names_of(node), " ".join(said), " ".join([*said, *(comments[row] for row in whole)])


def test_every_number_of_a_module_has_a_comment_of_its_own(sources):
    """What it is; a sentence for the whole paragraph is not enough."""
    bare = [
        f"{path}:{line} {', '.join(names)}"
        for path, text in sources.items()
        for line, names, own, _ in numbers_of_modules(text)
        if not own
    ]
    assert bare == []


def test_every_number_of_a_module_says_where_it_comes_from(sources):
    """A paper, a benchmark, data, a convention, or that it was set by hand: in its comment or at the head of its paragraph."""
    unknown = [
        f"{path}:{line} {', '.join(names)}"
        for path, text in sources.items()
        for line, names, _, whole in numbers_of_modules(text)
        if not SOURCE.search(whole)
    ]
    assert unknown == []


def test_no_parameter_is_a_tuple_of_more_than_two_things(sources):
    """Coordinates and sizes are; what is of several kinds has names, in a dataclass or as parameters."""
    packed = []
    for path, text in sources.items():
        for function in ast.walk(ast.parse(text)):
            if not isinstance(function, ast.FunctionDef):
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


def test_a_name_of_an_array_type_means_one_type_in_all_files(sources):
    """`Floats` of float32 in one file and of float64 in the next are read as one thing, and are two."""
    types = defaultdict(lambda: defaultdict(list))
    for path, text in sources.items():
        for node in ast.parse(text).body:
            value = node.value if isinstance(node, ast.Assign) else None
            if isinstance(value, ast.Subscript) and ast.unparse(value.value) == "NDArray":
                types[node.targets[0].id][ast.unparse(value.slice)].append(path)
    assert {name: dict(kinds) for name, kinds in types.items() if len(kinds) > 1} == {}


FREE = {"__init__", "__main__", "settings"}  # names that any package may use

# Libraries that one place alone imports: what their next version breaks is found there.
HOMES = {
    "bioio": ("io/formats/extra_formats.py",),
    "dask_jobqueue": ("batch/engines/",),
    "distributed": ("batch/engines/",),
    "h5py": ("io/formats/imaris",),
    "napari": ("napari_plugin/",),
    "nibabel": ("io/formats/nifti.py",),
    "nrrd": ("io/formats/nrrd_format.py",),
    "numba": ("tracing/kernels/compiled.py", "io/formats/pbd_check.py"),
    "qtpy": ("napari_plugin/",),
    "tifffile": ("io/formats/tiff/",),
    "v3dpy": ("io/formats/vaa3d.py",),
    "zarr": ("io/formats/zarr/", "synth/brain_write.py"),
}


def test_a_name_of_a_file_stands_for_one_file(sources):
    files = defaultdict(list)
    for path in sources:
        files[path.rpartition("/")[2].removesuffix(".py")].append(path)
    assert {name: paths for name, paths in files.items() if len(paths) > 1 and name not in FREE} == {}


def test_no_module_has_the_name_of_what_its_package_gives(sources):
    """Else `import neurorecon.package.name` gives the function in place of the module."""
    hidden = []
    for path, text in sources.items():
        folder, _, name = path.rpartition("/")
        if name == "__init__.py":
            given = {a.asname or a.name for n in ast.parse(text).body if isinstance(n, ast.ImportFrom) for a in n.names}
            hidden += [f"{folder}/{one}.py" for one in sorted(given) if f"{folder}/{one}.py" in sources]
            hidden += [f"{folder}/{one}" for one in sorted(given) if f"{folder}/{one}/__init__.py" in sources]
    assert hidden == []


@pytest.mark.parametrize("library", HOMES)
def test_a_library_is_imported_in_its_home_alone(sources, library):
    strangers = []
    for path, text in sources.items():
        for node in ast.walk(ast.parse(text)):
            names = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.partition(".")[0] == library for name in names):
                strangers += [] if path.removeprefix("neurorecon/").startswith(HOMES[library]) else [path]
    assert sorted(set(strangers)) == []


def test_no_call_of_our_own_has_more_than_five_arguments_without_names(sources):
    """Except of kernels, which are compiled and called by position, and of functions that take any number."""
    own = set()
    for path, text in sources.items():
        for node in ast.parse(text).body:
            taken = isinstance(node, ast.ClassDef) or (isinstance(node, ast.FunctionDef) and node.args.vararg is None)
            own |= {node.name} if taken and "kernels" not in path else set()
    long = [
        f"{path}:{node.lineno} {node.func.id}"
        for path, text in sources.items()
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Name)
        and node.func.id in own
        and len(node.args) > 5
        and not any(isinstance(argument, ast.Starred) for argument in node.args)
    ]
    assert long == []
