"""Error families. The family decides the reaction, the text tells the user what to do.

Every message shown to a person has three lines: what failed, why, and what to try.
"""


class AliadError(Exception):
    """Base of every error this project raises on purpose.

    ``what``, ``why`` and ``fix`` become the three lines of the message.
    """

    def __init__(self, what: str, why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.fix = fix

    def __str__(self) -> str:
        return "\n".join(line for line in (self.what, self.why, self.fix) if line)


class InputError(AliadError):
    """Something a user gave us cannot be used. Nothing was written."""


class ConfigError(InputError):
    """Configuration or key files are unusable. The daemon exits with status 78."""


class RemoteProtocolError(AliadError):
    """A peer sent something invalid. The peer is penalised, the node goes on."""


class LocalProtocolError(AliadError):
    """We were about to break the protocol ourselves: a bug. Crash loudly."""


class StoreCorrupt(AliadError):
    """The database does not hold what it must. Stop, explain, never repair silently."""
