"""The audit: a sample by length, and the bound of Clopper and Pearson."""

import csv

import numpy as np
import pytest
from click.testing import CliRunner
from scipy.stats import binom

from neurorecon.cli import main
from neurorecon.core.tree import Tree
from neurorecon.mend import draw_sample, upper_bound
from neurorecon.swc import read_swc, write_swc


def audit(*arguments):
    return CliRunner().invoke(main, ["review", "audit", *map(str, arguments)], prog_name="neurorecon")


def test_bound_without_a_wrong_one_is_the_closed_form():
    """(1 - p) ** n = 0.05."""
    for draws in (1, 20, 60, 300):
        assert upper_bound(0, draws) == pytest.approx(1 - 0.05 ** (1 / draws), abs=1e-12)
    assert upper_bound(0, 60) == pytest.approx(0.0487, abs=1e-4)


def test_bound_is_the_share_at_which_so_few_wrong_ones_have_a_chance_of_5_percent():
    for wrong, draws in ((1, 60), (3, 60), (10, 25), (59, 60)):
        assert binom.cdf(wrong, draws, upper_bound(wrong, draws)) == pytest.approx(0.05, abs=1e-9)
    assert upper_bound(60, 60) == 1


@pytest.fixture
def comb(tmp_path):
    """A trunk with teeth of 5 and of 10 in turn, ten of each: 24 px apart, in voxels."""
    points, parent = [(x, 0, 0) for x in range(481)], list(range(-1, 480))
    for number in range(20):
        at, length = 24 * number + 12, (5, 10)[number % 2]
        parent += [at, *range(len(points), len(points) + length - 1)]
        points += [(at, y, 0) for y in range(1, length + 1)]
    tree = Tree(np.array(points, float), np.ones(len(points)), np.array(parent), unit="voxel")
    write_swc(tree, tmp_path / "comb.swc")
    return tmp_path / "comb.swc"


def test_stretches_are_drawn_by_their_length(comb):
    """Long teeth hold 100 and short ones 50 of the cable; so do about as many draws in a hundred thousand."""
    sample = draw_sample(comb, 100_000, 1)
    whole = read_swc(comb).cable_length
    assert sum(len(one.draws) for one in sample) == 100_000
    drawn = {length: sum(len(o.draws) for o in sample if o.xyz[1] > 0 and o.length == length) for length in (5, 10)}
    assert drawn[5] == pytest.approx(100_000 * 50 / whole, rel=0.05)
    assert drawn[10] == pytest.approx(100_000 * 100 / whole, rel=0.05)


def test_sample_is_that_of_its_seed_and_can_be_found_in_the_tree(comb, tmp_path):
    assert audit(comb, "-n", "30").exit_code == 0
    first = (tmp_path / "comb.audit.csv").read_text()
    assert audit(comb, "-n", "30").exit_code == 2  # it is there
    assert audit(comb, "-n", "30", "--overwrite").exit_code == 0
    assert (tmp_path / "comb.audit.csv").read_text() == first
    assert audit(comb, "-n", "30", "--overwrite", "--seed", "5").exit_code == 0
    assert (tmp_path / "comb.audit.csv").read_text() != first
    tree = read_swc(comb)
    for line in csv.DictReader(first.splitlines()):
        row, rows = int(line["to_node"]) - 1, []
        while row != int(line["from_node"]) - 1:
            rows.append(row)
            row = int(tree.parent[row])
        assert float(line["length"]) == tree.edge_length[rows].sum()
        assert int(line["node"]) - 1 in rows
        assert [float(line[axis]) for axis in "xyz"] == tree.xyz[int(line["node"]) - 1].tolist()


def fill(path, answer):
    lines = list(csv.DictReader(path.read_text().splitlines()))
    with open(path, "w", newline="") as handle:
        writer = csv.DictWriter(handle, lines[0])
        writer.writeheader()
        writer.writerows(line | {"wrong": answer(number, line)} for number, line in enumerate(lines))


def test_filled_sample_gives_one_sentence(comb, tmp_path):
    path = tmp_path / "comb.audit.csv"
    audit(comb, "-n", "20")
    fill(path, lambda number, line: "no")
    result = audit(comb, "--judged", path)
    assert result.exit_code == 0, result.output
    assert result.stdout == (
        f"at most {100 * (1 - 0.05 ** (1 / 20)):.1f} % of the cable is wrong (95 %): "
        "0 of 20 places that were drawn by length are wrong\n"
    )


def test_what_is_below_the_first_unjudged_stretch_does_not_count(comb, tmp_path):
    path = tmp_path / "comb.audit.csv"
    audit(comb, "-n", "20")
    lines = list(csv.DictReader(path.read_text().splitlines()))
    fourth = int(lines[3]["draws"].split()[0])
    fill(path, lambda number, line: ("Yes", "no", " NO ", "", "yes")[min(number, 4)])
    assert f"of {fourth - 1} places" in audit(comb, "--judged", path).stdout
    fill(path, lambda number, line: "")
    result = audit(comb, "--judged", path)
    assert result.exit_code == 2
    assert "judges none" in result.stderr


def test_verdicts_judge_the_sample_too(comb, tmp_path, verdicts_file):
    sample = draw_sample(comb, 10, 0)
    verdicts = [("drop" if k == 2 else "keep", o.node, {"from": o.top, "to": o.to}) for k, o in enumerate(sample)]
    verdicts[4] = ("detach", sample[4].node, {})
    path = verdicts_file(comb, *verdicts)
    result = audit(comb, "-n", "10", "--judged", path)
    assert result.exit_code == 0, result.output
    wrong = len(sample[2].draws) + len(sample[4].draws)
    assert f"at most {100 * upper_bound(wrong, 10):.1f} % of the cable" in result.stdout
    assert f"{wrong} of 10 places" in result.stdout


def test_sample_of_another_tree_or_with_odd_words_is_refused(comb, tmp_path):
    path = tmp_path / "comb.audit.csv"
    audit(comb, "-n", "20")
    fill(path, lambda number, line: "perhaps" if number == 1 else "no")
    result = audit(comb, "--judged", path)
    assert result.exit_code == 2
    assert result.stderr.startswith(f"neurorecon: error: {path}:3: `wrong` is 'perhaps'")
    fill(path, lambda number, line: "no")
    tree = read_swc(comb)
    write_swc(Tree(tree.xyz + 1, tree.radius, tree.parent, unit="voxel"), comb, overwrite=True)
    result = audit(comb, "--judged", path)
    assert result.exit_code == 2
    assert "is about another tree" in result.stderr


def test_simulated_audits_hold_in_95_of_100(comb):
    """Of trees whose short teeth are all wrong (50 of 630), the bound of 60 draws is right in at least 95 %."""
    whole = read_swc(comb).cable_length
    right = 0
    for seed in range(200):
        sample = draw_sample(comb, 60, seed)
        wrong = sum(len(one.draws) for one in sample if one.xyz[1] > 0 and one.length == 5)
        right += upper_bound(wrong, 60) >= 50 / whole
    assert right >= 184  # three deviations below 190
