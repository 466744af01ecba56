"""The roles of a node in a job: follower, trainer, originator, checker, referee."""
