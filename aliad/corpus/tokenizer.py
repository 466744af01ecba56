"""SentencePiece unigram tokenizer (Kudo 2018): training and use.

One vocabulary for both languages. Byte fallback is on: a character that training never saw
becomes its UTF-8 bytes, so every text has ids and every text survives the way back.
The model file is the tokenizer's identity: it is loaded from bytes and named by their SHA-256.
"""

import hashlib
import io
import re
from collections.abc import Iterable
from typing import Final

import sentencepiece

from aliad.corpus.normal import normalise
from aliad.errors import InputError

PAD: Final = 0
UNK: Final = 1
BOS: Final = 2
EOS: Final = 3
BYTES: Final = 256
SMALLEST_VOCABULARY: Final = 4 + BYTES + 1

# Above this share of the vocabulary, single characters crowd out words: the rarest become bytes.
_ALPHABET_SHARE: Final = 8
_LONGEST_SENTENCE_BYTES: Final = 1 << 20
_ERRORS_ONLY: Final = 2


def digest_of(model: bytes) -> bytes:
    """Give the SHA-256 of a tokenizer's model file, 32 bytes."""
    return hashlib.sha256(model).digest()


def train_tokenizer(sentences: Iterable[str], vocabulary: int) -> bytes:
    """Train a unigram model on the sentences of both languages and give its file as bytes.

    The same sentences in the same order give the same bytes. ``vocabulary`` counts every id:
    4 special ones, 256 bytes, and the pieces learned. Raises InputError if the corpus is empty
    or too small for the vocabulary, or the vocabulary too small for the corpus's alphabet.
    """
    lines = [line for line in map(normalise, sentences) if line]
    if not lines:
        raise InputError(
            "The tokenizer cannot be trained: the corpus has no text.",
            "Every line is empty after control characters and spaces were removed.",
            "Give a corpus with at least a few hundred lines.",
        )
    alphabet = len(set().union(*lines))
    model = io.BytesIO()
    try:
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(lines),
            model_writer=model,
            vocab_size=vocabulary,
            model_type="unigram",
            byte_fallback=True,
            character_coverage=1.0 if alphabet * _ALPHABET_SHARE <= vocabulary else 0.9995,
            normalization_rule_name="identity",
            max_sentence_length=_LONGEST_SENTENCE_BYTES,
            pad_id=PAD,
            unk_id=UNK,
            bos_id=BOS,
            eos_id=EOS,
            num_threads=1,
            minloglevel=_ERRORS_ONLY,
        )
    except RuntimeError as error:
        raise _too_small(str(error), vocabulary, len(lines)) from error
    return model.getvalue()


def _too_small(message: str, vocabulary: int, lines: int) -> InputError:
    what = f"A tokenizer with {vocabulary} ids cannot be trained on these {lines} lines."
    if found := re.search(r"set it to a value <= (\d+)", message):
        return InputError(
            what,
            f"The corpus is too small: it has pieces for a vocabulary of {found[1]} at most.",
            f"Give more text, or ask for a vocabulary of {found[1]} or less.",
        )
    if found := re.search(r"smaller than required_chars\. \d+ vs (\d+)", message):
        return InputError(
            what,
            f"4 special ids, {BYTES} bytes and the letters of this text are {found[1]} ids.",
            f"Ask for a vocabulary of more than {found[1]}; several thousand are usual.",
        )
    return InputError(
        what,
        f"SentencePiece says: {message.strip()}",
        "Check that the vocabulary is a few thousand and the corpus is plain text.",
    )


class Tokenizer:
    """Turns text into token ids and back. Ids are in ``range(size)``, without BOS and EOS."""

    __slots__ = ("_processor", "digest", "model", "size")

    def __init__(self, model: bytes, digest: bytes | None = None) -> None:
        """Load a model file's bytes and check them against ``digest`` where one is given.

        Raises InputError if the digest differs or the file is not a tokenizer of this project.
        """
        self.model: Final = model
        self.digest: Final = digest_of(model)
        if digest is not None and digest != self.digest:
            raise InputError(
                "The tokenizer is not the one it should be.",
                f"Its digest is {self.digest.hex()}, expected was {digest.hex()}.",
                "Fetch the file again, or use the tokenizer that belongs to the model.",
            )
        self._processor: Final = _load(model)
        self.size: Final[int] = self._processor.get_piece_size()

    def encode(self, text: str) -> list[int]:
        """Give the ids of one line, empty for an empty line."""
        ids: list[int] = self._processor.encode(normalise(text))
        return ids

    def encode_batch(self, lines: Iterable[str]) -> list[list[int]]:
        """Give the ids of every line, on one thread."""
        ids: list[list[int]] = self._processor.encode(
            [normalise(line) for line in lines], num_threads=1
        )
        return ids

    def decode(self, ids: Iterable[int]) -> str:
        """Give the text of ``ids``; PAD, BOS and EOS say nothing, bad UTF-8 becomes U+FFFD.

        Raises ValueError for an id outside ``range(size)``.
        """
        spoken: list[int] = []
        for token in ids:
            if not 0 <= token < self.size:
                raise ValueError(f"token id {token} is outside the vocabulary of {self.size}")
            if token not in (PAD, BOS, EOS):
                spoken.append(token)
        text: str = self._processor.decode(spoken)
        return text


def _load(model: bytes) -> sentencepiece.SentencePieceProcessor:
    unusable = InputError(
        "The tokenizer file cannot be used.",
        "It is not a whole SentencePiece model with byte fallback and ids pad=0 unk=1 bos=2 eos=3.",
        "Fetch the file again, or train a tokenizer with this program.",
    )
    if not model:
        raise unusable
    try:
        processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    except RuntimeError as error:
        raise unusable from error
    specials = (
        processor.pad_id(),
        processor.unk_id(),
        processor.bos_id(),
        processor.eos_id(),
    )
    size = processor.get_piece_size()
    if specials != (PAD, UNK, BOS, EOS) or size < SMALLEST_VOCABULARY:
        raise unusable
    if not all(processor.is_byte(EOS + 1 + byte) for byte in range(BYTES)):
        raise unusable
    return processor
