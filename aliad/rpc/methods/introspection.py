"""The interface about itself."""

from aliad.rpc.permissions import Permission
from aliad.rpc.ports import Backend
from aliad.rpc.registry import METHODS, Nothing, Object, Params, View, method


class MethodView(View):
    """A method in a line."""

    name: str
    permission: str
    summary: str


class ByName(Params):
    """A method's name; empty: all of them."""

    method: str = ""


@method("rpc.list", Permission.READ)
async def list_methods(_node: Backend, _query: Nothing) -> list[MethodView]:
    """All methods."""
    return [
        MethodView(name=m.name, permission=m.permission.name.lower(), summary=m.summary)
        for m in sorted(METHODS.values(), key=lambda m: m.name)
    ]


@method("rpc.schema", Permission.READ)
async def schema(_node: Backend, query: ByName) -> list[Object]:
    """JSON schemas of parameters and results."""
    return [
        m.schema()
        for m in sorted(METHODS.values(), key=lambda m: m.name)
        if query.method in ("", m.name)
    ]
