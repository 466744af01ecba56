"""`aliad devnet`: a whole network on this machine, and what happens in it."""

import shutil
import signal
import tempfile
import time
from pathlib import Path
from types import FrameType

import click

from aliad.cli.devnet_end import conclude
from aliad.cli.devnet_view import View, make_view
from aliad.cli.output import Output, output_options
from aliad.errors import InputError

READY_SECONDS = 600.0


@click.command(
    epilog="\b\nExamples:\n"
    "  aliad devnet --nodes 5 --cheaters 1 --job sample --until-done\n"
    "  aliad devnet --nodes 4 --keep ./net"
)
@click.option("--nodes", default=5, show_default=True, type=click.IntRange(1, 50))
@click.option(
    "--cheaters", default=0, show_default=True, type=click.IntRange(0, 10), help="Of the nodes."
)
@click.option(
    "--job",
    default="",
    metavar="sample|SPEC,SOURCE[,TARGET]",
    help="Train the generated sample corpus, or yours.",
)
@click.option("--pairs", default=3000, show_default=True, help="Size of the sample corpus.")
@click.option("--epochs", default=13, show_default=True, help="Passes over the sample corpus.")
@click.option(
    "--order",
    "document",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Have the network translate FILE with the job's model, for node 1.",
)
@click.option(
    "--keep",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Keep everything in a new folder: logs, databases, the model.",
)
@click.option("--until-done", is_flag=True, help="End when the job is over.")
@click.option(
    "--limit", type=float, default=0.0, metavar="SECONDS", help="Fail if the job takes longer."
)
@output_options
def devnet(
    nodes: int,
    cheaters: int,
    job: str,
    pairs: int,
    epochs: int,
    document: Path | None,
    keep: Path | None,
    until_done: bool,
    limit: float,
    output: Output,
) -> None:
    """Run N real daemons on loopback: one genesis, one originator, BFT, compute, everything.

    Shows heights, rounds, loss, who trains, who checks, verdicts and balances. Cheaters lie about
    every batch they train; sooner or later each is drawn, and convicted at an operation.
    """
    if document is not None and not (job and until_done):
        raise click.UsageError("--order needs --job and --until-done: it waits for the model.")
    if keep is not None and keep.exists():
        raise InputError(f"{keep} exists", "a devnet begins with an empty folder", "Name another.")
    folder = keep or Path(tempfile.mkdtemp(prefix="aliad-devnet-"))
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        net = folder.absolute()
        _run(net, nodes, cheaters, job, pairs, epochs, document, until_done, limit, output)
    finally:
        if keep is None:
            shutil.rmtree(folder, ignore_errors=True)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _run(
    folder: Path,
    nodes: int,
    cheaters: int,
    job: str,
    pairs: int,
    epochs: int,
    document: Path | None,
    until_done: bool,
    limit: float,
    output: Output,
) -> None:
    from aliad.daemon import devnet_job
    from aliad.daemon.devnet import DevnetPlan, make_devnet
    from aliad.ledger.params import Params
    from aliad.types import Millis, RewardRate

    folder.mkdir(parents=True, exist_ok=True)
    params = Params(
        era_blocks=50,
        vesting_rounds=8,
        newcomer_batches=4,
        initial_reward_rate=RewardRate(1_000_000),
        trace_ms=Millis(60_000),
        ruling_ms=Millis(60_000),
    )
    devnet = make_devnet(DevnetPlan(folder, nodes, nodes - cheaters, cheaters, params))
    prepared = folder / "job"
    if job:
        output.say("Compiling the kernels, preparing the job …")
        devnet_job.warm_up()
        trainers = max(3, nodes - 1)
        chosen = (
            devnet_job.sample_job(folder, trainers, pairs, epochs)
            if job == devnet_job.SAMPLE
            else devnet_job.files_job(tuple(Path(part) for part in job.split(",")))
        )
        devnet_job.prepare(chosen, prepared, min(3, nodes))
    with devnet:
        output.say(f"Starting {nodes} daemons …")
        devnet.start()
        with make_view(devnet, output) as view:
            if job:
                view.say("The compute processes are starting …")
                _wait_for_compute(view)
                view.submit(prepared)
            _follow(view, until_done and bool(job), limit)
        if job and view.is_over:
            if document is not None and view.phase == "closed":
                from aliad.cli.devnet_order import order_document

                order_document(view, document, output)
            conclude(view, folder / "model", output)


def _wait_for_compute(view: View) -> None:
    deadline = time.monotonic() + READY_SECONDS
    while not view.all_compute():
        view.update()
        if time.monotonic() > deadline:
            raise InputError(
                "the compute processes do not start",
                view.why_no_compute(),
                "`python -m aliad.compute.selftest` tells whether this machine can compute.",
            )
        time.sleep(0.5)


def _follow(view: View, until_done: bool, limit: float) -> None:
    began = time.monotonic()
    try:
        while True:
            view.update()
            if until_done and view.is_over:
                return
            if limit and time.monotonic() - began > limit:
                raise InputError(
                    f"the job is not over after {limit:.0f} s", view.headline(), "Allow more time."
                )
            time.sleep(0.5)
    except KeyboardInterrupt:
        view.say("Stopping …")
