"""A checker of orders that says that right translations are wrong."""

from dataclasses import replace

from aliad.work.desk import Desk
from tests.byzantine.mistranslator import WrongIds
from tests.work.world_orders import OrderNode


class Slanderer(OrderNode):
    """It translates honestly, and lies about what others have translated."""

    def make_check_desk(self) -> Desk:
        return replace(super().make_check_desk(), translator=WrongIds())
