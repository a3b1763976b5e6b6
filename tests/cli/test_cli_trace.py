"""`neurorecon trace`: a probability or a grey stack becomes SWC, or is refused and nothing written."""

import csv
import re
import subprocess
import sys

import numpy as np
import pytest
import tifffile

from neurorecon import Stack, VoxelSize, read_swc, validate_swc, write_stack
from neurorecon.core.files import hash_path
from neurorecon.core.filled import Filled
from neurorecon.core.geometry import xyz_to_zyx
from neurorecon.io import ShardedImage
from neurorecon.report import checks, outputs


@pytest.fixture
def probability_file(tmp_path, y_stack):
    path = tmp_path / "probability.tif"
    data = ((np.asarray(y_stack.data).astype(int) - 10) * 255 // 200).astype(np.uint8)
    metadata = {"axes": "ZYX", "spacing": 0.5, "unit": "um"}
    tifffile.imwrite(path, data, imagej=True, resolution=(2.0, 2.0), metadata=metadata)
    return path


@pytest.fixture
def two_file(tmp_path):
    """Two parallel bars that have nothing to do with each other, each with a ball at one end; voxel size unknown."""
    z, y, x = np.meshgrid(*map(np.arange, (24, 64, 64)), indexing="ij")
    data = np.zeros(z.shape, np.uint8)
    for row in (12, 52):
        data[(abs(z - 12) <= 1) & (abs(y - row) <= 1) & (x >= 10) & (x <= 56)] = 255
        data[(z - 12) ** 2 + (y - row) ** 2 + (x - 10) ** 2 <= 36] = 255
    path = tmp_path / "two.tif"
    tifffile.imwrite(path, data, photometric="minisblack")
    return path


def test_probability_becomes_a_valid_tree_in_micrometres(neurorecon, probability_file, y_tree, tmp_path):
    out = tmp_path / "y.swc"
    result = neurorecon("trace", probability_file, "-o", out)
    assert result.exit_code == 0, result.output
    tree = read_swc(out)
    assert tree.unit == "um"
    assert len(tree.roots) == 1
    assert tree.cable_length == pytest.approx(0.5 * y_tree.cable_length, rel=0.15)
    assert validate_swc(out) == []
    assert re.search(r"wrote .*y\.swc: \d+ nodes, \d+ um of cable, \d+ tips", result.stdout)
    assert f"wrote {tmp_path / 'y.html'}: open it in a browser" in result.stdout


def listed(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_the_review_list_stands_beside_the_tree_and_covers_it(neurorecon, probability_file, tmp_path):
    neurorecon("trace", probability_file, "-o", tmp_path / "y.swc")
    rows = listed(tmp_path / "y.review.csv")
    assert sum(float(row["length"]) for row in rows) == pytest.approx(
        read_swc(tmp_path / "y.swc").cable_length, abs=0.01
    )
    assert {row["file"] for row in rows} == {"y.swc"}


def test_a_neurite_that_fades_is_listed_as_missing_when_that_is_asked_for(neurorecon, tmp_path):
    data = np.zeros((24, 40, 130), np.uint8)
    data[10:15, 18:23, 6:80] = 240
    data[10:15, 18:23, 80:120] = 64  # a quarter: no foreground for the tracer
    tifffile.imwrite(tmp_path / "p.tif", data, imagej=True, metadata={"axes": "ZYX"})
    for name, more in (("plain", ()), ("more", ("--missing", "0"))):
        result = neurorecon("trace", tmp_path / "p.tif", "-o", tmp_path / f"{name}.swc", "--no-page", *more)
        assert result.exit_code == 0, result.output
    (row,) = [row for row in listed(tmp_path / "more.review.csv") if row["reason"] == "missing"]
    assert float(row["x"]) == pytest.approx(119, abs=4)
    assert not [row for row in listed(tmp_path / "plain.review.csv") if row["way"]]
    nodes = [
        [line for line in (tmp_path / f"{name}.swc").read_text().splitlines() if not line.startswith("#")]
        for name in ("plain", "more")
    ]
    assert nodes[0] == nodes[1]


def test_a_review_list_that_exists_is_kept_unless_told(neurorecon, probability_file, tmp_path):
    (tmp_path / "y.review.csv").write_text("precious")
    result = neurorecon("trace", probability_file, "-o", tmp_path / "y.swc")
    assert result.exit_code == 2
    assert "y.review.csv" in result.stderr
    assert not (tmp_path / "y.swc").exists()
    assert (tmp_path / "y.review.csv").read_text() == "precious"
    result = neurorecon("trace", probability_file, "-o", tmp_path / "y.swc", "--overwrite")
    assert result.exit_code == 0, result.output
    assert listed(tmp_path / "y.review.csv")[0]["rank"] == "1"


def test_a_page_stands_beside_the_tree_unless_it_is_declined(neurorecon, probability_file, tmp_path):
    result = neurorecon("trace", probability_file, "-o", tmp_path / "y.swc", "--no-page")
    assert result.exit_code == 0, result.output
    assert "browser" not in result.stdout
    assert not (tmp_path / "y.html").exists()
    (tmp_path / "z.html").write_text("precious")
    assert neurorecon("trace", probability_file, "-o", tmp_path / "z.swc").exit_code == 2
    assert (tmp_path / "z.html").read_text() == "precious"
    result = neurorecon("trace", probability_file, "-o", tmp_path / "z.swc", "--overwrite")
    assert result.exit_code == 0, result.output
    assert '"sha256":"' + hash_path(tmp_path / "z.swc") in (tmp_path / "z.html").read_text()


@pytest.mark.parametrize("arguments", [(), ("--units", "voxel"), ("--stack",), ("--stack", "--units", "voxel")])
def test_the_page_of_a_map_with_planes_between_shows_tree_and_stack_in_one_frame(
    neurorecon, tmp_path, monkeypatch, arguments
):
    stack, shown = np.zeros((20, 40, 90), np.uint8), []
    for z in range(20):
        x = 4 * z + 6
        stack[max(z - 1, 0) : z + 2, 18:23, x - 4 : x + 5] = 240  # a neurite that climbs from corner to corner
    map_ = Filled(stack, 2)[:]
    image = ShardedImage.of(map_.shape, VoxelSize(0.5, 0.5, 0.5), (64, 64, 128))
    image.write_block(tmp_path / "map.ome.zarr", (0, 0, 0), map_)
    about = {"map": "neurite", "planes": 2, "voxels_as_one": [1, 1, 1], "faint": 0.7, "certain": 0.6}
    image.write_metadata(tmp_path / "map.ome.zarr", name="map", about=about)
    write_stack(Stack(stack, VoxelSize(1.0, 0.5, 0.5)), tmp_path / "stack.tif")
    given = [part for word in arguments for part in ((word, tmp_path / "stack.tif") if word == "--stack" else (word,))]
    monkeypatch.setattr("neurorecon.page.write_page", lambda content, *_, **__: shown.append(content))
    result = neurorecon("trace", tmp_path / "map.ome.zarr", "-o", tmp_path / "y.swc", *given)
    assert result.exit_code == 0, result.output
    (content,) = shown
    assert content.volume.shape[0] * content.voxel_size.z == pytest.approx(20, abs=0.6)  # um
    zyx = xyz_to_zyx(content.tree.xyz, content.voxel_size if content.tree.unit == "um" else None)
    light = np.asarray(content.volume[:, :, :])[tuple(np.rint(zyx).astype(int).T)]
    assert (light > 0).all()  # each node lies in the neurite that is shown


def test_header_says_unit_input_and_settings(neurorecon, probability_file, tmp_path):
    neurorecon("trace", probability_file, "-o", tmp_path / "y.swc", "--units", "voxel", "--threshold", "0.4")
    header = [line for line in (tmp_path / "y.swc").read_text().splitlines() if line.startswith("#")]
    assert "# units: voxel" in header
    assert any("probability.tif" in line for line in header)
    assert any("trace.threshold=0.4" in line for line in header)


def test_grey_stack_is_traced_with_raw(neurorecon, y_file, y_tree, tmp_path):
    result = neurorecon("trace", y_file, "-o", tmp_path / "y.swc", "--raw", "--units", "voxel")
    assert result.exit_code == 0, result.output
    assert read_swc(tmp_path / "y.swc").cable_length == pytest.approx(y_tree.cable_length, rel=0.2)


@pytest.fixture
def two_lights(tmp_path):
    """A probability of a neurite with two like side branches, and a grey stack in which one of them is faint."""
    z, y, x = np.meshgrid(*map(np.arange, (16, 64, 80)), indexing="ij")
    middle = abs(z - 8) <= 1
    trunk = middle & (abs(y - 32) <= 1) & (x >= 4) & (x <= 75)
    bright = middle & (abs(x - 40) <= 1) & (y >= 8) & (y <= 32)
    faint = middle & (abs(x - 40) <= 1) & (y >= 32) & (y <= 58)
    probability, grey = tmp_path / "probability.tif", tmp_path / "grey.tif"
    tifffile.imwrite(probability, np.where(trunk | bright | faint, 230, 0).astype(np.uint8), photometric="minisblack")
    light = 20 + 200 * (trunk | bright) + 4 * (faint & ~trunk)
    tifffile.imwrite(grey, light.astype(np.uint8), photometric="minisblack")
    return probability, grey


def test_the_light_of_the_stack_leaves_out_a_faint_neighbour(neurorecon, two_lights, tmp_path):
    probability, grey = two_lights
    assert neurorecon("trace", probability, "-o", tmp_path / "without.swc", "--confidence", "0.9").exit_code == 0
    result = neurorecon("trace", probability, "-o", tmp_path / "with.swc", "--confidence", "0.9", "--stack", grey)
    assert result.exit_code == 0, result.output
    without, lit = read_swc(tmp_path / "without.swc"), read_swc(tmp_path / "with.swc")
    assert (without.xyz[:, 1].min(), without.xyz[:, 1].max()) == (pytest.approx(8, abs=3), pytest.approx(58, abs=3))
    assert (lit.xyz[:, 1].min(), lit.xyz[:, 1].max()) == (pytest.approx(8, abs=3), pytest.approx(32, abs=3))
    assert f"# stack: {grey}" in (tmp_path / "with.swc").read_text()
    assert "# stack" not in (tmp_path / "without.swc").read_text()


def test_a_stack_of_another_shape_is_refused_in_one_line(neurorecon, two_lights, tmp_path):
    other = tmp_path / "other.tif"
    tifffile.imwrite(other, np.ones((16, 64, 79), np.uint8), photometric="minisblack")
    before = sorted(tmp_path.iterdir())
    result = neurorecon("trace", two_lights[0], "-o", tmp_path / "y.swc", "--stack", other)
    assert result.exit_code == 2
    said = [line for line in result.stderr.splitlines() if "voxel size is unknown" not in line]
    assert len(said) == 1
    assert "other.tif has shape (16, 64, 79)" in said[0]
    assert sorted(tmp_path.iterdir()) == before


def test_a_stack_with_nan_is_refused_in_one_line(neurorecon, two_lights, tmp_path):
    grey = np.full((16, 64, 80), np.nan, np.float32)
    tifffile.imwrite(two_lights[1], grey, photometric="minisblack")
    result = neurorecon("trace", two_lights[0], "-o", tmp_path / "y.swc", "--stack", two_lights[1])
    assert result.exit_code == 2
    assert "NaN" in result.stderr
    assert not (tmp_path / "y.swc").exists()


def test_confidence_decides_how_much_is_left_out(neurorecon, two_lights, tmp_path):
    probability, grey = two_lights
    result = neurorecon("trace", probability, "-o", tmp_path / "all.swc", "--stack", grey, "--confidence", "0")
    assert result.exit_code == 0, result.output
    assert read_swc(tmp_path / "all.swc").xyz[:, 1].max() == pytest.approx(58, abs=3)
    assert "trace.confidence=0.0" in (tmp_path / "all.swc").read_text()


def test_fragments_decides_which_piece_stands_alone(neurorecon, two_file, tmp_path):
    for length, trees in ((10, 2), (100, 1)):
        out = tmp_path / f"{length}.swc"
        result = neurorecon("trace", two_file, "-o", out, "--fragments", length, "--soma", "12,12,10")
        assert result.exit_code == 0, result.output
        assert len(read_swc(out).roots) == trees


def test_spines_are_branches_only_when_asked_for(neurorecon, tmp_path):
    z, y, x = np.meshgrid(*map(np.arange, (16, 40, 80)), indexing="ij")
    dendrite = (abs(z - 8) <= 1) & (abs(y - 20) <= 1) & (x >= 4) & (x <= 75)
    spine = (abs(z - 8) <= 1) & (abs(x - 40) <= 1) & (y > 20) & (y <= 27)  # 6 voxels of 0.2 um beyond the surface
    path = tmp_path / "dendrite.tif"
    tifffile.imwrite(path, np.where(dendrite | spine, 255, 0).astype(np.uint8), photometric="minisblack")
    for options, tips in ((["--spines"], 3), ([], 2)):
        result = neurorecon(
            "trace", path, "-o", tmp_path / "a.swc", "--voxel-size", "0.2,0.2,0.2", "--overwrite", *options
        )
        assert result.exit_code == 0, result.output
        assert len(read_swc(tmp_path / "a.swc").tips) == tips


def test_soma_given_by_hand_is_the_root(neurorecon, probability_file, tmp_path):
    result = neurorecon("trace", probability_file, "-o", tmp_path / "y.swc", "--units", "voxel", "--soma", "8,20,20")
    assert result.exit_code == 0, result.output
    tree = read_swc(tmp_path / "y.swc")
    np.testing.assert_allclose(tree.xyz[tree.roots[0]], (20, 20, 8), atol=1.5)
    assert tree.type[tree.roots[0]] == 1


def test_several_neurons_give_numbered_files(neurorecon, two_file, tmp_path):
    somata = ["--soma", "12,12,10", "--soma", "12,52,10"]
    result = neurorecon("trace", two_file, "-o", tmp_path / "n.swc", *somata)
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in tmp_path.glob("*.swc")) == ["n_1.swc", "n_2.swc"]
    for path in tmp_path.glob("*.swc"):
        assert len(read_swc(path).roots) == 1
        assert read_swc(path).cable_length == pytest.approx(46, abs=8)
    written = [line.split(": ")[0].split("/")[-1] for line in result.stdout.splitlines()]
    assert written == ["n_1.swc", "n_2.swc", "n.html"]
    assert {row["file"] for row in listed(tmp_path / "n.review.csv")} == {"n_1.swc", "n_2.swc"}


def test_a_tree_is_checked_and_parted_into_its_files_once(neurorecon, two_file, tmp_path, monkeypatch):
    asked = []
    for module, name in ((checks, "contacts_of"), (outputs, "without_crumbs")):
        whole = getattr(module, name)
        monkeypatch.setattr(module, name, lambda *given, name=name, whole=whole: asked.append(name) or whole(*given))
    result = neurorecon("trace", two_file, "-o", tmp_path / "two.swc", "--soma", "12,12,10", "--soma", "12,52,10")
    assert result.exit_code == 0, result.output
    assert {path.name for path in tmp_path.iterdir()} >= {"two_1.swc", "two_2.swc", "two.review.csv", "two.html"}
    assert sorted(asked) == ["contacts_of", "without_crumbs"]


def test_several_neurons_give_one_file_when_asked(neurorecon, two_file, tmp_path):
    somata = ["--soma", "12,12,10", "--soma", "12,52,10"]
    result = neurorecon("trace", two_file, "-o", tmp_path / "n.swc", "--single-file", *somata)
    assert result.exit_code == 0, result.output
    assert [path.name for path in tmp_path.glob("*.swc")] == ["n.swc"]
    assert len(read_swc(tmp_path / "n.swc").roots) == 2
    assert "2 trees" in result.stdout


def test_numbered_file_of_an_earlier_result_is_kept_and_named(neurorecon, two_file, probability_file, tmp_path):
    neurorecon("trace", two_file, "-o", tmp_path / "n.swc", "--soma", "12,12,10", "--soma", "12,52,10")
    refused = neurorecon("trace", probability_file, "-o", tmp_path / "n.swc")
    assert refused.exit_code == 2
    assert "n_1.swc" in refused.stderr
    done = neurorecon("trace", probability_file, "-o", tmp_path / "n.swc", "--overwrite")
    assert done.exit_code == 0
    assert "n_2.swc is of an earlier result" in done.stderr


def test_picture_record_and_page_of_an_earlier_run_are_named(neurorecon, probability_file, tmp_path):
    for name in ("n.png", "n.json", "n.html", "other.png"):
        (tmp_path / name).write_text("earlier")
    done = neurorecon("trace", probability_file, "-o", tmp_path / "n.swc", "--overwrite")
    assert done.exit_code == 0, done.output
    named = [line for line in done.stderr.splitlines() if "of an earlier result" in line]
    assert named == [f"neurorecon: warning: {tmp_path / name} is of an earlier result" for name in ("n.png", "n.json")]
    (tmp_path / "n.html").write_text("earlier")
    bare = neurorecon("trace", probability_file, "-o", tmp_path / "n.swc", "--overwrite", "--no-page")
    assert f"{tmp_path / 'n.html'} is of an earlier result" in bare.stderr
    assert "other.png" not in bare.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (["--soma", "99,5,5"], "outside the stack"),
        (["--soma", "1,2"], "--soma"),
        (["--soma", "nan,1,1"], "--soma"),
        (["--threshold", "1.5"], "threshold"),
        (["--threshold", "nan"], "threshold"),
        (["--min-length", "-1"], "min_length"),
        (["--confidence", "1.5"], "confidence"),
        (["--confidence", "nan"], "confidence"),
        (["--fragments", "-1"], "fragments"),
        (["--raw", "--stack", "probability.tif"], "--stack"),
        (["--stack", "probability.tif"], "named twice"),
        (["--stack", "missing.tif"], "missing.tif"),
        (["--units", "mm"], "units"),
        (["-o", "y.txt"], ".swc"),
        (["-o", "missing/y.swc"], "missing"),
    ],
)
def test_option_that_cannot_be_used_is_refused_and_nothing_written(
    neurorecon, probability_file, tmp_path, monkeypatch, change, said
):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.iterdir())
    result = neurorecon("trace", probability_file, "-o", "y.swc", *change)
    assert result.exit_code == 2, result.output
    assert said in result.stderr
    assert sorted(tmp_path.iterdir()) == before


def test_empty_probability_is_no_neuron(neurorecon, tmp_path):
    path = tmp_path / "empty.tif"
    tifffile.imwrite(path, np.zeros((8, 16, 16), np.uint8), photometric="minisblack")
    result = neurorecon("trace", path, "-o", tmp_path / "y.swc")
    assert result.exit_code == 3
    assert "no neuron" in result.stderr
    assert not list(tmp_path.glob("*.swc"))


def test_trace_loads_neither_torch_nor_navis(probability_file, tmp_path):
    code = (
        "import sys; from neurorecon.cli import main; main(sys.argv[1:], standalone_mode=False);"
        "print([name for name in ('torch', 'navis', 'matplotlib') if name in sys.modules])"
    )
    arguments = [sys.executable, "-c", code, "trace", str(probability_file), "-o", str(tmp_path / "y.swc")]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_somata_are_measured_in_the_stack_and_their_surfaces_written(neurorecon, two_file, tmp_path):
    out = tmp_path / "cell.swc"
    given = ("--soma", "12,12,10", "--soma", "12,52,10")
    result = neurorecon("trace", two_file, "--raw", *given, "--soma-outline", "-o", out)
    assert result.exit_code == 0, result.output
    surfaces = sorted(tmp_path.glob("*.obj"))
    assert [path.name for path in surfaces] == ["cell.soma_1.obj", "cell.soma_2.obj"]
    volume = float(surfaces[0].read_text().splitlines()[0].split()[-1])
    assert volume == pytest.approx(4 / 3 * np.pi * 6**3, rel=0.15)
    tree = read_swc(tmp_path / "cell_1.swc")
    assert tree.radius[0] == pytest.approx(np.cbrt(3 * volume / (4 * np.pi)), rel=1e-3)
    assert np.linalg.norm(tree.xyz[1:] - tree.xyz[0], axis=1).min() >= 5
    again = neurorecon("trace", two_file, "--raw", *given, "--soma-outline", "-o", tmp_path / "cell.swc")
    assert again.exit_code == 2


@pytest.mark.parametrize("more", [(), ("--block", "32,40,40")])
def test_somata_are_measured_where_the_map_alone_states_the_voxel_size(neurorecon, two_file, tmp_path, more):
    data = tifffile.imread(two_file)
    write_stack(data, tmp_path / "map.tif", voxel_size=VoxelSize(0.5, 0.5, 0.5))
    given = ["--stack", two_file, "--soma", "12,12,10", "--soma", "12,52,10", "--soma-outline", "--no-page", *more]
    result = neurorecon("trace", tmp_path / "map.tif", "-o", tmp_path / "n.swc", *given)
    assert result.exit_code == 0, result.output
    for k, y in ((1, 12), (2, 52)):
        tree = read_swc(tmp_path / f"n_{k}.swc")
        assert tree.xyz[0] == pytest.approx((5, y / 2, 6), abs=0.6)
        assert tree.radius[0] == pytest.approx(3, rel=0.15)  # um: a ball of 6 voxels
    assert result.stdout.count("um^3") == 2


def test_outlines_of_somata_need_the_grey_stack(neurorecon, probability_file, tmp_path):
    result = neurorecon("trace", probability_file, "--soma-outline", "-o", tmp_path / "y.swc")
    assert result.exit_code == 2
    assert "use it with --raw or --stack" in result.output


def test_the_class_of_the_neurites_is_chosen_from_a_probability_of_several_classes(
    neurorecon, probability_file, tmp_path
):
    """As ilastik exports them: a channel a class, floats from 0 to 1."""
    neurites = tifffile.imread(probability_file).astype(np.float32) / 255
    classes = tmp_path / "classes.tif"
    tifffile.imwrite(classes, np.stack([1 - neurites, neurites], 1), imagej=True, metadata={"axes": "ZCYX"})
    result = neurorecon("trace", classes, "-o", tmp_path / "a.swc")
    assert result.exit_code == 2
    assert "--channel: 0, 1" in result.stderr
    result = neurorecon("trace", classes, "-o", tmp_path / "a.swc", "--channel", "1", "--voxel-size", "0.5,0.5,0.5")
    assert result.exit_code == 0, result.output
    assert neurorecon("trace", probability_file, "-o", tmp_path / "b.swc").exit_code == 0
    one, other = read_swc(tmp_path / "a.swc"), read_swc(tmp_path / "b.swc")
    assert one.cable_length == pytest.approx(other.cable_length, rel=0.01)


def test_beside_a_stack_a_probability_of_several_classes_is_refused_with_a_way_out(
    neurorecon, probability_file, tmp_path
):
    classes = tmp_path / "classes.tif"
    neurites = tifffile.imread(probability_file)
    tifffile.imwrite(classes, np.stack([255 - neurites, neurites], 1), imagej=True, metadata={"axes": "ZCYX"})
    options = ["--stack", probability_file, "--channel", "1"]
    result = neurorecon("trace", classes, "-o", tmp_path / "a.swc", *options)
    assert result.exit_code == 2
    assert "2 channels" in result.stderr
    assert "save the neurites alone" in result.stderr
    assert not (tmp_path / "a.swc").exists()
