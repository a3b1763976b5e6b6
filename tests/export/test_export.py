"""Trees in other formats: what other programs read is the tree that was written."""

import json
from importlib.util import find_spec
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from click.testing import CliRunner

from neurorecon.cli import main
from neurorecon.core.errors import InputError, MissingExtraError, OutputError
from neurorecon.core.geometry import VoxelSize
from neurorecon.core.tree import Tree
from neurorecon.export import FORMATS, Scale, export_tree
from neurorecon.swc import write_swc

SIZE = VoxelSize(1.0, 0.5, 0.5)


@pytest.fixture(scope="module")
def tree():
    """A soma with an axon that forks in three, a dendrite, and a piece apart; in um."""
    rng = np.random.default_rng(3)
    parent = np.array([-1, 0, 1, 2, 3, 3, 3, 6, 0, 8, -1, 10])
    kind = np.array([1, 2, 2, 2, 2, 2, 2, 2, 3, 3, 0, 0])
    xyz = np.zeros((12, 3))
    for row, up in enumerate(parent):
        xyz[row] = (xyz[up] if up >= 0 else (40, 30, 20)) + rng.uniform(1, 4, 3).round(2)
    return Tree(xyz, np.r_[3.0, np.linspace(1, 0.2, 11).round(2)], parent, kind)


def edges_of(xyz, parent):
    return {(tuple(np.round(xyz[up], 2)), tuple(np.round(xyz[row], 2))) for row, up in enumerate(parent) if up >= 0}


def test_navis_reads_precomputed_skeletons_in_nanometres(tree, tmp_path):
    navis = pytest.importorskip("navis")
    export_tree(tree, "neuroglancer", tmp_path / "cell.precomputed")
    read = navis.read_precomputed(str(tmp_path / "cell.precomputed" / "1"), datatype="skeleton")
    nodes = (read[0] if isinstance(read, navis.NeuronList) else read).nodes
    nodes = nodes.sort_values("node_id")
    found = {tuple(row) for row in np.round(nodes[["x", "y", "z"]].to_numpy(float) / 1000, 2).tolist()}
    assert found == {tuple(row) for row in np.round(tree.xyz, 2).tolist()}
    assert np.allclose(nodes["radius"].to_numpy() / 1000, tree.radius, atol=1e-4)


def test_precomputed_bytes_are_those_of_the_specification(tree, tmp_path):
    export_tree(tree, "neuroglancer", tmp_path / "cell.precomputed")
    info = json.loads((tmp_path / "cell.precomputed" / "info").read_text())
    assert info["@type"] == "neuroglancer_skeletons"
    raw = (tmp_path / "cell.precomputed" / "1").read_bytes()
    n, e = np.frombuffer(raw, "<u4", 2)
    assert (n, e) == (12, 10)
    assert len(raw) == 8 + 12 * n + 8 * e + 4 * n
    points = np.frombuffer(raw, "<f4", 3 * n, 8).reshape(n, 3)
    edges = np.frombuffer(raw, "<u4", 2 * e, 8 + 12 * n).reshape(e, 2)
    assert np.allclose(points / 1000, tree.xyz, atol=1e-4)
    assert {(int(a), int(b)) for a, b in edges} == {(int(u), k) for k, u in enumerate(tree.parent) if u >= 0}


def test_nml_has_voxels_their_size_and_the_ids_of_the_swc(tree, tmp_path):
    export_tree(tree, "nml", tmp_path / "cell.nml", scale=Scale(SIZE), name='a "cell" <1>')
    things = ET.parse(tmp_path / "cell.nml").getroot()
    scale = things.find("parameters/scale")
    edges_nm = np.array([float(scale.get(axis)) for axis in "xyz"])
    assert edges_nm.tolist() == [500, 500, 1000]
    assert len(things.findall("thing")) == 2
    for node in things.iter("node"):
        place = np.array([float(node.get(axis)) for axis in "xyz"]) * edges_nm / 1000
        assert np.allclose(place, tree.xyz[int(node.get("id")) - 1], atol=1e-3)
    links = {(int(edge.get("source")) - 1, int(edge.get("target")) - 1) for edge in things.iter("edge")}
    assert links == {(int(up), row) for row, up in enumerate(tree.parent) if up >= 0}


def test_nml_places_a_node_of_a_whole_brain_as_well(tmp_path):
    tree = Tree(
        np.array([[1_234_567.25, 123_456.75, 12.5], [1_234_568.5, 123_457.25, 12.5]]), np.ones(2), [-1, 0], [], "voxel"
    )
    export_tree(tree, "nml", tmp_path / "cell.nml", scale=Scale(SIZE))
    nodes = ET.parse(tmp_path / "cell.nml").getroot().iter("node")
    assert np.array_equal([[float(node.get(axis)) for axis in "xyz"] for node in nodes], tree.xyz)


@pytest.mark.filterwarnings("ignore:The inplace keyword:Warning")  # navis of pandas
def test_navis_reads_the_nml(tree, tmp_path):
    navis = pytest.importorskip("navis")
    neuron = tree.split()[0]  # it reads one tree of a file
    export_tree(neuron, "nml", tmp_path / "cell.nml", scale=Scale(SIZE))
    read = navis.read_nml(str(tmp_path / "cell.nml"))
    nodes = (read[0] if isinstance(read, navis.NeuronList) else read).nodes.sort_values("node_id")
    assert np.allclose(nodes[["x", "y", "z"]].to_numpy() * (0.5, 0.5, 1.0), neuron.xyz, atol=1e-3)
    assert nodes["node_id"].tolist() == list(range(1, 11))


def test_morphio_reads_the_asc(tree, tmp_path):
    morphio = pytest.importorskip("morphio")
    neuron = tree.split()[0]
    export_tree(neuron, "neurolucida", tmp_path / "cell.asc")
    read = morphio.Morphology(str(tmp_path / "cell.asc"))
    assert len(read.soma.points) >= 16
    assert np.allclose(read.soma.points.mean(0), neuron.xyz[0], atol=1e-3)
    assert len(read.root_sections) == 2
    assert sorted(int(section.type) for section in read.root_sections) == [2, 3]
    places = {tuple(np.round(point, 2)) for section in read.sections for point in section.points.tolist()}
    assert places == {tuple(point) for point in np.round(neuron.xyz[1:], 2).tolist()}
    cable = sum(np.linalg.norm(np.diff(section.points, axis=0), axis=1).sum() for section in read.sections)
    inner = neuron.edge_length[neuron.parent > 0].sum()
    assert cable == pytest.approx(inner, rel=1e-4)
    fork = [section for section in read.sections if len(section.children) == 3]
    assert len(fork) == 1


def test_a_soma_of_several_nodes_is_no_dendrite_in_the_asc_and_a_change_of_kind_is_said(tmp_path, caplog):
    """As NeuroMorpho writes a soma: three nodes of type 1."""
    xyz = np.array([[0, 0, 0], [0, 2, 0], [0, -2, 0], [3, 0, 0], [4, 0, 0], [0, -4, 0], [5, 0, 0]], float)
    parent, kind = np.array([-1, 0, 0, 0, 3, 2, 4]), np.array([1, 1, 1, 3, 3, 2, 0])
    export_tree(Tree(xyz, np.full(7, 0.5), parent, kind, "um"), "neurolucida", tmp_path / "cell.asc")
    text = (tmp_path / "cell.asc").read_text()
    assert [text.count(word) for word in ("CellBody)", "(Dendrite)", "(Axon)")] == [1, 1, 1]
    assert "(0.0000 2.0000" not in text
    assert not caplog.records  # undefined neurites are dendrites there
    export_tree(
        Tree(xyz, np.full(7, 0.5), parent, np.array([1, 1, 1, 3, 2, 2, 2]), "um"), "neurolucida", tmp_path / "two.asc"
    )
    assert "changes of the kind along it are lost (1)" in caplog.text


def test_ids_that_are_not_kept_are_said(tmp_path):
    swc = tmp_path / "cell.swc"
    swc.write_text("# units: um\n10 1 0 0 0 2 -1\n20 3 3 0 0 0.5 10\n15 3 4 0 0 0.5 20\n")
    run = lambda kind: CliRunner().invoke(main, ["export", str(swc), "--to", kind, "--voxel-size", "1,1,1"])  # noqa: E731
    assert "numbered anew" in run("nml").stderr
    assert "numbered anew" not in run("obj").stderr


def test_depth_of_a_tree_does_not_matter_to_the_asc(tmp_path):
    """Every node forks: lists within lists, 3,000 deep."""
    n = 6001
    parent = np.array([-1, *(2 * ((row - 1) // 2) for row in range(1, n))])
    deep = Tree(np.random.default_rng(1).uniform(0, 99, (n, 3)), np.ones(n), parent)
    export_tree(deep, "neurolucida", tmp_path / "deep.asc")
    text = (tmp_path / "deep.asc").read_text()
    assert text.count("(") == text.count(")")


def test_tubes_enclose_the_volume_of_their_cylinders(tmp_path):
    trimesh = pytest.importorskip("trimesh")
    points = np.stack([np.arange(0, 41, 2.0), np.zeros(21), np.zeros(21)], axis=1)
    straight = Tree(points, np.full(21, 2.0), np.arange(-1, 20))
    export_tree(straight, "obj", tmp_path / "tube.obj")
    mesh = trimesh.load(tmp_path / "tube.obj", force="mesh", process=False)
    octagon = 0.5 * 8 * 2.0**2 * np.sin(2 * np.pi / 8)
    assert mesh.is_watertight
    assert mesh.volume == pytest.approx(40 * octagon, rel=1e-3)
    assert mesh.bounds[:, 0].tolist() == [0, 40]


def test_parquet_is_a_table_of_nodes_or_says_what_is_missing(tree, tmp_path):
    if not find_spec("pyarrow"):
        with pytest.raises(MissingExtraError, match=r"not installed: pip install pyarrow$"):  # one short line
            export_tree(tree, "parquet", tmp_path / "cell.parquet")
        assert not list(tmp_path.iterdir())
        return
    import pandas as pd

    export_tree(tree, "parquet", tmp_path / "cell.parquet")
    table = pd.read_parquet(tmp_path / "cell.parquet")
    assert np.array_equal(table[["x", "y", "z"]].to_numpy(), tree.xyz)
    assert table["parent"].tolist() == [up + 1 if up >= 0 else -1 for up in tree.parent]


@pytest.mark.parametrize("kind", ["neuroglancer", "neurolucida", "nml"])
def test_format_in_another_unit_needs_the_voxel_size(tree, tmp_path, kind):
    voxels = Tree(tree.xyz, tree.radius, tree.parent, tree.type, "voxel")
    with pytest.raises(InputError, match="give --voxel-size"):
        export_tree(voxels, kind, tmp_path / "cell")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["a\x01b", "\udcb5_1", "<&'\">"])
@pytest.mark.parametrize("kind", ["nml", "neuroml", "neurolucida", "obj"])
def test_a_file_of_any_name_gives_text_that_can_be_read(tree, tmp_path, kind, name):
    path = tmp_path / f"out{FORMATS[kind]}"
    export_tree(tree, kind, path, scale=Scale(SIZE), name=name)
    text = path.read_text(encoding="utf-8")
    assert all(char.isprintable() for char in text if char != "\n")
    if kind in ("nml", "neuroml"):
        ET.fromstring(text)


def test_a_folder_of_skeletons_is_replaced_when_asked_for_and_no_other_folder(tree, tmp_path):
    place, other = tmp_path / "out.precomputed", tmp_path / "mine"
    export_tree(tree, "neuroglancer", place)
    (place / "77").write_bytes(b"of an earlier result")
    with pytest.raises(OutputError, match=r"out\.precomputed: exists already; give another name or --overwrite"):
        export_tree(tree, "neuroglancer", place)
    export_tree(tree, "neuroglancer", place, overwrite=True)
    assert sorted(path.name for path in place.iterdir()) == ["1", "info", "properties"]
    other.mkdir()
    for name, text in (("photo.jpg", "mine"), ("info", "[1]"), ("info", "{")):
        (other / name).write_text(text)
        with pytest.raises(OutputError, match="mine: is a folder of something else than skeletons; give another name"):
            export_tree(tree, "neuroglancer", other, overwrite=True)
    assert (other / "photo.jpg").read_text() == "mine"
    with pytest.raises(OutputError, match="is a directory; give a file name"):
        export_tree(tree, "obj", other, overwrite=True)


def test_command_takes_the_voxel_size_of_the_record_and_overwrites_nothing(tree, tmp_path):
    write_swc(tree, tmp_path / "cell_2.swc")
    run = lambda *more: CliRunner().invoke(main, ["export", str(tmp_path / "cell_2.swc"), *more])  # noqa: E731
    assert run("--to", "nml").exit_code == 2
    (tmp_path / "cell.json").write_text(json.dumps({"input": {"voxel_size_zyx_um": [1, 0.5, 0.5]}}))
    result = run("--to", "nml")
    assert result.exit_code == 0, result.output
    assert result.stdout == f"wrote {tmp_path / 'cell_2.nml'}\n"
    assert run("--to", "nml").exit_code == 2
    assert run("--to", "nml", "--overwrite").exit_code == 0
    result = run("--to", "swc")
    assert result.exit_code == 2
    assert ", ".join(FORMATS) in result.stderr
    with pytest.raises(OutputError):
        export_tree(tree, "obj", tmp_path / "none" / "cell.obj")


NEUROML = "{http://www.neuroml.org/schema/neuroml2}"


def segments_of(cell):
    """Segments by their ids: where each begins and ends (x, y, z, diameter), and its parent, by the rules of NeuroML."""
    found = {}
    for segment in cell.iter(f"{NEUROML}segment"):
        parent = segment.find(f"{NEUROML}parent")
        ends = []
        for what in ("proximal", "distal"):
            place = segment.find(f"{NEUROML}{what}")
            ends.append(None if place is None else tuple(float(place.get(k)) for k in ("x", "y", "z", "diameter")))
        up = None if parent is None else int(parent.get("segment"))
        if ends[0] is None:
            ends[0] = found[up][1]
        found[int(segment.get("id"))] = (*ends, up)
    return found


def test_neuroml_has_a_segment_for_each_edge_in_micrometres(tree, tmp_path):
    export_tree(tree, "neuroml", tmp_path / "cell.cell.nml", name='1 "cell" <ñ>')
    root = ET.parse(tmp_path / "cell.cell.nml").getroot()
    assert root.tag == f"{NEUROML}neuroml"
    assert root.get("id").isascii()
    assert root.get("id").isidentifier()
    cells = root.findall(f"{NEUROML}cell")
    assert len(cells) == 2
    assert len({cell.get("id") for cell in cells}) == 2
    found = segments_of(cells[0]) | segments_of(cells[1])
    assert set(found) == {row + 1 for row in range(12)} - {
        11
    }  # node 11 is a root and no soma: it is no edge's lower end
    for row, up in enumerate(tree.parent):
        if row == 10:
            continue
        begin, end, parent = found[row + 1]
        assert np.allclose(end, [*tree.xyz[row], 2 * tree.radius[row]], atol=1e-3)
        if up >= 0:
            assert np.allclose(begin[:3], tree.xyz[up], atol=1e-3)
        assert parent == (up + 1 if up >= 0 and up != 10 else None)
    assert found[1][0] == found[1][1]  # a soma is a sphere
    assert found[2][0][3] == pytest.approx(2 * tree.radius[1], abs=1e-3)  # a neurite does not begin as wide as its soma


def test_neuroml_groups_segments_by_kind(tree, tmp_path):
    export_tree(tree, "neuroml", tmp_path / "cell.cell.nml")
    cell = ET.parse(tmp_path / "cell.cell.nml").getroot().find(f"{NEUROML}cell")
    found = {
        group.get("neuroLexId"): {int(one.get("segment")) for one in group}
        for group in cell.iter(f"{NEUROML}segmentGroup")
    }
    assert found == {"GO:0043025": {1}, "GO:0030424": set(range(2, 9)), "GO:0030425": {9, 10}}


def test_neuroml_of_a_root_that_forks_begins_all_branches_there(tmp_path):
    tree = Tree(np.array([[0, 0, 0], [5, 0, 0], [0, 5, 0]], float), np.ones(3), np.array([-1, 0, 0]), np.zeros(3, int))
    export_tree(tree, "neuroml", tmp_path / "cell.cell.nml")
    cell = ET.parse(tmp_path / "cell.cell.nml").getroot().find(f"{NEUROML}cell")
    assert segments_of(cell) == {2: ((0, 0, 0, 2), (5, 0, 0, 2), None), 3: ((0, 0, 0, 2), (0, 5, 0, 2), 2)}
    parent = cell.findall(f".//{NEUROML}segment")[1].find(f"{NEUROML}parent")
    assert float(parent.get("fractionAlong")) == 0


def test_library_of_neuroml_reads_and_validates_it(tree, tmp_path):
    loaders = pytest.importorskip("neuroml.loaders")
    utils = pytest.importorskip("neuroml.utils")
    export_tree(tree, "neuroml", tmp_path / "cell.cell.nml")
    utils.validate_neuroml2(str(tmp_path / "cell.cell.nml"))
    document = loaders.NeuroMLLoader.load(str(tmp_path / "cell.cell.nml"))
    length = sum(cell.get_segment_length(s.id) for cell in document.cells for s in cell.morphology.segments)
    assert length == pytest.approx(tree.cable_length, abs=0.01)
