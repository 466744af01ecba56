"""Decoding: the teacher-forced model's bits, whatever the batch; ties, caps, repetition."""

import pytest
import torch

from aliad.compute import decode, exact
from aliad.compute.decode import EOS, length_cap, translate
from aliad.compute.graph import Builder, run
from aliad.compute.layers import Tape
from aliad.compute.microbatch import MicroShape, declare
from aliad.compute.operations import products
from aliad.compute.stepper import Cache, Decoder
from aliad.compute.tables import sinusoids
from aliad.compute.transformer import Parameters, Stack, initial_parameters
from aliad.errors import InputError
from aliad.spec.model import ModelConfig, parameter_shapes
from tests.compute.exactness import lines

CONFIG = ModelConfig(
    vocabulary=60, width=32, hidden=64, heads=2, length=40, encoder_layers=2, decoder_layers=2
)
SOURCES = list(lines(9, 30, 20, CONFIG.vocabulary).source)


@pytest.fixture(scope="module")
def parameters() -> Parameters:
    """Weights large enough that an untrained model has opinions."""
    return {name: x * 2 if x.dim() > 1 else x for name, x in initial_parameters(CONFIG, 3).items()}


@pytest.mark.parametrize("beam", [1, 2, 5])
def test_company_changes_nothing(parameters: Parameters, beam: int) -> None:
    """Alone, all together, or in another order: the same translations and scores."""
    together = translate(parameters, CONFIG, SOURCES, beam=beam)
    alone = [translate(parameters, CONFIG, [s], beam=beam)[0] for s in SOURCES]
    backwards = translate(parameters, CONFIG, SOURCES[::-1], beam=beam)[::-1]
    assert together == alone == backwards


def test_rows_decoded_at_a_time_change_nothing(
    parameters: Parameters, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even how many fit side by side."""
    expected = translate(parameters, CONFIG, SOURCES, beam=2)
    monkeypatch.setattr(decode, "ROWS", 6)
    assert translate(parameters, CONFIG, SOURCES, beam=2) == expected


@pytest.mark.parametrize(
    "wanted",
    [[0, 1, 2, 3], [3, 1], [2, 2, 0], [1, 1, 1, 1], [0, 3, 3, 0], [2, 2, 0, 1, 1, 3, 3, 3]],
)
def test_each_hypothesis_continues_in_a_row_of_its_own(wanted: list[int]) -> None:
    """With the content of the row that it wanted; what nobody copies stays where it is."""
    draw = torch.Generator().manual_seed(1)
    shapes = [(4, 2, 3, 5), (4, 2, 5), (4, 2, 5, 3), (4, 2, 5)]
    before = [torch.rand(shape, generator=draw) for shape in shapes]
    keys, key_scale, values, value_scale = (x.clone() for x in before)
    seen = torch.tensor([4, 5, 6, 7], dtype=torch.int32)
    cache = Cache(keys, key_scale, values, value_scale, seen)
    (placed,), places = decode._placed([cache], wanted)
    assert len(set(places)) == len(places) == len(wanted)
    for name, x in zip(("keys", "key_scale", "values", "value_scale"), before, strict=True):
        assert torch.equal(getattr(placed, name)[places], x[wanted])
    assert placed.seen[places].tolist() == [4 + row for row in wanted]
    if len(set(wanted)) == len(wanted):
        assert places == wanted


def test_steps_are_the_teacher_forced_forward_pass(parameters: Parameters) -> None:
    """Logits over the cache equal, bit for bit, those of the whole target at once."""
    source, target = SOURCES[3], (2, *translate(parameters, CONFIG, SOURCES[3:4])[0].ids)
    b = Builder()
    weights = {name: b.leaf(name, shape) for name, shape in parameter_shapes(CONFIG).items()}
    positions = b.leaf("positions", (CONFIG.length, CONFIG.width))
    inputs = declare(b, MicroShape(1, len(source), len(target)), positions, "batch")
    stack = Stack(Tape(b), CONFIG.without_noise(), weights, inputs, 1)
    graph = b.finish([stack.decode(stack.encode())])

    def ids(values: tuple[int, ...]) -> torch.Tensor:
        return torch.tensor(values, dtype=torch.int32)

    batch = [ids(source), ids((len(source),)), ids(target), ids((len(target),)), ids(target)]
    table = sinusoids(CONFIG.length, CONFIG.width)
    (x,) = run(graph, [*parameters.values(), table, *batch, ids((0,))])
    rows = products.quantise(x, along="rows", terms=CONFIG.width)
    embedding = products.quantise(parameters["embedding"], along="rows", terms=CONFIG.width)
    forced = exact.product(rows, exact.transpose(embedding))

    decoder = Decoder(parameters, CONFIG)
    memory = decoder.encode([source])
    own = [Cache.empty(1, CONFIG, 40, decoder.device) for _ in range(CONFIG.decoder_layers)]
    steps = [
        decoder.step(ids((token,)), at, own, memory, ids((0,))) for at, token in enumerate(target)
    ]
    assert torch.equal(torch.cat(steps), forced)


def test_a_beam_finds_likelier_translations(parameters: Parameters) -> None:
    """On average, by the score it maximises."""
    greedy = sum(h.score for h in translate(parameters, CONFIG, SOURCES))
    beam = sum(h.score for h in translate(parameters, CONFIG, SOURCES, beam=5))
    assert beam > greedy


def test_no_sequence_of_six_repeats_and_no_translation_exceeds_its_cap(
    parameters: Parameters,
) -> None:
    """An untrained model would otherwise go round in circles."""
    for source, h in zip(SOURCES, translate(parameters, CONFIG, SOURCES, beam=3), strict=True):
        sixes = [h.ids[i : i + 6] for i in range(len(h.ids) - 5)]
        assert len(sixes) == len(set(sixes))
        assert len(h.ids) <= length_cap(len(source), CONFIG.length)
        assert EOS not in h.ids


def test_ties_go_to_the_lower_id() -> None:
    """Zero weights make all tokens equally likely."""
    blank = {
        name: torch.zeros_like(x) if x.dim() > 1 else x
        for name, x in initial_parameters(CONFIG, 1).items()
    }
    (h,) = translate(blank, CONFIG, [(5, 3)])
    assert h.ids[:3] == (1, 1, 1)  # 0 and 2, padding and start mark, are never chosen


@pytest.mark.parametrize(
    ("sources", "beam", "text"),
    [
        ([()], 1, "0 tokens"),
        ([(5,) * 41], 1, "41 tokens"),
        ([(60, 3)], 1, "outside 1 to 59"),
        ([(0, 3)], 1, "outside 1 to 59"),
        ([(5, 3)], 0, "beam of 0"),
        ([(5, 3)], 33, "beam of 33"),
    ],
)
def test_bad_input_is_refused(
    parameters: Parameters, sources: list[tuple[int, ...]], beam: int, text: str
) -> None:
    """Before anything is computed."""
    with pytest.raises(InputError, match=text):
        translate(parameters, CONFIG, sources, beam=beam)
