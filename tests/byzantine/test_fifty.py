"""The fifty-server example in small: the shares and the fates that the benchmark measures."""

from benchmarks.fifty import network, statistics


def test_cheaters_are_found_and_nobody_else() -> None:
    found = statistics.run(1)
    assert all(career.convicted for career in found.careers)
    assert found.honest_convictions == 0
    assert found.passed == 0
    assert 0.03 < found.checked / (found.checked + found.trained) <= 0.042


def test_a_round_of_fifty_over_the_vote() -> None:
    figures = network.run(2, 4, exact=False, seed=2)
    assert figures.finished
    assert figures.agreed
    assert figures.draws == figures.verified == 2
    assert figures.check_share <= 0.042
    assert figures.honest_convictions == 0
    assert figures.minted == figures.paid_work * figures.first_rate
