"""`neurorecon rerun`: a result made again from its record; the same bytes or what differs; nothing recorded is touched."""

import json
import random
import shutil

import pytest

from neurorecon.batch import read_record
from neurorecon.core.errors import NeuroreconError, NoNeuronError
from neurorecon.core.files import hash_path

FILES = ("cell.html", "cell.png", "cell.review.csv", "cell.swc")


@pytest.fixture(scope="module")
def original(tmp_path_factory, y_stack, bright_model):
    """A folder with a stack, a model and the result of a run that was started in it, with all kinds of options."""
    import numpy as np
    import tifffile
    from click.testing import CliRunner

    from neurorecon.cli import main

    folder = tmp_path_factory.mktemp("original")
    tifffile.imwrite(folder / "y.tif", np.asarray(y_stack.data), imagej=True, metadata={"axes": "ZYX"})
    shutil.copytree(bright_model, folder / "net")
    (folder / "s.toml").write_text("[trace]\nstep_px = 2\n")
    words = "run y.tif -o cell.swc --model ./net --settings s.toml --voxel-size 0.5,0.5,0.5 --single-file --no-invert"
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 0, result.output
    return folder


@pytest.fixture
def folder(original, tmp_path):
    """A copy of it that a test may spoil; its record names the copies of input and model."""
    copy = shutil.copytree(original, tmp_path / "copy")
    record = (copy / "cell.json").read_text().replace(str(original), str(copy))
    (copy / "cell.json").write_text(record)
    return copy


@pytest.fixture
def changed(folder):
    """Alter the record: a function of its table."""

    def alter(function):
        table = json.loads((folder / "cell.json").read_text())
        function(table)
        (folder / "cell.json").write_text(json.dumps(table))

    return alter


@pytest.fixture
def no_work(monkeypatch):
    """Fail if the network is run."""
    from neurorecon.batch import ReconstructJob

    monkeypatch.setattr(ReconstructJob, "__call__", lambda *_: pytest.fail("the network ran"))


def state(folder):
    return {path: (path.stat().st_mtime_ns, path.read_bytes()) for path in folder.rglob("*") if path.is_file()}


def test_a_result_comes_out_the_same_in_another_working_folder_and_nothing_is_touched(
    neurorecon, original, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    before = state(original)
    result = neurorecon("rerun", original / "cell.json")
    assert result.exit_code == 0, result.output
    assert (
        result.output == f"{original / 'cell.json'}: the same bytes: cell.swc, cell.review.csv, cell.png, cell.html\n"
    )
    assert state(original) == before
    assert list(tmp_path.iterdir()) == []


def test_quiet_says_it_by_the_exit_code_alone(neurorecon, original):
    result = neurorecon("rerun", original / "cell.json", "-q")
    assert (result.exit_code, result.output) == (0, "")


def test_what_is_made_may_be_kept_and_is_never_written_over(neurorecon, original, tmp_path):
    kept = tmp_path / "a" / "b"
    assert neurorecon("rerun", original / "cell.json", "-o", kept).exit_code == 0
    for name in FILES:
        assert (kept / name).read_bytes() == (original / name).read_bytes()
    records = [json.loads((place / "cell.json").read_text()) for place in (kept, original)]
    for record in records:
        del record["created"], record["stages"]
    assert records[0] == records[1]
    before = state(kept)
    for place in (kept, original):
        again = neurorecon("rerun", original / "cell.json", "-o", place)
        assert again.exit_code == 2
        assert "exists already, and rerun overwrites nothing; give -o another folder" in again.stderr
    assert state(kept) == before


def test_the_record_holds_all_that_was_chosen(original):
    record = json.loads((original / "cell.json").read_text())
    assert record["command"] == {
        "name": "run",
        "input": str(original / "y.tif"),
        "model": str(original / "net"),
        "voxel_size": {"z": 0.5, "y": 0.5, "x": 0.5},
        "channel": None,
        "invert": False,
        "single_file": True,
        "time": None,
        "soma_outline": False,
    }
    assert record["settings"]["trace"]["step_px"] == 2.0
    assert record["input"]["path"] == "y.tif"


def test_a_record_of_a_batch_can_be_made_again(neurorecon, original, tmp_path):
    (tmp_path / "in" / "sub").mkdir(parents=True)
    shutil.copy(original / "y.tif", tmp_path / "in" / "sub" / "y.tif")
    done = neurorecon("batch", tmp_path / "in", "-o", tmp_path / "out", "--model", original / "net")
    assert done.exit_code == 0, done.output
    result = neurorecon("rerun", tmp_path / "out" / "sub" / "y.json")
    assert result.exit_code == 0, result.output
    assert "the same bytes: y.swc, y.review.csv, y.png, y.html" in result.stdout


def test_an_input_that_is_gone_is_refused_until_it_is_said_where_it_lies(neurorecon, folder, no_work, monkeypatch):
    (folder / "y.tif").rename(folder / "moved.tif")
    result = neurorecon("rerun", folder / "cell.json")
    assert result.exit_code == 2
    assert "its input is gone: " in result.stderr
    assert "give --input STACK, where it lies now" in result.stderr
    assert len(result.output.splitlines()) == 1
    monkeypatch.undo()
    assert neurorecon("rerun", folder / "cell.json", "--input", folder / "moved.tif").exit_code == 0


def test_another_input_is_refused(neurorecon, folder, no_work, tmp_path):
    voxels = bytearray((folder / "y.tif").read_bytes())
    voxels[-1] ^= 1
    (folder / "y.tif").write_bytes(voxels)
    result = neurorecon("rerun", folder / "cell.json", "-o", tmp_path / "again")
    assert result.exit_code == 2
    assert f"has sha256 {hash_path(folder / 'y.tif')[:12]}, recorded is " in result.stderr
    assert not (tmp_path / "again").exists()


def test_a_network_that_is_gone_is_refused_until_it_is_said_where_it_lies(neurorecon, folder, no_work, monkeypatch):
    (folder / "net").rename(folder / "net2")
    result = neurorecon("rerun", folder / "cell.json")
    assert result.exit_code == 2
    assert "its network cannot be used: no model " in result.stderr
    assert result.stderr.endswith("; give --model\n")
    monkeypatch.undo()
    assert neurorecon("rerun", folder / "cell.json", "--model", folder / "net2").exit_code == 0


def test_another_network_at_its_place_is_named(neurorecon, folder):
    from neurorecon.nets import load_model
    from neurorecon.nets.weights import write_model

    former = load_model(str(folder / "net"))
    shutil.rmtree(folder / "net")
    former.net.head.bias.data[0] += 1.0
    write_model(folder / "net", former.net, name="bright", summary="brighter", card="# bright\n\nFor tests.\n")
    now = hash_path(folder / "net" / "model.safetensors")
    result = neurorecon("rerun", folder / "cell.json")
    assert result.exit_code == 1
    assert "different: cell.swc" in result.stdout
    assert f"; network {now[:12]}, was {former.config.sha256[:12]}\n" in result.stdout


def test_other_versions_and_another_device_are_named_where_the_header_alone_differs(neurorecon, folder, changed):
    swc = folder / "cell.swc"
    swc.write_text(swc.read_text().replace("# made by: neurorecon", "# made by: an older neurorecon"))

    def alter(table):
        table["versions"] |= {"neurorecon": "0.3.9", "gone": "1"}
        table["device"] = "cuda:0"
        table["outputs"]["cell.swc"] = hash_path(swc)

    changed(alter)
    result = neurorecon("rerun", folder / "cell.json", "-q")
    assert result.exit_code == 1
    assert "different: cell.swc (the header alone); device cpu, was cuda:0; neurorecon " in result.stdout
    assert ", was 0.3.9; gone none, was 1\n" in result.stdout
    assert len(result.output.splitlines()) == 1


def test_other_nodes_are_told_from_another_header(neurorecon, folder, changed):
    swc = folder / "cell.swc"
    swc.write_text(swc.read_text() + "99999 0 1 1 1 1 1\n")
    changed(lambda table: table["outputs"].update({"cell.swc": hash_path(swc)}))
    result = neurorecon("rerun", folder / "cell.json")
    assert result.exit_code == 1
    assert "cell.swc (other nodes); network, versions and device are those of the record" in result.stdout


def test_files_that_are_missing_or_new_are_named(neurorecon, folder, changed):
    def alter(table):
        table["outputs"]["cell_2.swc"] = "0" * 64
        del table["outputs"]["cell.png"]

    changed(alter)
    result = neurorecon("rerun", folder / "cell.json")
    assert result.exit_code == 1
    assert "different: cell_2.swc (missing), cell.png (new); " in result.stdout


def test_a_stack_without_a_neuron_now_is_a_difference(neurorecon, folder, monkeypatch):
    from neurorecon.batch import ReconstructJob

    def nothing(*_):
        raise NoNeuronError("no neuron found")

    monkeypatch.setattr(ReconstructJob, "__call__", nothing)
    result = neurorecon("rerun", folder / "cell.json")
    assert result.exit_code == 1
    assert "cell.swc (no neuron was found)" in result.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no JSON, or damaged"),
        ("# units: um\n1 1 0 0 0 1 -1\n", "is no JSON, or damaged"),
        ("[" * 100_000, "is no JSON, or damaged"),
        ("[]", "is no record of neurorecon; give the OUT.json"),
        ('{"format": 1, "name": "bright"}', "is no record of neurorecon; give the OUT.json"),
        ('{"format": 99, "outputs": {}}', "is no record of neurorecon; give the OUT.json"),
        ('{"format": 1, "outputs": {}}', "has no usable value under versions; the record is damaged"),
        (
            '{"format": 1, "outputs": {}, "versions": {"neurorecon": "0.3.0"}}',
            "the records of neurorecon 0.3.0 did not",
        ),
    ],
)
def test_what_is_no_record_is_refused_in_one_line(neurorecon, tmp_path, text, said):
    path = tmp_path / "x.json"
    path.write_text(text)
    result = neurorecon("rerun", path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"neurorecon: error: {path}: ")
    assert said in result.stderr
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("alter", "said"),
    [
        (lambda table: table["outputs"].update({"../../x.swc": "0"}), "its outputs are no file names"),
        (lambda table: table.update(outputs={}), "its outputs are no file names"),
        (lambda table: table["input"].update(sha256=3), "under input.sha256; the record is damaged"),
        (lambda table: table.update(model=[]), "under model.name; the record is damaged"),
        (lambda table: table["command"].pop("input"), "command: "),
        (lambda table: table["command"].update(speed=3), "command: unknown key 'speed'"),
        (lambda table: table["settings"]["trace"].update(old=1), "settings: trace: unknown key 'old'"),
        (lambda table: table["settings"].pop("segment"), "under settings.segment; the record is damaged"),
    ],
)
def test_a_damaged_record_is_refused_in_one_line(neurorecon, folder, changed, no_work, alter, said):
    changed(alter)
    result = neurorecon("rerun", folder / "cell.json")
    assert result.exit_code == 2
    assert said in result.stderr
    assert len(result.output.splitlines()) == 1


def test_a_place_that_is_no_folder_is_refused(neurorecon, original, tmp_path, no_work):
    (tmp_path / "file").write_text("precious")
    result = neurorecon("rerun", original / "cell.json", "-o", tmp_path / "file")
    assert result.exit_code == 2
    assert "no folder can be made there" in result.stderr
    missing = neurorecon("rerun", tmp_path / "no.json")
    assert "no such file; give the OUT.json of a result" in missing.stderr


def places_in(table):
    """Every (container, key) of a nested table."""
    found = []
    for key, value in table.items() if isinstance(table, dict) else enumerate(table):
        found.append((table, key))
        if isinstance(value, dict | list):
            found += places_in(value)
    return found


def test_a_record_altered_at_random_is_read_or_refused_in_one_line(original, tmp_path):
    values = [None, -1, 1e308, float("nan"), True, "", "x", "a\nb", [], [1, 2, 3], {}, {"a": 1}, 10**400, "../.."]
    text, path, choose = (original / "cell.json").read_text(), tmp_path / "x.json", random.Random(20261122)
    refused = []
    for _ in range(500):
        table = json.loads(text)
        place, key = choose.choice(places_in(table))
        place[key] = choose.choice(values)
        path.write_text(json.dumps(table))
        try:
            assert read_record(path).swc.endswith(".swc")
        except NeuroreconError as error:
            refused.append(str(error))
    assert 100 < len(refused) < 450
    assert all(said.startswith(str(path)) and len(said.removeprefix(str(path))) < 500 for said in refused)


def test_each_tree_of_several_channels_and_time_points_can_be_made_again(neurorecon, original, y_stack, tmp_path):
    import numpy as np
    import tifffile

    voxels = np.asarray(y_stack.data)
    series = np.stack([np.stack([voxels, voxels[:, ::-1]], 1), np.stack([voxels[:, :, ::-1], voxels[::-1]], 1)])
    tifffile.imwrite(tmp_path / "y.tif", series, imagej=True, metadata={"axes": "TZCYX"})
    chosen = ["--model", original / "net", "--time", "all", "--channel", "1"]
    done = neurorecon("run", tmp_path / "y.tif", "-o", tmp_path / "y.swc", *chosen)
    assert done.exit_code == 0, done.output
    records = sorted(tmp_path.glob("y_*.json"))
    assert len(records) == 2
    for record in records:
        result = neurorecon("rerun", record)
        assert result.exit_code == 0, result.output
        assert "the same bytes" in result.stdout
