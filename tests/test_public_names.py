"""The names that users import, pinned: one that goes or comes is a decision."""

import ast
import importlib
import inspect
import subprocess
import sys

import pytest

import neurorecon

NAMES = [
    "NeuroreconError",
    "NoNeuronError",
    "Probability",
    "ReconstructSettings",
    "Reconstruction",
    "SegmentSettings",
    "Stack",
    "SynthSettings",
    "TraceSettings",
    "Tree",
    "VoxelSize",
    "__version__",
    "evidence_of",
    "list_models",
    "load_model",
    "morphometrics",
    "read_probability",
    "read_stack",
    "read_swc",
    "reconstruct",
    "score_masks",
    "score_trees",
    "segment",
    "synthesize",
    "trace",
    "validate_swc",
    "with_kinds",
    "write_stack",
    "write_swc",
]


def test_public_names_are_these_and_sorted():
    assert neurorecon.__all__ == NAMES == sorted(NAMES)
    assert dir(neurorecon) == NAMES


def test_typed_names_are_the_public_names(root):
    stub = ast.parse((root / "neurorecon" / "__init__.pyi").read_text())
    imported = {
        alias.asname or alias.name for node in stub.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    declared = next(node.value for node in stub.body if isinstance(node, ast.Assign))
    assert ast.literal_eval(declared) == NAMES
    assert imported | {"__version__"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_public_name_is_there_with_a_docstring(name):
    thing = getattr(neurorecon, name)
    if name != "__version__":
        assert inspect.isclass(thing) or inspect.isfunction(thing)
        assert thing.__name__ == name
        assert inspect.getdoc(thing)


@pytest.mark.parametrize(("name", "package"), [("segment", "segmentation"), ("trace", "tracing")])
def test_a_stage_is_the_function_of_its_package(name, package):
    floor = importlib.import_module(f"neurorecon.{package}")
    assert inspect.ismodule(floor)
    assert getattr(neurorecon, name) is getattr(floor, name)
    assert inspect.isfunction(getattr(neurorecon, name))


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'retrace'"):
        neurorecon.retrace  # noqa: B018


def test_import_loads_no_array_library():
    code = "import sys, neurorecon; print([m for m in ('numpy', 'torch', 'click', 'navis') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_reading_a_stack_loads_no_torch(tmp_path):
    code = (
        "import sys, numpy, neurorecon; numpy.save(sys.argv[1], numpy.zeros((4, 5, 6), numpy.uint8));"
        "print(neurorecon.read_stack(sys.argv[1]).shape, 'torch' in sys.modules, 'navis' in sys.modules)"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "a.npy")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert done.stdout == "(4, 5, 6) False False\n"
