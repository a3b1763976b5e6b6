"""`neurorecon review`: verdicts of a person on a tree, and what a review is worth."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurorecon.cli.options import overwrite_option
from neurorecon.cli.output_files import size_of
from neurorecon.cli.voice import say, voice_options
from neurorecon.core.errors import one_line

if TYPE_CHECKING:
    from neurorecon.mend import Applied

__all__ = ["command"]

# Set by hand; not tuned, unless a line says more.
SHARE = 0.2  # of the looks, at which `simulate` says what is gained


@click.group("review")
def command() -> None:
    """Carry out the verdicts of a review, and say what a review is worth.

    A review goes through OUT.review.csv from the top; docs/review.md says how, and what a file of verdicts holds.
    """


@command.command("apply")
@click.argument("swc", metavar="OUT.swc", type=click.Path(path_type=Path))
@click.argument("verdicts", metavar="OUT.verdicts.json", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    metavar="MENDED.swc",
    type=click.Path(path_type=Path),
    required=True,
    help="The mended tree; MENDED.audit.jsonl goes beside it.",
)
@click.option(
    "--probability",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The probability map in which joins find their way. When not given: OUT_prob.tif or OUT_prob.ome.zarr beside OUT.swc, "
    "else one is made for the box around each join, from the stack by the network that OUT.json names.",
)
@click.option(
    "--stack",
    metavar="STACK",
    type=click.Path(path_type=Path),
    help="Where the stack lies now, if it was moved or no OUT.json names it.",
)
@click.option(
    "--training",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="Put the stack and the mended tree into this folder as a pair for `neurorecon train --data DIR`: what was dropped is "
    "background there, and nothing is asked where nobody looked.",
)
@overwrite_option
@voice_options
def apply_command(
    *,
    swc: Path,
    verdicts: Path,
    output: Path,
    probability: Path | None,
    stack: Path | None,
    training: Path | None,
    overwrite: bool,
) -> None:
    """Carry out the verdicts of a review.

    Stretches are kept or dropped, links cut, points joined, ways on added, trees rerooted, types set. A join or
    a way on follows the cheapest way through the probability; where neither map nor stack can be had it is a straight line,
    with a warning. The header of MENDED.swc says what was done; MENDED.audit.jsonl has a line for each verdict, with what
    came of it.

    Verdicts of another tree are refused. A tree that has the verdicts already is copied as it is.
    """
    from neurorecon.mend import apply_file, check_lesson, teach

    if training is not None:
        check_lesson(training, output, swc, stack=stack, overwrite=overwrite)
    applied = apply_file(swc, verdicts, output, probability=probability, stack=stack, overwrite=overwrite)
    _say_applied(applied, output)
    if training is not None and applied.mended is not None:
        say(f"wrote {teach(swc, applied, training, output.stem, stack=stack, overwrite=overwrite)}")


def _say_applied(applied: "Applied", output: Path) -> None:
    """Name the file that was written, and each verdict that was left out."""
    if applied.mended is None:
        say(f"wrote {output}: it has these verdicts already; nothing changed")
        return
    outcomes, tree = applied.mended.outcomes, applied.mended.tree
    for outcome in outcomes:
        if not outcome.done:
            click.echo(one_line(f"neurorecon: warning: {outcome.verdict.label}: left out: {outcome.what}"), err=True)
    done = sum(outcome.done for outcome in outcomes)
    say(f"wrote {output}: {done} of {len(outcomes)} verdicts done; {size_of(tree)}")


@command.command("audit")
@click.argument("swc", metavar="OUT.swc", type=click.Path(path_type=Path))
@click.option("-n", "--number", default=60, show_default=True, metavar="N", type=click.IntRange(1, 100_000),
              help="Number of draws; 60 without a wrong one say that at most 5 % of the cable is wrong.")  # fmt: skip
@click.option("--seed", default=0, show_default=True, metavar="S", type=click.IntRange(min=0), help="Of the draws.")
@click.option(
    "--judged",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="The filled OUT.audit.csv, or a file of verdicts on its stretches: says how much of the cable is wrong at most.",
)
@click.option("-o", "--output", metavar="FILE", type=click.Path(path_type=Path),
              help="The sample.  [default: OUT.audit.csv beside OUT.swc]")  # fmt: skip
@overwrite_option
@voice_options
def audit_command(
    *, swc: Path, number: int, seed: int, judged: Path | None, output: Path | None, overwrite: bool
) -> None:
    """Draw a random sample of stretches, or say what a judged one proves.

    Longer stretches are drawn more often, so that the sample stands for the cable. Fill the column `wrong` of OUT.audit.csv
    with yes or no, from the top; what stands below the first empty one does not count. Then --judged OUT.audit.csv says in one
    sentence how much of the cable is wrong at most (95 %): when that is little enough, stop.
    """
    from neurorecon.mend import audit_path, draw_sample, judged_by, write_sample

    if judged is not None:
        if output is not None:
            raise click.UsageError("-o is for the sample; --judged writes nothing")
        click.echo(judged_by(judged, swc, draw_sample(swc, number, seed)).sentence)
        return
    sample = draw_sample(swc, number, seed)
    place = output or audit_path(swc)
    write_sample(sample, swc, place, overwrite=overwrite)
    say(f"wrote {place}: {len(sample)} stretches of {number} draws; fill its column `wrong` with yes or no")


@command.command("simulate")
@click.argument("swc", metavar="OUT.swc", type=click.Path(path_type=Path))
@click.argument("gold", metavar="GOLD.swc", type=click.Path(path_type=Path))
@click.option("--seed", default=0, show_default=True, metavar="S", type=click.IntRange(min=0),
              help="Of the random order.")  # fmt: skip
@click.option("-o", "--output", metavar="FILE.csv", type=click.Path(path_type=Path),
              help="The table; FILE.png goes beside it.  [default: OUT.simulation.csv beside OUT.swc]")  # fmt: skip
@overwrite_option
@voice_options
def simulate_command(*, swc: Path, gold: Path, seed: int, output: Path | None, overwrite: bool) -> None:
    """Say what the review list of a tree is worth, given the expert's tree.

    A simulated person goes through OUT.review.csv from the top, look by look: the stretches of one close-up together.
    It drops a stretch that is further than 3 from GOLD and follows its neurite as the page does, cuts links between two
    of GOLD's neurites, joins what GOLD joins within the length of a stretch, and adds what the list says is missing where
    GOLD has it. The table has F1, path_agreement and branch_f1 after some shares of the looks, also for a random order,
    for the looks with the most cable first, and for the best order, which only GOLD tells; the picture draws them.
    """
    from neurorecon.core.files import check_output
    from neurorecon.mend import draw_curves, gained, simulate, write_curves

    table = output or swc.with_suffix(".simulation.csv")
    picture = table.with_suffix(".png")
    if picture == table:
        raise click.UsageError("-o names the table; give a name that ends in .csv")
    for path in (table, picture):
        check_output(path, overwrite=overwrite)
    points = simulate(swc, gold, seed=seed)
    write_curves(points, table, overwrite=overwrite)
    draw_curves(points, picture, title=swc.name, overwrite=overwrite)
    first, last = points[0].scores, next(point for point in reversed(points) if point.order == "list")
    say(f"{last.looks} looks show all {last.stretches} stretches")
    for score in first:
        part, best = (gained(points, order, score, SHARE) for order in ("list", "best"))
        worth = f"{part:.0%} of it at {SHARE:.0%} of the looks; the best order {best:.0%}"
        say(
            f"{score:15s}{first[score]:.3f} -> {last.scores[score]:.3f}; {'nothing to gain' if part != part else worth}"
        )
    say(f"wrote {table} and {picture}")
