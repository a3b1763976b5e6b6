"""The experiment on a new lab: specimens stay apart, validation is not touched, a second call goes on."""

import csv
import importlib.util
import sys

import numpy as np
import pytest

from neurorecon.core.errors import InputError
from neurorecon.core.settings import from_toml
from neurorecon.io import write_stack
from neurorecon.swc import write_swc


@pytest.fixture(scope="module")
def lab(root):
    spec = importlib.util.spec_from_file_location("example_lab", root / "examples" / "lab.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["example_lab"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["example_lab"]


# id, group: 7 has no stack, 8 is kept for validation, 1 and 2 are of one specimen
ROWS = [("1", "north/a_seg001.x"), ("2", "north/a_seg002.x"), ("3", "north/b"), ("4", "north/c"), ("5", "north/d"),
        ("6", "south/e"), ("7", "north/f"), ("8", "north/g")]  # fmt: skip


@pytest.fixture
def plan_file(tmp_path, y_stack, y_tree):
    (tmp_path / "index.csv").write_text("id,group\n" + "".join(f"{a},{b}\n" for a, b in ROWS))
    (tmp_path / "validation.txt").write_text("# kept\n8 lifted\n")
    for form in ("dark", "light"):
        (tmp_path / form).mkdir()
        for number, _ in ROWS:
            if number != "7":
                write_stack(np.asarray(y_stack.data), tmp_path / form / f"{number}.tif")
                write_swc(y_tree, tmp_path / form / f"{number}.swc")
    path = tmp_path / "lab.toml"
    path.write_text(
        f'out = "{tmp_path}/out"\nlab = "north"\nindex = "{tmp_path}/index.csv"\nminutes = 0.001\ndraws = 1\n'
        f'validation = "{tmp_path}/validation.txt"\nsets = ["{tmp_path}/dark", "{tmp_path}/light"]\n'
        "counts = [1, 2]\nleast_scored = 2\nthreads = 1\n"
    )
    return path


def test_specimens_stay_together_and_validation_apart(lab, plan_file):
    plan = from_toml(lab.Plan, plan_file)
    neurons = lab.neurons_of(plan)
    assert {neuron.id for neuron in neurons} == set("123456")
    tuned, scored = lab.split(plan, neurons)
    assert len(tuned) >= 2
    assert not {n.specimen for n in tuned} & {n.specimen for n in scored}
    assert {n.id for n in tuned} | {n.id for n in scored} == set("12345")
    one, two = (lab.chosen(plan, tuned, count, 0) for count in (1, 2))
    assert two[:1] == one
    assert {place.name for place, _ in two} == {"dark", "light"}


def test_a_lab_with_too_few_neurons_is_refused(lab, plan_file):
    plan_file.write_text(plan_file.read_text().replace("north", "south"))
    plan = from_toml(lab.Plan, plan_file)
    with pytest.raises(InputError, match="too few"):
        lab.split(plan, lab.neurons_of(plan))


def test_ids_that_the_base_must_not_see_are_the_labs_and_validation(lab, plan_file, tmp_path, capsys):
    lab.main([str(plan_file), "--write-ids", str(tmp_path / "ids.txt")])
    words = [line.split()[0] for line in (tmp_path / "ids.txt").read_text().splitlines() if not line.startswith("#")]
    assert sorted(words) == ["1", "2", "3", "4", "5", "8"]
    lab.main([str(plan_file), "--list"])
    assert "5 neurons of  4 specimens: north" in capsys.readouterr().out


@pytest.mark.slow
def test_the_experiment_ends_in_a_table_and_goes_on_where_it_was(
    lab, plan_file, bright_model, tmp_path, capsys, monkeypatch
):
    lab.main([str(plan_file), "--base", str(bright_model)])
    table = (tmp_path / "out" / "lab.md").read_text()
    assert table in capsys.readouterr().out
    assert [line.split()[1] for line in table.splitlines()[4:]] == ["0", "1", "2"]
    with open(tmp_path / "out" / "lab.csv", newline="") as handle:
        rows = list(csv.DictReader(handle))
    scored = len({row["stack"] for row in rows})
    assert len(rows) == 3 * scored
    assert (tmp_path / "out" / "lab.png").stat().st_size > 1000
    monkeypatch.setattr(lab, "tune", None)
    lab.main([str(plan_file), "--base", str(bright_model)])
    with pytest.raises(InputError, match="another base"):
        lab.main([str(plan_file), "--base", "vit3d-dtt"])
