"""The originators' list: validators vote on who may open training jobs."""

from dataclasses import replace

from aliad.ledger import keys
from aliad.ledger.context import Context
from aliad.ledger.eras import get_validators
from aliad.ledger.errors import require
from aliad.ledger.events import OriginatorAdmitted, OriginatorRemoved, OriginatorVoted
from aliad.ledger.records import BALLOT, Ballot
from aliad.ledger.state import StateReader, load
from aliad.ledger.transactions import VoteOriginator
from aliad.ledger.validators import ValidatorSet, is_quorum
from aliad.types import NodeId

_LISTED = b"\x01"


def is_originator(state: StateReader, node: NodeId) -> bool:
    """Whether a node may open training jobs."""
    return state.get(keys.originator(node)) is not None


def admit(ctx: Context, node: NodeId) -> None:
    """Put a node on the list."""
    ctx.state.put(keys.originator(node), _LISTED)


def process_vote_originator(ctx: Context, sender: NodeId, tx: VoteOriginator) -> None:
    """A later vote of the same validator replaces its earlier one."""
    validators = get_validators(ctx.state)
    require(validators.power_of(sender) > 0, "only validators vote on originators")
    listed = is_originator(ctx.state, tx.subject)
    require(listed != tx.admit, "the list says so already")
    ballot = load(ctx.state, keys.ballot(tx.subject), BALLOT) or Ballot((), ())
    ballot = _without_strangers(ballot, validators)
    past = ballot.admit if tx.admit else ballot.remove
    require(sender not in past, "this validator has voted so already")
    ballot = _vote(ballot, sender, tx.admit)
    ctx.emit(OriginatorVoted(sender, tx.subject, tx.admit))
    voters = ballot.admit if tx.admit else ballot.remove
    power = sum(validators.power_of(node) for node in voters)
    if is_quorum(power, validators.total):
        _decide(ctx, tx)
    else:
        ctx.state.put(keys.ballot(tx.subject), BALLOT.encode(ballot))


def _without_strangers(ballot: Ballot, validators: ValidatorSet) -> Ballot:
    known = {member.node for member in validators.members}
    return Ballot(
        tuple([node for node in ballot.admit if node in known]),
        tuple([node for node in ballot.remove if node in known]),
    )


def _vote(ballot: Ballot, sender: NodeId, admits: bool) -> Ballot:
    for_it = tuple([node for node in ballot.admit if node != sender])
    against = tuple([node for node in ballot.remove if node != sender])
    ballot = Ballot(for_it, against)
    if admits:
        return replace(ballot, admit=tuple(sorted((*for_it, sender))))
    return replace(ballot, remove=tuple(sorted((*against, sender))))


def _decide(ctx: Context, tx: VoteOriginator) -> None:
    ctx.state.delete(keys.ballot(tx.subject))
    if tx.admit:
        admit(ctx, tx.subject)
        ctx.emit(OriginatorAdmitted(tx.subject))
    else:
        ctx.state.delete(keys.originator(tx.subject))
        ctx.emit(OriginatorRemoved(tx.subject))
