"""Edges at which kernels and formulas, or two machines, once parted."""

import decimal
from fractions import Fraction

import pytest
import torch

from aliad.compute import decode, exact, kernels, rounds, tables
from aliad.compute.decode import translate
from aliad.compute.exact import ENTRY_BITS, NotFinite
from aliad.compute.graph import tensor_digest
from aliad.compute.microbatch import MicroShape
from aliad.compute.operations import KINDS
from aliad.compute.rounds import RoundRecipe
from aliad.compute.schedule import Schedule, correction
from aliad.compute.transformer import initial_parameters
from aliad.spec.model import ModelConfig
from tests.compute.exactness import Lines

TINY = ModelConfig(
    vocabulary=17, width=16, hidden=16, heads=2, encoder_layers=1, decoder_layers=1, length=8
)
RECIPE = RoundRecipe(Schedule(Fraction(1, 100), 1, 4))


@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_sums_of_one_and_two_terms(tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch of one-word lines has the same bits by kernel and by formula."""
    words = ((7,), (9,))[:tokens]
    lines = Lines(
        tuple((*ids, 3) for ids in words),
        tuple((2, *ids) for ids in words),
        tuple((*ids, 3) for ids in words),
    )
    state = rounds.initial_job_state(TINY, 1)
    fused, _ = rounds.train_batch(state, TINY, RECIPE, [lines], b"edge")
    monkeypatch.setattr(kernels, "ENABLED", False)
    plain, _ = rounds.train_batch(state, TINY, RECIPE, [lines], b"edge")
    assert rounds.update_digest(fused) == rounds.update_digest(plain)


@pytest.mark.parametrize("tokens", [1, 2, 3])
def test_norm_gradient_of_few_tokens(tokens: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gain's gradient sums over tokens."""
    generator = torch.Generator().manual_seed(tokens)
    x, dy = (torch.randn(tokens, 16, generator=generator) for _ in range(2))
    inputs = [dy, x, torch.rand(tokens, 1, generator=generator) + 0.5, torch.ones(16)]
    fused = KINDS["rms_norm_gradient"].run(inputs, {})
    monkeypatch.setattr(kernels, "ENABLED", False)
    plain = KINDS["rms_norm_gradient"].run(inputs, {})
    assert [tensor_digest(a) for a in fused] == [tensor_digest(b) for b in plain]


def test_tables_do_not_depend_on_the_programs_decimal_context() -> None:
    """Someone else may have set a low precision."""
    expected = (tables.sinusoids(32, 16), tables.exp2_fractions())
    rate = tables.cosine_decay(1, 100, Fraction(1, 50))
    with decimal.localcontext(decimal.Context(prec=9)):
        assert torch.equal(tables.sinusoids.__wrapped__(32, 16), expected[0])
        assert torch.equal(tables.exp2_fractions.__wrapped__(), expected[1])
        assert tables.cosine_decay(1, 100, Fraction(1, 50)) == rate


@pytest.mark.parametrize("fused", [True, False])
def test_a_beam_wider_than_the_vocabulary(fused: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """There are no more candidates than tokens."""
    monkeypatch.setattr(kernels, "ENABLED", fused)
    (found,) = translate(initial_parameters(TINY, 1), TINY, [(5, 3)], beam=32)
    assert all(0 <= token < TINY.vocabulary for token in found.ids)
    tokens, gains = decode._candidates(torch.zeros(1, 5), 8)
    assert (tokens, len(gains[0])) == ([[0, 1, 2, 3, 4]], 5)


@pytest.mark.parametrize("heads", [4, 8])
def test_entries_of_narrow_heads_fit_float16(heads: int) -> None:
    """Heads 4 and 2 wide leave more bits than an entry may have."""
    config = ModelConfig(
        vocabulary=17, width=16, hidden=16, heads=heads, encoder_layers=1, decoder_layers=1
    )
    graph = rounds.batch_graph(config, RECIPE, (MicroShape(1, 2, 2),), True)
    bits = [
        value
        for operation in graph.operations
        for name, value in operation.attributes
        if name == "bits"
    ]
    assert max(bits) == ENTRY_BITS


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), 2.0**62])
def test_softmax_refuses_what_is_not_finite(bad: float) -> None:
    """The formula as the kernel."""
    with pytest.raises(NotFinite):
        exact.softmax(torch.tensor([[1.0, bad, 2.0]]))


def test_bias_correction_has_no_step() -> None:
    """The longest memories need it longest."""
    before, after = (correction(Fraction(999, 1000), step) for step in (4095, 4096))
    assert before == pytest.approx(1 / (1 - 0.999**4095), rel=1e-6)
    assert after == pytest.approx(1 / (1 - 0.999**4096), rel=1e-6)
    assert correction(Fraction(9, 10), 1) == 10.0
