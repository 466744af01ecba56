"""README.md of an exported model: how to use it without this program."""

import json

from aliad.compute.decode import REPEAT
from aliad.compute.model_folder import Model
from aliad.local.export_agreement import Agreement

_TEXT = """\
# {name}, {source}-{target}, for CTranslate2

Translates the lines of its input: `pip install ctranslate2 sentencepiece`, then in this folder
`python translate.py < text` with this as `translate.py`:

```python
import sys, ctranslate2, sentencepiece
model = ctranslate2.Translator(".")
tokenizer = sentencepiece.SentencePieceProcessor("tokenizer.model")
pieces = [tokenizer.encode(line.strip(), out_type=str) + [{end}] for line in sys.stdin]
found = model.translate_batch(
    pieces, beam_size=1, max_batch_size=128, max_input_length=0, max_decoding_length={most},
    min_decoding_length=0, no_repeat_ngram_size={repeat}, suppress_sequences=[[{pad}], [{start}]])
print(*(tokenizer.decode(result.hypotheses[0]) for result in found), sep="\\n")
```

- A line is one sentence of at most {length} tokens with its end mark {end}, in Unicode NFC, with
  single spaces.
- A larger `beam_size`, such as 5, is slower and usually a little better.
- aliad stops after 1.6 times as many tokens as the source has and 10; CTranslate2 has one limit
  for all lines.

| | |
|---|---|
| exported from | aliad model `{digest}` |
| weights | {quantization} |
| greedy text equal to aliad's | {equal} of {sentences} sentences |
| the others part where aliad prefers its token | by {widest:.3f} nats or less |
"""


def readme(
    model: Model, digest: bytes, pieces: list[str], quantization: str, agreement: Agreement
) -> str:
    """The file's text. pieces: the text of every token id."""
    pad, _, start, end = map(json.dumps, pieces[:4])
    return _TEXT.format(
        name=" ".join(model.card.name.split()),
        source=model.languages.source,
        target=model.languages.target,
        pad=pad,
        start=start,
        end=end,
        length=model.config.length,
        most=model.config.length - 1,
        repeat=REPEAT,
        digest=digest.hex(),
        quantization=quantization,
        equal=agreement.equal,
        sentences=agreement.sentences,
        widest=abs(agreement.widest),
    )
