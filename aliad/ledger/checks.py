"""The check of a drawn batch: both checkers commit, then all three reveal, then the verdict.

No reveal is accepted before the second commitment, so nobody can wait for another's digest. Three
commitments that open to one digest verify the batch; anything else is disputed. Silence costs the
silent one its pending rewards of the job and proves nothing against it.
"""

from dataclasses import replace

from aliad.ledger.commitments import compute_commitment
from aliad.ledger.context import Context
from aliad.ledger.disputes import open_dispute
from aliad.ledger.draws import hold, redraw
from aliad.ledger.errors import InvalidTransaction, require
from aliad.ledger.events import Cause, CheckCommitted, Revealed, RevealsOpened
from aliad.ledger.job_state import get_draw, get_job, put_draw
from aliad.ledger.jobs import Draw, DrawPhase, Party
from aliad.ledger.rewards import forfeit
from aliad.ledger.transactions import CheckCommit, Reveal
from aliad.ledger.verdicts import accept_batch
from aliad.types import Hash32, Millis, NodeId


def get_party(draw: Draw, node: NodeId) -> Party:
    """The sender's part in a draw; it is nobody else's turn."""
    for party in draw.parties:
        if party.node == node:
            return party
    raise InvalidTransaction("the sender has no part in this draw")


def put_party(draw: Draw, changed: Party) -> Draw:
    """The draw with one party's part replaced."""
    parties = [changed if party.node == changed.node else party for party in draw.parties]
    return replace(draw, parties=tuple(parties))


def process_check_commit(ctx: Context, sender: NodeId, tx: CheckCommit) -> None:
    """A checker binds itself."""
    draw = get_draw(ctx.state, tx.job, tx.round, tx.batch)
    require(draw.phase is DrawPhase.COMMIT, "this draw takes no commitments now")
    party = get_party(draw, sender)
    require(party.commitment is None, "this node has committed already")
    draw = put_party(draw, replace(party, commitment=tx.commitment))
    ctx.emit(CheckCommitted(tx.job, tx.round, tx.batch, sender))
    if all(other.commitment is not None for other in draw.parties):
        open_reveals(ctx, draw)
    else:
        put_draw(ctx, draw)


def open_reveals(ctx: Context, draw: Draw) -> None:
    """Everybody is bound: ask for the digests."""
    deadline = Millis(ctx.time + get_job(ctx.state, draw.job).terms.reveal_ms)
    put_draw(ctx, replace(draw, phase=DrawPhase.REVEAL, deadline=deadline))
    ctx.emit(RevealsOpened(draw.job, draw.round, draw.batch, deadline))


def process_commit_deadline(ctx: Context, draw: Draw) -> None:
    """Replace the checkers that are silent; the commitments of the others stay sealed."""
    for party in draw.parties:
        if party.commitment is None:
            forfeit(ctx, draw.job, party.node, Cause.SILENCE)
    kept = tuple([party for party in draw.parties[1:] if party.commitment is not None])
    redraw(ctx, draw, kept)


def opens_to(ctx: Context, draw: Draw, party: Party, digest: Hash32) -> bool:
    """Whether a party committed to this digest."""
    return party.commitment == compute_commitment(
        ctx.block.genesis, draw.job, draw.round, draw.batch, party.node, digest
    )


def process_reveal(ctx: Context, sender: NodeId, tx: Reveal) -> None:
    """A party opens its commitment."""
    draw = get_draw(ctx.state, tx.job, tx.round, tx.batch)
    require(draw.phase is DrawPhase.REVEAL, "this draw takes no reveals now")
    party = get_party(draw, sender)
    require(party.revealed is None, "this node has revealed already")
    require(opens_to(ctx, draw, party, tx.digest), "the digest is not the one committed to")
    draw = put_party(draw, replace(party, revealed=tx.digest))
    put_draw(ctx, draw)
    ctx.emit(Revealed(tx.job, tx.round, tx.batch, sender, tx.digest))
    if all(other.revealed is not None for other in draw.parties):
        compute_verdict(ctx, draw)


def process_reveal_deadline(ctx: Context, draw: Draw) -> None:
    """Go on without those who are silent, after burning their pending rewards of the job."""
    for party in draw.parties:
        if party.revealed is None:
            forfeit(ctx, draw.job, party.node, Cause.SILENCE)
    compute_verdict(ctx, draw)


def compute_verdict(ctx: Context, draw: Draw) -> None:
    """Equal commitments verify, different ones are disputed, and silence of all draws again.

    A commitment that was not opened still binds: if it does not fit what others revealed, somebody
    computed something else, and the dispute finds out who.
    """
    revealed = [party.revealed for party in draw.parties if party.revealed is not None]
    if not revealed:
        hold(ctx, draw)
        redraw(ctx, draw)
    elif all(opens_to(ctx, draw, party, revealed[0]) for party in draw.parties):
        accept_batch(ctx, draw, draw.parties[1:])
    else:
        open_dispute(ctx, draw)
