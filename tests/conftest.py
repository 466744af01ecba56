"""How all tests run: on one thread; hypothesis with the same examples every time and no deadline.

`pytest --hypothesis-profile=explore` draws new examples and tries more of them.
"""

import os

import torch
from hypothesis import HealthCheck, settings

# A busy machine is no failure: nothing here is asserted about time.
settings.register_profile(
    "steady", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile(
    "explore", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("steady")

# The tensors of tests are small, and two threads that wait for each other on a busy machine are
# several times slower than one. Tests of threads set their own number, in processes of their own.
os.environ.setdefault("OMP_NUM_THREADS", "1")
torch.set_num_threads(1)
