"""Two honest instances that share a key and know nothing of each other: a restored backup."""

from tests.simulation.node import Node


class Twin(Node):
    crashes = False
