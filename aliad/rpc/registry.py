"""The methods: each a coroutine with a struct of parameters, a struct of results, a permission.

To add one, write in a file of `aliad/rpc/methods/`:

    class Query(Params):
        height: int

    @method("chain.block", Permission.READ)
    async def block(node: Backend, query: Query) -> BlockView:
        '''The summary in the reference page.'''

and run `python -m aliad.rpc.reference > docs/rpc.md`. The schemas follow from the structs.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar, get_type_hints

import msgspec

from aliad.errors import LocalProtocolError
from aliad.rpc.permissions import Permission
from aliad.rpc.ports import Backend, Handler
from aliad.rpc.wire import INVALID_PARAMS, BadFrame, Json

F = TypeVar("F", bound=Handler)
Object: TypeAlias = dict[str, Any]
"""JSON whose form the ledger's records decide."""


class Params(msgspec.Struct, forbid_unknown_fields=True):
    """Parameters of a method, by name."""


class View(msgspec.Struct):
    """A result."""


class Nothing(Params):
    """No parameters."""


class Done(View):
    """It is done; ``text`` says what happens now."""

    text: str = "done"


@dataclass(frozen=True, slots=True)
class Method:
    """One method."""

    name: str
    permission: Permission
    params: type[Params]
    result: Any
    summary: str
    handler: Handler
    changes: bool

    async def call(self, node: Backend, given: Mapping[str, Json]) -> Json:
        """Check the parameters, do it, and give the result as JSON. Raises BadFrame, AliadError."""
        try:
            params = msgspec.convert(dict(given), self.params, strict=True)
        except msgspec.ValidationError as error:
            raise BadFrame(INVALID_PARAMS, f"{self.name}: {error}") from None
        result: Json = msgspec.to_builtins(await self.handler(node, params))
        return result

    def schema(self) -> dict[str, Json]:
        """JSON schemas of parameters and result."""
        return {
            "name": self.name,
            "permission": self.permission.name.lower(),
            "summary": self.summary,
            "params": msgspec.json.schema(self.params),
            "result": msgspec.json.schema(self.result),
        }


METHODS: Final[dict[str, Method]] = {}


def method(name: str, permission: Permission, *, changes: bool | None = None) -> Callable[[F], F]:
    """Register a coroutine as a method. ``changes``: whether a call is worth a line in the log;
    those that need more than the permission to read do, unless it is said."""
    telling = permission > Permission.READ if changes is None else changes

    def register(handler: F) -> F:
        hints = get_type_hints(handler)
        params = hints[list(inspect.signature(handler).parameters)[1]]
        if name in METHODS:
            raise LocalProtocolError(f"the method {name} is defined twice")
        summary = " ".join((handler.__doc__ or "").split())
        METHODS[name] = Method(name, permission, params, hints["return"], summary, handler, telling)
        return handler

    return register
