"""Translating, in portions between which a request can be cancelled."""

import time
from typing import Final

import torch

from aliad.compute.decode import Hypothesis, translate
from aliad.compute.process.child.progress import Watch
from aliad.compute.process.child.specs import model_config
from aliad.compute.process.child.states import load_parameters
from aliad.compute.process.child.tensorfiles import TensorFiles
from aliad.compute.process.records import Translation
from aliad.compute.process.replies import Decoded
from aliad.compute.process.requests import Decode
from aliad.errors import InputError

HYPOTHESES: Final = 128  # decoded side by side, as in `aliad.compute.decode`


def decode(files: TensorFiles, request: Decode, device: torch.device, watch: Watch) -> Decoded:
    """Raises InputError, NotFinite, Cancelled.

    Translations do not depend on their company, so sources are cut into portions by length: all
    lines of one are about equally long.
    """
    config = model_config(request.model)
    if not 1 <= request.beam <= 32:
        raise InputError(f"A beam of {request.beam} cannot be searched.", "It must be 1 to 32.")
    loaded = load_parameters(files, request.parameters, config)
    parameters = {name: x.to(device) for name, x in loaded.items()}
    sources, size = request.sources, HYPOTHESES // request.beam
    order = sorted(range(len(sources)), key=lambda i: (len(sources[i]), i))
    found: dict[int, Hypothesis] = {}
    watch.total = -(-len(sources) // size)
    started = time.perf_counter()
    for start in range(0, len(order), size):
        watch.step()
        portion = order[start : start + size]
        texts = [sources[i] for i in portion]
        found.update(
            zip(portion, translate(parameters, config, texts, beam=request.beam), strict=True)
        )
    seconds = time.perf_counter() - started
    return Decoded(
        tuple(Translation(found[i].ids, found[i].score) for i in range(len(sources))), seconds
    )
