"""``python -m aliad.corpus.sample DIR`` writes the sample corpus."""

import argparse
import sys
from pathlib import Path

from aliad.corpus.sample.corpus import make_sample, write_sample
from aliad.errors import InputError


def main(arguments: list[str] | None = None) -> int:
    """Write the corpus and say where it is; exit status 1 with three lines if that fails."""
    parser = argparse.ArgumentParser(
        prog="python -m aliad.corpus.sample",
        description="Write train, valid and test .en/.de files of a generated sample corpus.",
        epilog="Examples: python -m aliad.corpus.sample sample/"
        "   python -m aliad.corpus.sample sample/ --train 20000 --seed 7",
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--train", type=int, default=8000, help="training pairs (8000)")
    parser.add_argument("--valid", type=int, default=500, help="validation pairs (500)")
    parser.add_argument("--test", type=int, default=500, help="test pairs (500)")
    parser.add_argument("--seed", type=int, default=0, help="another seed, other sentences (0)")
    given = parser.parse_args(arguments)
    try:
        corpus = make_sample(given.train, given.valid, given.test, given.seed)
        paths = write_sample(corpus, given.folder)
    except InputError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for path in paths:
        sys.stdout.write(f"{path}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
