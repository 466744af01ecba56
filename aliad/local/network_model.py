"""Making the model of a finished network job: a folder like one that was trained on one machine.

    python -m aliad.local.network_model SPEC FILES STATE TOKENIZER MANIFEST HELD_OUT LOSS ROUNDS OUT

Runs in a process of its own: measuring the model needs torch. SPEC holds the job's spec, FILES is
the compute processes' directory and STATE the name of the last state's file there; HELD_OUT may
be `-`.
"""

import os
import sys
from collections.abc import Sequence
from pathlib import Path

import torch

from aliad.compute.memory import keep_freed_memory
from aliad.compute.model_folder import Stored, save_model
from aliad.compute.process.child.states import load_state
from aliad.compute.process.child.tensorfiles import TensorFiles
from aliad.compute.process.files import ContentDirectory, FileDigest
from aliad.corpus.cleaning import CleaningReport
from aliad.corpus.manifest import decode_manifest
from aliad.corpus.pair import Pair
from aliad.corpus.tokenizer import Tokenizer
from aliad.errors import AliadError
from aliad.local.checkpoint import Resumed
from aliad.local.finish import finished_model
from aliad.local.prepare import Prepared
from aliad.spec.dataset import decode_held_out
from aliad.spec.job import JobSpec, decode_job_spec


def make_network_model(
    spec: JobSpec,
    files: ContentDirectory,
    state: FileDigest,
    tokenizer: bytes,
    manifest: bytes,
    held_out: bytes | None,
    loss: float,
    rounds: int,
    output: Path,
) -> Stored:
    """Measure the state's model on the held-out pairs and write its folder. Raises AliadError."""
    config = spec.model
    found = load_state(TensorFiles(files), state, config)
    listed = decode_manifest(manifest)
    pairs = () if held_out is None else decode_held_out(held_out).pairs
    prepared = Prepared(
        Tokenizer(tokenizer),
        (),
        listed,
        listed.lines,
        0,
        tuple(Pair(source, target, at + 1) for at, (source, target) in enumerate(pairs)),
        (),
        CleaningReport(listed.lines, listed.lines, (), ()),
    )
    at = Resumed(found, found.momentum, loss)
    return save_model(finished_model(spec.training, prepared, at, rounds), output)


def main(arguments: Sequence[str]) -> int:
    """See the module's text. Status 1 and three lines on stderr for whatever is wrong."""
    spec, files, state, tokenizer, manifest, held_out, loss, rounds, output = arguments
    os.nice(10)
    torch.set_num_threads(1)
    keep_freed_memory()
    try:
        make_network_model(
            decode_job_spec(Path(spec).read_bytes()),
            ContentDirectory(Path(files)),
            FileDigest(bytes.fromhex(state)),
            Path(tokenizer).read_bytes(),
            Path(manifest).read_bytes(),
            None if held_out == "-" else Path(held_out).read_bytes(),
            int(loss) / 1000,
            int(rounds),
            Path(output),
        )
    except AliadError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
