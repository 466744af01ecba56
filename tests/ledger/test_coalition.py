"""A coalition of 30 %: no honest node is ever convicted, silent passes are as rare as promised."""

from typing import Any

import pytest

from aliad.ledger import state
from aliad.ledger.schema import Schema
from tests.ledger.coalition import WORKERS, Coalition


@pytest.fixture
def remembering(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was just written is not decoded again: that is most of what the ledger does here, and
    other tests show that every record is read as it was written."""
    written: dict[bytes, Any] = {}
    encode, read = Schema.encode, state._read_cached

    def note(schema: Schema[Any], record: Any) -> bytes:  # noqa: ANN401 - any record
        data = encode(schema, record)
        if len(written) > 20_000:
            written.clear()
        written[data] = record
        return data

    def recall(data: bytes, schema: Schema[Any]) -> Any:  # noqa: ANN401 - any record
        return written[data] if data in written else read(data, schema)

    monkeypatch.setattr(Schema, "encode", note)
    monkeypatch.setattr(state, "_read_cached", recall)


@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("remembering")
def test_ten_thousand_draws_against_thirty_percent() -> None:
    tally = Coalition(seed=1, share=30).run(10_000)
    print(tally.draws, tally.faked, tally.passed, tally.expected, tally.colluders_convicted)
    assert tally.draws >= 10_000
    assert tally.honest_convicted == 0
    assert tally.colluders_convicted > 1_000
    share = 30 / 100
    assert abs(tally.faked - share * tally.draws) < 4 * (tally.draws * share * (1 - share)) ** 0.5
    # a² is the limit for a large network; among 60 workers a checker is not drawn twice.
    deviation = (tally.faked * share**2 * (1 - share**2)) ** 0.5
    assert abs(tally.passed - tally.expected) < 4 * deviation
    assert tally.passed <= tally.faked * share**2 + 4 * deviation
    assert WORKERS * share == 18
