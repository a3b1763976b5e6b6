"""The manifest and the header lines: complete, plain JSON, and the same from run to run apart from times."""

import dataclasses
import json
from dataclasses import dataclass

import numpy as np

import neurorecon
from neurorecon.core.findings import StackFinding
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.settings import from_dict
from neurorecon.core.stack import Stack
from neurorecon.core.tree import Tree
from neurorecon.report import CHECKS, Command, Provenance, build_manifest, predicted_f1, provenance_lines
from neurorecon.report.manifest import confidence_summary


@dataclass
class Cost:
    name: str
    seconds: float
    peak_bytes: int


TREE = Tree(
    np.array([[0, 0, 0], [1, 0, 0], [4, 0, 0]], float),
    np.ones(3),
    np.array([-1, 0, 1]),
    None,
    "um",
    np.array([1.0, 0.2, 0.8]),
)
STACK = Stack(np.zeros((2, 3, 4), np.uint16), VoxelSize(1, 0.5, 0.5), "raw/cell.tif", channel=1)


def provenance(**kwargs):
    settings = {
        "segment": {"model": "default", "tile": None},
        "trace": {"threshold": 0.5, "soma": []},
        "single_file": True,
    }
    known = {
        "input_sha256": "a" * 64,
        "model_name": "net",
        "model_sha256": "b" * 64,
        "device": "cpu",
        "settings": settings,
        "stages": (Cost("segment", 1.23456, 7),),
        "warnings": ("dim",),
    }
    return Provenance(**(known | kwargs))


def test_the_manifest_says_input_model_settings_costs_tree_and_warnings():
    manifest = build_manifest(TREE, STACK, provenance())
    assert manifest["input"] == {
        "path": "raw/cell.tif", "sha256": "a" * 64, "shape_zyx": [2, 3, 4], "dtype": "uint16",
        "voxel_size_zyx_um": [1, 0.5, 0.5], "channel": 1, "channel_name": "", "time": None, "inverted": False,
    }  # fmt: skip
    assert manifest["model"] == {"name": "net", "sha256": "b" * 64, "planes_for_one": 1, "voxels_as_one": [1, 1, 1]}
    assert manifest["settings"]["trace"]["threshold"] == 0.5
    assert manifest["stages"] == [{"name": "segment", "seconds": 1.235, "peak_bytes": 7}]
    assert manifest["tree"]["cable_length"] == 4
    assert manifest["tree"]["bridges"] is None
    assert set(manifest["tree"]["checks"]) == set(CHECKS)
    assert sum(manifest["tree"]["checks"].values()) == 0
    assert manifest["warnings"] == ["dim"]
    assert manifest["versions"]["neurorecon"] == neurorecon.__version__
    assert manifest["versions"]["numpy"] == np.__version__
    assert json.loads(json.dumps(manifest)) == manifest


def test_the_manifest_counts_bridges_and_findings(draw):
    tree = draw([(0, 0, 0), (90, 0, 0)], [(0, 50, 0), (30, 50, 0)], [(0, 0, 0), (0, 30, 0), (45, 30, 1), (45, -30, 1)])
    bridged = np.zeros(len(tree), bool)
    bridged[[10, 11, 20]] = True
    tree = dataclasses.replace(tree, bridged=bridged)
    said = build_manifest(tree, STACK, provenance())["tree"]
    assert said["bridges"] == {"count": 2, "length": 4.5}
    expected = {"thin-bridge": 2, "orphan": 1, "self-crossing": 1, "double-line": 0, "radius-jump": 0, "sharp-turn": 0}
    assert said["checks"] == expected


def test_the_manifest_holds_the_predicted_f1_and_null_where_nothing_can_be_predicted():
    said = build_manifest(TREE, STACK, provenance())["tree"]["predicted_f1"]
    assert said == predicted_f1(TREE)
    assert 0 < said < 1
    assert (
        build_manifest(dataclasses.replace(TREE, confidence=None), STACK, provenance())["tree"]["predicted_f1"] is None
    )


def test_the_manifest_says_how_the_result_was_made_where_a_command_made_it():
    made = Command("run", "/data/cell.tif", "net", VoxelSize(1, 0.5, 0.5), channel=1)
    assert build_manifest(TREE, STACK, provenance())["command"] is None
    said = json.loads(json.dumps(build_manifest(TREE, STACK, provenance(command=made))["command"]))
    assert from_dict(Command, said) == made


def test_two_manifests_differ_in_times_only():
    first = build_manifest(TREE, STACK, provenance())
    second = build_manifest(TREE, STACK, provenance(stages=(Cost("segment", 9.0, 8),)))
    for manifest in (first, second):
        del manifest["created"], manifest["stages"]
    assert first == second


def test_confidence_is_weighted_by_length_and_leaves_the_root_out():
    assert confidence_summary(TREE) == {"mean": 0.65, "minimum": 0.2, "share_below_0.5": 0.25}
    assert confidence_summary(Tree(TREE.xyz, TREE.radius, TREE.parent)) is None
    assert confidence_summary(TREE.take(np.array([0]))) is None


def test_header_lines_tell_where_the_tree_came_from_without_a_time():
    lines = provenance_lines(STACK, provenance())
    text = "\n".join(lines)
    assert lines[0].startswith(f"made by: neurorecon {neurorecon.__version__} (Python ")
    for part in ("input: raw/cell.tif", "a" * 64, "voxel size (z, y, x): 1, 0.5, 0.5 um", "channel: 1", "model: net"):
        assert part in text
    assert lines[-1] == "settings: segment.model=default trace.threshold=0.5 single_file=True"
    assert "created" not in text
    assert "segment.tile" not in text


def test_header_lines_say_what_is_unknown_and_leave_out_what_there_is_not():
    stack = Stack(np.zeros((2, 3, 4), np.uint8))
    lines = provenance_lines(stack, Provenance(input="x.tif", input_sha256="c"))
    assert "voxel size (z, y, x): unknown" in lines
    assert not [line for line in lines if line.startswith(("model", "device", "settings", "channel"))]


def test_findings_of_the_input_stand_in_the_record_with_name_and_way_out():
    odd = StackFinding("missing-planes", "warning", "2 planes are missing", "copy them")
    note = StackFinding("exact-zeros", "note", "30% of the voxels are exactly 0")
    manifest = build_manifest(TREE, dataclasses.replace(STACK, findings=(odd, note)), Provenance(warnings=("other",)))
    assert manifest["findings"] == [
        {"name": "missing-planes", "level": "warning", "text": "2 planes are missing", "way_out": "copy them"},
        {"name": "exact-zeros", "level": "note", "text": "30% of the voxels are exactly 0", "way_out": ""},
    ]
    assert manifest["warnings"] == ["2 planes are missing; copy them", "other"]


def test_cable_counts_as_doubtful_below_one_half():
    sure = np.array([0.9, 0.4, 0.45, 0.55, 0.6])
    tree = Tree(np.c_[np.arange(5.0), np.zeros((5, 2))], np.ones(5), np.arange(5) - 1, confidence=sure)
    assert confidence_summary(tree) == {"mean": 0.5, "minimum": 0.4, "share_below_0.5": 0.5}
