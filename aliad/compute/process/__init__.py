"""Computing in an operating-system process of its own, one per device.

The node's process imports no torch: it holds `client.ComputeProcess`, which starts
`python -m aliad.compute.process` and speaks with it over a socketpair. A crash, a full device
memory or a long kernel over there cannot delay anything here.

    wire · frames · messages · failures · files     both sides; neither torch nor trio
    spawning · connection · client · pool           the parent: trio
    child/                                          the process that computes: torch

This file imports nothing, so that each side loads only its own half.
"""
