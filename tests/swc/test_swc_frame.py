"""Units, offsets and columns as other programs write them into the header of an SWC file: converted, and said."""

import numpy as np
import pytest

from neurorecon.core.errors import FormatError
from neurorecon.swc import header_notes, read_swc, repair_swc, stated_unit, validate_swc

ROWS = "1 1 1000 2000 3000 500 -1\n2 3 1000 2000 7000 250 1\n"


@pytest.fixture
def tree_of(tmp_path):
    """Read the two nodes of ROWS below some header lines."""

    def read(*header, rows=ROWS):
        path = tmp_path / "a.swc"
        path.write_text("".join(f"# {line}\n" for line in header) + rows)
        return read_swc(path)

    return read


@pytest.mark.parametrize(
    "line",
    [
        'Meta: {"id": "1", "name": "n", "units": "1 nanometer"}',  # navis
        "units: nm",
        "Units = nanometers",
        "unit nm",
        "all coordinates are in nanometers",
        "All positions and radii in nm",  # SNT
        "units: 1 nm",
    ],
)
def test_nanometres_become_micrometres_with_a_word(tree_of, caplog, line):
    tree = tree_of(line)
    assert tree.unit == "um"
    np.testing.assert_allclose(tree.xyz, [[1, 2, 3], [1, 2, 7]])
    np.testing.assert_allclose(tree.radius, [0.5, 0.25])
    assert "converted to micrometres" in caplog.text


def test_voxels_of_navis_have_a_length_along_each_axis(tree_of):
    tree = tree_of('Meta: {"units": ["4 nanometer", "4 nanometer", "40 nanometer"]}')
    np.testing.assert_allclose(tree.xyz, [[4, 8, 120], [4, 8, 280]])
    np.testing.assert_allclose(tree.radius[0], 0.5 * (4 * 4 * 40) ** (1 / 3))


@pytest.mark.parametrize("line", ["All positions and radii in pixels", "units: voxels", 'Meta: {"units": "1 voxel"}'])
def test_pixels_stay_pixels(tree_of, caplog, line):
    tree = tree_of(line)
    assert tree.unit == "voxel"
    np.testing.assert_array_equal(tree.xyz[1], [1000, 2000, 7000])
    assert not caplog.text


def test_pixels_whose_distance_snt_wrote_are_said(tree_of, caplog):
    lines = ("All positions and radii in pixels", "Voxel separation (x,y,z): 0.5, 0.5, 2.0")
    assert tree_of(*lines).unit == "voxel"
    assert "0.5, 0.5, 2.0 apart" in caplog.text


@pytest.mark.parametrize("line", ["units: um", "All positions and radii in microns", "", "made in memory of it",
                                  "coordinates in atlas space", "SCALE 1.0 1.0 1.0", "OFFSET 0 0 0",
                                  "id type x y z radius parent"])  # fmt: skip
def test_micrometres_are_taken_without_a_word(tree_of, caplog, line):
    tree = tree_of(line)
    assert tree.unit == "um"
    np.testing.assert_array_equal(tree.xyz[0], [1000, 2000, 3000])
    assert not caplog.text


def test_an_unknown_unit_is_said(tree_of, caplog):
    assert tree_of("units: parsec").unit == "um"
    assert "'parsec'" in caplog.text


def test_the_offset_of_the_janelia_workstation_is_added(tree_of, caplog):
    tree = tree_of("ORIGINAL_SOURCE Janelia Workstation Large Volume Viewer", "OFFSET 70000.5 -20.0 3e2")
    np.testing.assert_allclose(tree.xyz[0], [71000.5, 1980, 3300])
    assert "OFFSET" in caplog.text


def test_a_scale_in_the_header_is_said_and_not_applied(tree_of, caplog):
    np.testing.assert_array_equal(tree_of("SCALE 0.5 0.5 2").xyz[0], [1000, 2000, 3000])
    assert "SCALE 0.5 0.5 2; the points are taken as they stand" in caplog.text


@pytest.mark.parametrize("line", ["id type z y x radius parent", "id,type,z,y,x,r,pid"])
def test_columns_that_are_named_in_another_order_are_read_in_it(tree_of, caplog, line):
    np.testing.assert_array_equal(tree_of(line).xyz[0], [3000, 2000, 1000])
    assert "names the columns z y x" in caplog.text


def test_a_header_in_another_unit_is_kept_by_a_repair_and_noted_by_a_check(tmp_path, tree_of):
    tree_of("units: nm", rows=ROWS.replace("2 3 ", "7 3 "))
    path, out = tmp_path / "a.swc", tmp_path / "b.swc"
    assert validate_swc(path)
    assert header_notes(path) == ("its header states units of 'nm'; they are converted to micrometres",)
    assert stated_unit(path) == "um"
    repair_swc(path, out)
    assert "# units: nm" in out.read_text()
    np.testing.assert_allclose(read_swc(out).xyz, read_swc(path).xyz)


@pytest.mark.parametrize("rows", ["1 1 0 0 0 1 -1\n1 3 0 0 5 1 1\n", "1 1 0 0 0 1 -1\n2 3 0 0 5 1 9\n", "1 1 0 0\n"])
def test_a_refused_file_is_sent_to_the_repair(tree_of, rows):
    with pytest.raises(FormatError, match="neurorecon validate --repair"):
        tree_of(rows=rows)


@pytest.mark.parametrize("line", ["id type x(nm) y(nm) z(nm) r(nm) parent", "SWC of FlyWire, units nanometers"])
def test_a_unit_beside_other_words_is_understood(tree_of, line):
    np.testing.assert_allclose(tree_of(line).xyz, [[1, 2, 3], [1, 2, 7]])


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("SHIFT 10 20 30", "SHIFT 10 20 30"),
        ("origin: 10, 20, 30", "ORIGIN 10 20 30"),
        ("scale 0.5", "SCALE 0.5"),
        ("z-scale: 3.0", "Z-SCALE 3.0"),
        ("anisotropy: 1 1 5", "ANISOTROPY 1 1 5"),
        ("voxel_size: 0.5 0.5 1", "voxel_size 0.5 0.5 1 and no unit"),
        ("id x y z radius type parent", "names the columns id x y z radius type parent"),
    ],
)
def test_what_may_move_or_scale_the_points_is_said_and_they_are_taken_as_they_stand(tree_of, caplog, line, said):
    np.testing.assert_allclose(tree_of(line).xyz, [[1000, 2000, 3000], [1000, 2000, 7000]])
    assert said in caplog.text


def test_headers_that_move_and_scale_nothing_are_passed_over(tree_of, caplog):
    tree_of("SCALE 1 1 1", "scale: 1", "origin 0 0 0", "units: um", "voxel_size: 0.5 0.5 1")
    assert not caplog.text


@pytest.mark.parametrize(
    "line",
    [
        "moved by x -1, y 0, z 0 onto the neurite: brightness along the tracing and two tracers agree",
        "traced in z y x order of the stack by hand",
        "node (x, y, z) is array[z, y, x], 0-based",
    ],
)
def test_prose_with_the_names_of_the_axes_names_no_columns(tree_of, caplog, line):
    np.testing.assert_array_equal(tree_of(line).xyz[0], [1000, 2000, 3000])
    assert not caplog.text


def test_a_column_of_diameters_is_halved(tree_of):
    np.testing.assert_allclose(tree_of("id type x y z diameter parent").radius, [250, 125])


@pytest.mark.parametrize("sign", [" ", ";", "; "])
def test_decimal_commas_are_numbers_where_something_else_parts_the_columns(tree_of, sign):
    rows = "1 1 0,5 2 3 1 -1\n2 3 10,25 2 3 0,5 1\n".replace(" ", sign)
    tree = tree_of(rows=rows)
    np.testing.assert_allclose(tree.xyz, [[0.5, 2, 3], [10.25, 2, 3]])
    np.testing.assert_allclose(tree.radius, [1, 0.5])


@pytest.mark.parametrize("line", ["0.25 microns/pixel", "pixel size: 0.25 um", "XYZ_RESOLUTION 0.2 0.2 1"])
def test_a_pixel_size_without_a_unit_of_the_points_is_said(tmp_path, line):
    (tmp_path / "a.swc").write_text(f"# {line}\n1 1 0 0 0 5 -1\n2 3 10 0 0 1 1\n")
    (note,) = header_notes(tmp_path / "a.swc")
    assert "taken for micrometres, not for voxels" in note


def test_a_binary_file_is_no_tree_and_refused_in_one_line(tmp_path):
    (tmp_path / "a.swc").write_bytes(b"II*\0\x08\0\0\0" + bytes(range(256)) * 40)
    with pytest.raises(FormatError, match=r"a\.swc:1: the file is binary, no text; give an SWC file"):
        read_swc(tmp_path / "a.swc")


def grown(factor, count=12):
    """A tree of `count` nodes, 2 um apart, of radius 0.5 um, times a factor."""
    return "".join(f"{k + 1} 3 {2 * k * factor:g} 0 0 {0.5 * factor:g} {k if k else -1}\n" for k in range(count))


@pytest.mark.parametrize(("factor", "unit"), [(1000, "nm"), (1e-3, "mm")])
def test_a_tree_of_impossible_size_is_said_with_the_header_that_would_mend_it(tree_of, tmp_path, caplog, factor, unit):
    tree_of(rows=grown(factor))
    assert f"write `# units: {unit}` into its header" in caplog.text
    assert any(f"# units: {unit}" in note for note in header_notes(tmp_path / "a.swc"))
    caplog.clear()
    tree = tree_of(f"units: {unit}", rows=grown(factor))
    assert "into its header" not in caplog.text
    np.testing.assert_allclose(tree.xyz[-1], [22, 0, 0])


@pytest.mark.parametrize(
    ("rows", "header"), [(grown(1), ()), (grown(15), ()), (grown(1000, 5), ()), (grown(1000), ("units: voxel",))]
)
def test_trees_of_possible_size_and_few_nodes_are_read_without_a_word(tree_of, caplog, rows, header):
    tree_of(*header, rows=rows)
    assert not caplog.text


@pytest.mark.parametrize(
    "line",
    [
        "xyz_spacing: 0.3 0.4 1",
        "voxel size: 0.3 x 0.4 x 1 um",
        "voxel_size x=0.3 y=0.4 z=1",
        "SCALE x=0.3 y=0.4 z=1",
        "spacing = (0.3, 0.4, 1)",
    ],
)
def test_a_voxel_size_in_any_spelling_is_said_with_its_three_numbers(tree_of, caplog, line):
    np.testing.assert_array_equal(tree_of(line).xyz[0], [1000, 2000, 3000])
    assert "0.3 0.4 1" in caplog.text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"<!DOCTYPE html>\n<html>", "page of the web"),
        (b'<?xml version="1.0"?>\n<mbf version="4.0">', "is XML"),
        (b'{"neurons": []}', "is JSON"),
        (b'; V3 text file\n("CellBody"\n  (CellBody)\n  (1 2 3 4)\n)', "Neurolucida ASC"),
        (b"\x1f\x8b\x08\0\0\0\0\0", "packed by gzip"),
    ],
)
def test_a_tracing_in_another_format_is_called_so_and_not_sent_to_repair(tmp_path, content, said):
    (tmp_path / "a.swc").write_bytes(content)
    with pytest.raises(FormatError, match=said) as caught:
        read_swc(tmp_path / "a.swc")
    assert "--repair" not in str(caught.value)
    assert len(validate_swc(tmp_path / "a.swc")) == 1


@pytest.mark.parametrize(
    ("head", "sign"),
    [("id,type,x,y,z,radius,parent", ","), ("n T x y z R P", " "), ("node_id\ttype\tz\ty\tx\tradius\tparent_id", "\t")],
)
def test_names_of_columns_without_a_mark_are_a_header_and_validate_says_so(tmp_path, head, sign):
    path = tmp_path / "a.swc"
    rows = [sign.join(row.split()) for row in ("1 1 10 20 30 5 -1", "2 3 10 20 70 2 1")]
    path.write_text("\n".join([head, *rows]) + "\n")
    tree = read_swc(path)
    np.testing.assert_array_equal(tree.xyz[1], [70, 20, 10] if "z\ty\tx" in head else [10, 20, 70])
    assert "names of the columns stand in a line without #" in str(validate_swc(path)[0])


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("coordinates: pixels", "mentions pixels (coordinates: pixels)"),
        ("traced in a stack of 40 voxels", "mentions voxels"),
        ("coords (nm)", "mentions nm (coords (nm))"),
        ("radius: mm", "mentions mm"),
        ("VOXEL XYZ 0.5 0.5 1.0", "states VOXEL XYZ 0.5 0.5 1.0 and no unit"),
        ("Scaling factor: 0.5", "states SCALING FACTOR 0.5"),
        ("TRANSFORM 2 0 0 0 0 2 0 0 0 0 2 0", "states a transform"),
        ("transform: 1 0 0 0 0 1 0 0 0 0 1 0", None),
        ("name mm1.swc, 3 mmol, 488nm", None),
        ("soma of 20 um", None),
    ],
)
def test_a_header_that_speaks_of_another_unit_or_frame_is_said_and_changes_nothing(tmp_path, header, said):
    path = tmp_path / "a.swc"
    path.write_text(f"# {header}\n1 1 10 20 30 2 -1\n2 3 14 20 30 1 1\n")
    np.testing.assert_array_equal(read_swc(path).xyz, [[10, 20, 30], [14, 20, 30]])
    notes = header_notes(path)
    assert len(notes) == (said is not None)
    assert all(said in note for note in notes)


@pytest.mark.parametrize(
    "header", ['{"units": "nm"}', '"unit": "nanometer"', "distances in nanometers", "all values in nm"]
)
def test_a_unit_in_json_or_of_distances_is_converted(tmp_path, header):
    path = tmp_path / "a.swc"
    path.write_text(f"# {header}\n1 1 10000 20000 30000 2000 -1\n2 3 14000 20000 30000 1000 1\n")
    np.testing.assert_allclose(read_swc(path).xyz, [[10, 20, 30], [14, 20, 30]])


@pytest.mark.parametrize(("column", "factor"), [("D/2", 1.0), ("diameter/2", 1.0), ("diameter", 0.5)])
def test_half_a_diameter_is_a_radius(tmp_path, column, factor):
    path = tmp_path / "a.swc"
    path.write_text(f"# id type x y z {column} parent\n1 1 10 20 30 2 -1\n2 3 14 20 30 1 1\n")
    np.testing.assert_array_equal(read_swc(path).radius, [2 * factor, factor])


def test_the_mark_of_dos_behind_the_last_line_is_no_line(tmp_path):
    path = tmp_path / "a.swc"
    path.write_bytes(b"1 1 10 20 30 2 -1\r\n2 3 14 20 30 1 1\r\n\x1a")
    assert len(read_swc(path)) == 2


@pytest.mark.parametrize(
    "header",
    ["voxel coordinates: x, y, z is array[z, y, x]", "tracing, in pixel coordinates", "same voxel frame as the gold"],
)
def test_voxel_coordinates_are_voxels(tmp_path, header):
    path = tmp_path / "a.swc"
    path.write_text(f"# {header}\n1 1 10 20 30 2 -1\n2 3 14 20 30 1 1\n")
    assert read_swc(path).unit == "voxel"
    assert not header_notes(path)
