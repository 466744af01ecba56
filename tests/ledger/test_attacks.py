"""Cheating does not pay, and each test of it notices when its countermeasure is gone."""

from collections.abc import Callable

import pytest

from tests.ledger.attacks.mutants import ATTACKS, MUTANTS, Mutant


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.__name__)
def test_attack_does_not_pay(attack: Callable[[], None]) -> None:
    attack()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.attack.__name__)
def test_attack_succeeds_without_its_countermeasure(
    mutant: Mutant, monkeypatch: pytest.MonkeyPatch
) -> None:
    mutant.patch(monkeypatch)
    with pytest.raises(AssertionError):
        mutant.attack()
