"""An equivocating validator: next to every vote for a block it casts one for another block."""

from hashlib import sha256

import trio

from aliad.consensus import wire
from aliad.consensus.signing import Ed25519Signer
from aliad.consensus.votes import VOTE, Kind, Vote, vote_message
from aliad.ledger.validators import compute_validators_hash
from aliad.node.frames import encode_frame
from aliad.node.transport import VOTES
from aliad.types import Hash32, Height, View
from tests.node.world import World, node_key


async def equivocate(world: World, number: int) -> None:
    """Beside its honest program: votes for blocks that do not exist, to everybody."""
    run = world.running[number]
    key, service = node_key(number), run.node.service
    signer, genesis = Ed25519Signer(key), service.genesis_hash
    while True:
        tip = service.tip
        height, view = Height(tip.height + 1), View(0)
        block = Hash32(sha256(b"another" + height.to_bytes(8, "big")).digest())
        layout = vote_message(
            compute_validators_hash(tip.validators), height, view, Kind.NOTARIZE, block
        )
        vote = Vote(
            Kind.NOTARIZE, height, view, block, key.node_id, signer.sign(VOTE, genesis, layout)
        )
        for peer in run.network.peers():
            await run.network.send(peer, VOTES, encode_frame([wire.encode(vote)]))
        await trio.sleep(0.1)
