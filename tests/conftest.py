"""How hypothesis runs: the same examples every time, and no deadline.

`pytest --hypothesis-profile=explore` draws new examples and tries more of them.
"""

from hypothesis import HealthCheck, settings

# A busy machine is no failure: nothing here is asserted about time.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "explore", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")
