"""Who broke the protocol, from certificates alone.

If two blocks are final at one height, more than a third of the power has signed contradictions, and
two certificates of one view show them. Let x be final in view v and y in w ≥ v. With w = v the two
FINALIZE certificates share more than a third. Otherwise honest validators that certified y in w saw
a justification: it crosses v with a NULLIFY certificate, which shares more than a third with
FINALIZE(v, x), or it rests on a NOTARIZE certificate of v for another block than x, or it does so
at a later view, where the argument begins anew.
"""

from collections.abc import Iterable
from itertools import combinations

from aliad.consensus.evidence import Evidence, contradicts
from aliad.consensus.signing import Verifier
from aliad.consensus.validators import ValidatorSet
from aliad.consensus.verification import certified_votes
from aliad.consensus.votes import Certificate
from aliad.types import Hash32, NodeId, View


def culprits(
    certificates: Iterable[Certificate],
    genesis: Hash32,
    validators: ValidatorSet,
    verifier: Verifier,
) -> dict[NodeId, Evidence]:
    """Proof against every validator whose signatures in these certificates of one height
    contradict each other. Invalid certificates are passed over."""
    views: dict[View, set[Certificate]] = {}
    for certificate in certificates:
        views.setdefault(certificate.view, set()).add(certificate)
    found: dict[NodeId, Evidence] = {}
    for group in views.values():
        valid = [certified_votes(each, genesis, validators, verifier) or () for each in group]
        for left, right in combinations(valid, 2):
            signed = {vote.signer: vote for vote in left}
            for vote in right:
                other = signed.get(vote.signer)
                if other is not None and contradicts(other, vote):
                    found.setdefault(vote.signer, Evidence(other, vote))
    return found
