"""Folders of planes by the names that microscopes give them: series are told apart, gaps and strangers are said."""

from pathlib import Path

import pytest

from neurorecon.core.errors import InputError
from neurorecon.io.formats.tiff.plane_names import order_planes

FOLDER = Path("folder")
PLANES = range(1, 13)


def order(names):
    return order_planes(FOLDER, sorted((FOLDER / name for name in names), key=lambda path: path.name))


def pairs(pattern, pair):
    return [pattern.format(c=c, z=z) for c in pair for z in PLANES]


@pytest.mark.parametrize(
    ("pattern", "pair", "names"),
    [
        ("s_C{c:03d}Z{z:03d}.tif", (1, 2), ["C001", "C002"]),  # Olympus
        ("cell_z{z:02d}c{c}_ORG.tif", (1, 2), ["c1", "c2"]),  # Zeiss
        ("cell_z{z}c{c}x0-1024y0-1024.tif", (1, 2), ["c1", "c2"]),  # Zeiss, tiles
        ("Series001_t00_z{z:02d}_ch{c:02d}.tif", (0, 1), ["ch00", "ch01"]),  # Leica
        ("Series001_z{z:03d}_RAW_ch{c:02d}.tif", (0, 1), ["ch00", "ch01"]),
        ("cellxy01z{z:02d}c{c}.tif", (1, 2), ["c1", "c2"]),  # Nikon
        ("img_channel{c:03d}_position000_time000000000_z{z:03d}.tif", (0, 1), ["channel000", "channel001"]),  # MM 2
        ("ZSeries-0101-001_Cycle00001_Ch{c}_{z:06d}.ome.tif", (1, 2), ["Ch1", "Ch2"]),  # Bruker, Prairie View
        ("r01c01f01p{z:02d}-ch{c}sk1fk1fl1.tiff", (1, 2), ["ch1", "ch2"]),  # Opera
        ("P_G04_T0001F001L01A01Z{z:02d}C{c:02d}.tif", (1, 2), ["C01", "C02"]),  # Yokogawa
        ("exp_A01_s1_w{c}_z{z}.TIF", (1, 2), ["w1", "w2"]),  # MetaXpress
        ("Ex_{c}_{z:06d}.tif", ("488_Em_525", "561_Em_600"), ["Ex488 Em525", "Ex561 Em600"]),  # SmartSPIM
        ("14-30-12_UltraII_C{c:02d}_xyz-Table Z{z:04d}.ome.tif", (0, 1), ["C00", "C01"]),  # LaVision
        ("exp_w{c:04d}_z{z:03d}.tif", (0, 1), ["w0000", "w0001"]),  # Andor
        ("Capture 1_XY1234_Z{z:03d}_T000_C{c}.tif", (0, 1), ["C0", "C1"]),  # SlideBook
        ("C{c}-cell{z:04d}.tif", (1, 2), ["C1", "C2"]),  # Fiji, split channels
        ("cell_t0001_z{z:04d}_c{c:04d}.tif", (1, 2), ["c0001", "c0002"]),  # Fiji, hyperstack
        ("cell_{c}nm_z{z:03d}.tif", (488, 561), ["cell488", "cell561"]),
    ],
)
def test_channels_in_the_dialect_of_every_maker_are_told_apart(pattern, pair, names):
    found = order(pairs(pattern, pair))
    assert found.channels
    assert list(found.series) == names
    for c, files in zip(pair, found.series.values(), strict=True):
        assert [path.name for path in files] == [pattern.format(c=c, z=z) for z in PLANES]
    assert not found.findings


@pytest.mark.parametrize(
    ("pattern", "pair", "names"),
    [
        ("img_000000000_{c}_{z:03d}.tif", ("DAPI", "GFP"), ["DAPI", "GFP"]),  # Micro-Manager 1.4
        ("img_{c:09d}_Default_{z:03d}.tif", (0, 1), ["img000000000", "img000000001"]),  # its time points
        ("Chan{c}_0001_0001_{z:04d}_0001.tif", "AB", ["ChanA", "ChanB"]),  # ThorImage
        ("B - 02(fld 1 wv {c} z {z}).tif", ("DAPI", "FITC"), ["DAPI", "FITC"]),  # InCell
        ("A - 1(fld {c} wv DAPI - DAPI z {z}).tif", (1, 2), ["fld1", "fld2"]),
        ("cell--W00001--P00001--Z{z:05d}--T00000--{c}.tif", ("DAPI", "GFP"), ["DAPI", "GFP"]),  # ScanR
        ("r01c{c:02d}f01p{z:02d}-ch1sk1fk1fl1.tiff", (1, 2), ["c01", "c02"]),  # Opera, two wells
        ("W1F{c:03d}T0001Z{z:02d}C1.tif", (1, 2), ["F001", "F002"]),
        ("pos{c}_z{z:03d}.tif", (1, 2), ["pos1", "pos2"]),
        ("cell_{c}_z{z:03d}.tif", ("left", "right"), ["left", "right"]),
        ("{c}_{z:03d}.tif", (488, 561), ["488", "561"]),
    ],
)
def test_series_that_may_be_anything_are_never_put_one_behind_the_other(pattern, pair, names):
    found = order(pairs(pattern, pair))
    assert not found.channels
    assert list(found.series) == names
    assert {len(files) for files in found.series.values()} == {len(PLANES)}


@pytest.mark.parametrize(
    "names",
    [
        [f"test{z:03d}.tif" for z in PLANES],
        [f"branch{z}.tif" for z in PLANES],
        [f"section ({z}).tif" for z in PLANES],
        [f"{z}.tif" for z in PLANES],
        [f"123450_654321_{z:06d}.tif" for z in range(0, 400, 20)],  # TeraStitcher: tenths of a micrometre
        [f"img_{z:04d}_20200101_12{z:02d}{(7 * z) % 60:02d}.tif" for z in PLANES],  # with a time stamp
        [f"z_{z / 2:.1f}um.tif" for z in PLANES],
        [f"{'Z' if z % 2 else 'z'}{z:03d}.TIF" for z in PLANES],
        [f"cell_c{z}.tif" for z in PLANES],
        [f"img_z{z}.tif" for z in range(-5, 6)],  # places above and below the middle
        [f"img_z{z}.tif" for z in range(-6, 6)],
        [f"img_z_{z:+d}.tif" for z in range(-5, 6)],
        [f"img_z{z / 2:.1f}um.tif" for z in range(-6, 6)],
        [f"img_z-{z:03d}.tif" for z in PLANES],
        [f"a-1_z{z // 2},{z % 2 * 5}um.tif" for z in PLANES],
    ],
)
def test_one_series_is_one_stack_without_a_word(names):
    found = order(names)
    assert list(found.series) == [""]
    assert {path.name for path in found.series[""]} == set(names)
    assert not found.findings


def test_gaps_in_the_numbers_are_named():
    found = order([f"z{z:03d}.tif" for z in range(30) if not 20 <= z < 26 and z != 10])
    (finding,) = found.findings
    assert finding.name == "missing-planes"
    assert "7 planes are missing" in finding.text
    assert "010 between z009.tif and z011.tif" in finding.text
    assert "020 to 025 between z019.tif and z026.tif" in finding.text


def test_projections_copies_twins_and_thumbnails_are_left_out_with_a_word():
    planes = [f"cell_z{z:03d}.tif" for z in range(40)]
    beside = ["MAX_cell.tif", "AVG_cell_z.tif", "cell_z010 (1).tif", "cell_z011.tiff", "cell_z003 - Copy.tif",
              "Copy of cell_z005.tif", "cell_MIP.tif", "cell_z001_thumb.tif"]  # fmt: skip
    found = order(planes + beside)
    assert [path.name for path in found.series[""]] == planes
    (finding,) = found.findings
    assert finding.name == "left-out-files"
    assert "and 3 more" in finding.text


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([f"a{z:03d}.tif" for z in range(40)] + [f"b{z:03d}.tif" for z in range(30)], "40 like a000.tif, 30 like b000"),
        ([f"z{z}_c1.tif" for z in range(10)] + [f"z{z}_c2.tif" for z in range(9)], "10 of c1, 9 of c2"),
        ([f"t{t}_z{z}.tif" for t in (1, 2) for z in PLANES], "time series of 2 frames"),
        ([f"t{t:03d}.tif" for t in PLANES], "time series of 12 frames"),
    ],
)
def test_what_is_no_stack_by_its_names_is_refused(names, said):
    with pytest.raises(InputError, match=said):
        order(names)


def test_names_without_numbers_are_taken_in_order_with_a_word():
    found = order(["a.tif", "b.tif", "c.tif"])
    assert [path.name for path in found.series[""]] == ["a.tif", "b.tif", "c.tif"]
    assert [finding.name for finding in found.findings] == ["unnumbered-planes"]


@pytest.mark.parametrize("form", ["img_z{}.tif", "img_z_{:+d}.tif", "img z ={}.tif"])
def test_places_below_the_middle_come_first(form):
    names = [form.format(z) for z in range(-5, 6)]
    assert [path.name for path in order(names[::-1]).series[""]] == names


@pytest.mark.parametrize(
    ("names", "said"),
    [
        ([f"s{1 + z // 12}_{z:03d}.tif" for z in range(24)], "from s1_011.tif to s2_012.tif"),
        ([f"cell{4 + z // 6}-{z}.tif" for z in range(18)], "from cell4-5.tif to cell5-6.tif"),
        ([f"14-{z // 12}-{z % 12}_{z:03d}.tif" for z in range(24)], None),  # hours and minutes
        ([f"x{z % 3}_y2_z{z:03d}.tif" for z in range(24)], None),  # a stage that drifts
        ([f"z{z}.tif" for z in range(4)], None),
    ],
)
def test_a_series_that_is_numbered_on_under_another_name_is_said(names, said):
    (order,) = [order_planes(Path("f"), [Path(name) for name in names])]
    found = [finding.text for finding in order.findings if finding.name == "series-change"]
    assert len(found) == (said is not None)
    assert all(said in text for text in found)


def test_planes_that_are_numbered_in_hexadecimal_are_refused():
    with pytest.raises(InputError, match=r"15 planes are like s_05\.tif, but many are not"):
        order_planes(FOLDER, [Path(f"s_{z:02x}.tif") for z in range(5, 29)])
    strangers = [f"s_{z:02d}.tif" for z in range(20)] + ["a_b.tif", "c.tif"]
    (finding,) = order_planes(FOLDER, [Path(name) for name in strangers]).findings
    assert finding.name == "left-out-files"
