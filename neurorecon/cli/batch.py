"""`neurorecon batch`: every stack of a folder, as `neurorecon run` does one; goes on where it was interrupted."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from neurorecon.cli.engine_options import engine_options
from neurorecon.cli.options import (
    SettingOption,
    overwrite_option,
    segment_options,
    settings_option,
    several_stack_options,
    strict_option,
    trace_options,
)
from neurorecon.cli.output_files import page_option, single_file_option, soma_outline_option
from neurorecon.cli.progress_bar import bar
from neurorecon.cli.voice import counted, say, voice_options

if TYPE_CHECKING:
    from neurorecon.batch import BatchResult, EngineSettings, Item, Record
    from neurorecon.core.geometry import VoxelSize
    from neurorecon.segmentation import SegmentSettings
    from neurorecon.tracing import TraceSettings

__all__ = ["command"]

log = logging.getLogger(__name__)


def _shard(ctx: click.Context, parameter: click.Parameter, text: str | None) -> tuple[int, int]:
    from neurorecon.batch import parse_shard

    return (1, 1) if text is None else parse_shard(text)


@click.command("batch")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", metavar="OUTDIR", type=click.Path(path_type=Path), required=True, help="The folder of results."
)
@click.option("--pattern", metavar="GLOB", help="Only stacks with a matching name, or path below DIR.")
@click.option("--recursive/--no-recursive", default=True, show_default=True, help="Include the folders below DIR.")
@engine_options
@click.option(
    "--shard", callback=_shard, metavar="I/N", help="Process only the I-th of N shares, from 1: for job arrays."
)
@click.option("--watch", is_flag=True, help="Keep running: process every new stack, until Ctrl-C.")
@click.option(
    "--settle",
    type=float,
    metavar="SECONDS",
    cls=SettingOption,
    home="neurorecon.batch:BatchSettings",
    fills="settle_seconds",
    help="With --watch: a stack is complete when its files have not changed for this long.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be done, and write nothing.")
@settings_option
@segment_options
@trace_options
@single_file_option
@soma_outline_option
@page_option
@several_stack_options
@strict_option
@overwrite_option
@voice_options
@click.pass_context
def command(
    ctx: click.Context,
    *,
    folder: Path,
    output: Path,
    pattern: str | None,
    recursive: bool,
    engine: "EngineSettings",
    shard: tuple[int, int],
    watch: bool,
    settle: float | None,
    dry_run: bool,
    segment_settings: "SegmentSettings",
    trace_settings: "TraceSettings",
    single_file: bool,
    soma_outline: bool,
    page: bool,
    voxel_size: "VoxelSize | None",
    channel: int | str | None,
    time: int | str | None,
    strict: bool,
    invert: bool | None,
    overwrite: bool,
) -> None:
    """Reconstruct every stack of a folder; continue where it was interrupted.

    Folders below DIR are mirrored in OUTDIR; DIR/sub/a.tif gives OUTDIR/sub/a.swc, a.png, a.html, a.json and
    a.review.csv, and OUTDIR/summary.csv and OUTDIR/report.html summarise all stacks. The same command again processes the
    stacks that are missing, failed or changed. If the settings differ from those of the results in OUTDIR, it is refused;
    --overwrite accepts the new settings and processes all stacks again. Several processes and machines may share one
    OUTDIR. Exit code 1 if a stack failed.

    With --channel all or --time all each channel and time point of a stack is done as a stack of its own: a_t000_c0.swc,
    and a line in the summary. --channel all takes a stack of one channel as well.

    --watch follows DIR while a microscope writes into it: a stack is processed when its files no longer change and can be
    read to the last plane.
    """
    from neurorecon.batch import (
        BatchSettings,
        ReconstructJob,
        StackSettings,
        open_engine,
        plan_batch,
        run_batch,
        run_watch,
    )

    if watch and "all" in (channel, time):
        raise click.UsageError(
            "--watch takes one channel and one time point of each stack; give numbers in place of all"
        )
    settings = BatchSettings(pattern, recursive, engine.jobs, shard, overwrite, channel=channel, time=time)
    if settle is not None:
        settings = replace(settings, settle_seconds=settle)
    if dry_run:
        _say_plan(plan_batch(folder, output, settings), output)
        return
    where = open_engine(engine)
    chosen = segment_settings, trace_settings, voxel_size, channel, single_file, invert, time, soma_outline
    stack_settings = StackSettings(*chosen)
    job = ReconstructJob(stack_settings, here=not engine.elsewhere, strict=strict, page=page)
    from neurorecon.core.errors import one_line

    with bar("batch", unit="stack") as drawn:

        def show(done: int, total: int, record: "Record") -> None:
            drawn.total = total
            drawn.update(done - drawn.n)
            text = one_line(f"{record.status:12}{record.input} {record.reason}".rstrip())
            if watch:
                with drawn.external_write_mode():
                    say(text)
            else:
                log.info("%s (%.1f s)", text, record.seconds)

        run = run_watch if watch else run_batch
        result = run(folder, output, job, settings, engine=where, progress=show)
    _say_result(result, output)
    if result.with_status("failed"):
        ctx.exit(1)


def _say_plan(items: "list[Item]", output: Path) -> None:
    """Show what a batch would do, by the ledger's word; the hashes of the stacks are not taken."""
    from neurorecon.batch.state.ledger import Ledger
    from neurorecon.core.errors import one_line

    ledger = Ledger(output)
    for item in items:
        record = ledger.read(item.key)
        state = "new" if record is None else "interrupted" if record.status == "publishing" else record.status
        click.echo(one_line(f"{state:12}{item.title} -> {item.output}"))
    click.echo(f"{counted(len(items), 'stack')}; nothing was written")


def _say_result(result: "BatchResult", output: Path) -> None:
    """Show the figures of a batch on stdout, and its failures on stderr."""
    from neurorecon.core.errors import one_line

    done, none, failed = (result.with_status(status) for status in ("done", "no neuron", "failed"))
    say(
        f"{counted(len(result.records), 'stack')}: {len(done)} reconstructed, {len(none)} without a neuron, "
        f"{len(failed)} failed ({result.kept} were finished before)"
    )
    if result.summed:
        say(f"wrote {output / 'summary.csv'} and {output / 'report.html'}")
    if failed:
        width = max(len(one_line(record.input)) for record in failed)
        click.echo(f"\n{'failed':{width}}  reason", err=True)
        for record in failed:
            click.echo(f"{one_line(record.input):{width}}  {record.reason}", err=True)
