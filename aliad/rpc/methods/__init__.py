"""The methods by area; importing this package registers all of them."""

from aliad.rpc.methods import audit, chain, introspection, job, net, node, order, wallet, work

__all__ = ["audit", "chain", "introspection", "job", "net", "node", "order", "wallet", "work"]
