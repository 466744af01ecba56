"""Disputes: three results that are not equal prove that somebody lied; the validators find out who.

With a trace from every party, validators execute the first operation at which two traces differ.
Without, they execute the whole batch: silence neither saves a liar nor convicts a node that
crashed. An order's batch is always executed whole, and has no traces: what decoding does next
follows from the text, so none of its operations can be repeated without it. More than two thirds of
the power must give the same ruling; abstaining is not a vote.
"""

from dataclasses import replace

from aliad.ledger import merkle
from aliad.ledger.commitments import compute_commitment, compute_trace_leaf
from aliad.ledger.context import Context
from aliad.ledger.draws import hold, redraw
from aliad.ledger.eras import get_validators
from aliad.ledger.errors import require
from aliad.ledger.events import DisputeOpened, Ruled, RulingsOpened, TraceCommitted
from aliad.ledger.job_state import get_draw, get_job, put_draw
from aliad.ledger.jobs import MAX_RULINGS, Draw, DrawPhase, JobKind, Party, RulingMode, RulingVote
from aliad.ledger.transactions import Ruling, TraceCommit
from aliad.ledger.validators import is_quorum
from aliad.ledger.verdicts import convict_liars
from aliad.types import ZERO_HASH, Hash32, Millis, NodeId


def open_dispute(ctx: Context, draw: Draw) -> None:
    """Ask for traces, or for rulings at once if there will not be three traces."""
    nodes = tuple([party.node for party in draw.parties])
    training = get_job(ctx.state, draw.job).kind is JobKind.TRAINING
    traced = training and all(party.revealed is not None for party in draw.parties)
    mode = RulingMode.OPERATION if traced else RulingMode.BATCH
    deadline = Millis(ctx.time + (ctx.params.trace_ms if traced else ctx.params.ruling_ms))
    ctx.emit(DisputeOpened(draw.job, draw.round, draw.batch, nodes, mode, deadline))
    if traced:
        put_draw(ctx, replace(draw, phase=DrawPhase.TRACE, deadline=deadline))
    else:
        open_rulings(ctx, draw)


def process_trace_commit(ctx: Context, sender: NodeId, tx: TraceCommit) -> None:
    """A party commits to every operation; the last one must be what it revealed."""
    draw = get_draw(ctx.state, tx.job, tx.round, tx.batch)
    require(draw.phase is DrawPhase.TRACE, "this draw takes no traces now")
    mine = [party for party in draw.parties if party.node == sender]
    require(bool(mine) and mine[0].trace is None, "not the sender's turn")
    require(is_valid_trace(mine[0], tx), "the trace does not end in the revealed digest")
    changed = replace(mine[0], trace=tx.root, operations=tx.operations)
    parties = tuple([changed if party.node == sender else party for party in draw.parties])
    draw = replace(draw, parties=parties)
    ctx.emit(TraceCommitted(tx.job, tx.round, tx.batch, sender, tx.root, tx.blob))
    if all(party.trace is not None for party in parties):
        open_rulings(ctx, draw)
    else:
        put_draw(ctx, draw)


def is_valid_trace(party: Party, tx: TraceCommit) -> bool:
    """Whether the last of the trace's operations gave the digest that the party revealed."""
    if party.revealed is None or tx.operations < 1:
        return False
    last = tx.operations - 1
    leaf = compute_trace_leaf(last, tx.last, party.revealed)
    return merkle.is_valid_path(tx.root, leaf, last, tx.operations, tx.path)


def open_rulings(ctx: Context, draw: Draw) -> None:
    """Ask the validators; without all traces they execute the whole batch."""
    traced = all(party.trace is not None for party in draw.parties)
    mode = RulingMode.OPERATION if traced else RulingMode.BATCH
    deadline = Millis(ctx.time + ctx.params.ruling_ms)
    put_draw(ctx, replace(draw, phase=DrawPhase.RULING, deadline=deadline))
    ctx.emit(RulingsOpened(draw.job, draw.round, draw.batch, mode, deadline))


def process_ruling(ctx: Context, sender: NodeId, tx: Ruling) -> None:
    """Count a validator's answer, and settle the dispute if it makes a quorum."""
    draw = get_draw(ctx.state, tx.job, tx.round, tx.batch)
    require(draw.phase is DrawPhase.RULING, "this draw takes no rulings now")
    require(get_validators(ctx.state).power_of(sender) > 0, "only validators rule")
    past = [vote.mode for vote in draw.rulings if vote.validator == sender]
    require(tx.mode not in past, "this validator has ruled already")
    require(len(draw.rulings) < MAX_RULINGS, "too many validators of past sets have ruled")
    operation = tx.operation if tx.mode is RulingMode.OPERATION else ZERO_HASH
    vote = RulingVote(sender, tx.mode, operation, tx.digest, get_liars(ctx, draw, tx))
    draw = replace(draw, rulings=(*draw.rulings, vote))
    ctx.emit(Ruled(tx.job, tx.round, tx.batch, sender, tx.mode, operation, tx.digest))
    if is_settled(ctx, draw, vote):
        liars = [party for at, party in enumerate(draw.parties) if vote.liars >> at & 1]
        convict_liars(ctx, draw, tuple(liars), operation, tx.digest)
    else:
        put_draw(ctx, draw)


def get_liars(ctx: Context, draw: Draw, tx: Ruling) -> int:
    """Whom the ruling contradicts, as bits; never by the validator's word alone."""
    match tx.mode:
        case RulingMode.ABSTAIN:
            return 0
        case RulingMode.BATCH:
            return _get_bits(ctx, draw, tx.digest)
        case RulingMode.OPERATION:
            return _get_claim_bits(draw, tx)


def _get_bits(ctx: Context, draw: Draw, digest: Hash32) -> int:
    """Parties whose commitment does not open to the right digest."""
    place = (ctx.block.genesis, draw.job, draw.round, draw.batch)
    return sum(
        (party.commitment != compute_commitment(*place, party.node, digest)) << at
        for at, party in enumerate(draw.parties)
    )


def _get_claim_bits(draw: Draw, tx: Ruling) -> int:
    """Parties whose own trace says another digest for the operation, shown by Merkle paths."""
    require(len(tx.claims) == len(draw.parties), "one claim for each party")
    for party, claim in zip(draw.parties, tx.claims, strict=True):
        leaf = compute_trace_leaf(tx.index, tx.operation, claim.digest)
        require(party.trace is not None, "without all traces the whole batch is executed")
        root = party.trace or ZERO_HASH
        proven = merkle.is_valid_path(root, leaf, tx.index, party.operations, claim.path)
        require(proven, "a claim is not in the party's trace")
    require(len({claim.digest for claim in tx.claims}) > 1, "the traces agree on this operation")
    return sum((claim.digest != tx.digest) << at for at, claim in enumerate(tx.claims))


def is_settled(ctx: Context, draw: Draw, vote: RulingVote) -> bool:
    """Whether more than two thirds of all power gave this very answer."""
    validators = get_validators(ctx.state)
    same = sum(
        validators.power_of(other.validator)
        for other in draw.rulings
        if other.mode is not RulingMode.ABSTAIN
        and (other.mode, other.operation, other.digest, other.liars)
        == (vote.mode, vote.operation, vote.digest, vote.liars)
    )
    return is_quorum(same, validators.total)


def process_ruling_deadline(ctx: Context, draw: Draw) -> None:
    """No quorum: nobody is punished, nobody is paid, and fresh checkers are drawn."""
    hold(ctx, draw)
    trainer = replace(draw.parties[0], trace=None, operations=0)
    redraw(ctx, replace(draw, parties=(trainer, *draw.parties[1:])))
