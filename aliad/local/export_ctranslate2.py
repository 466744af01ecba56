"""A model in the format of CTranslate2, an inference engine for Transformers (OpenNMT, MIT).

The layers are the same; what differs is the arithmetic. Our products are made of rounded weights,
so the float32 export holds those weights, and only the rounding of activations is missing there.
The output projection is then no longer the embedding table itself, which costs one more table.
int8 rounds weights to 8 bits anyway: there the table is shared.

CTranslate2 is an optional dependency and is imported when it is used.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from aliad.compute.decode import BOS, EOS, PAD, REPEAT
from aliad.compute.exact import Quantised
from aliad.compute.stepper import rounded_table, rounded_weights
from aliad.compute.tables import sinusoids
from aliad.compute.transformer import Parameters
from aliad.corpus.tokenizer import UNK
from aliad.errors import InputError
from aliad.spec.model import ModelConfig

SENTENCES: Final = 128  # decoded side by side


Spec: TypeAlias = Any  # CTranslate2's descriptions of layers have no types
Array: TypeAlias = NDArray[np.float32]


class Quantization(StrEnum):
    """How weights are stored, and what CTranslate2 computes with unless told otherwise."""

    FLOAT32 = "float32"
    INT8 = "int8"


def require_ctranslate2() -> None:
    """Raise InputError unless CTranslate2 can be imported."""
    try:
        import ctranslate2  # noqa: F401
    except ImportError as error:
        raise InputError(
            "The model cannot be exported: CTranslate2 cannot be used here.",
            f"Python says: {error}.",
            "Install it: pip install 'ctranslate2>=4.8,<5'",
        ) from error


def write_model(
    parameters: Parameters,
    config: ModelConfig,
    pieces: Sequence[str],
    folder: Path,
    quantization: Quantization,
) -> None:
    """Write model.bin, config.json and the vocabulary into `folder`, which must be there.

    pieces: the text of every token id. Raises InputError for what CTranslate2 refuses.
    """
    spec = _specification(parameters, config, quantization)
    spec.config.layer_norm_epsilon = config.eps
    spec.config.unk_token, spec.config.eos_token = pieces[UNK], pieces[EOS]
    spec.config.bos_token = spec.config.decoder_start_token = pieces[BOS]
    spec.register_source_vocabulary(list(pieces))
    spec.register_target_vocabulary(list(pieces))
    try:
        spec.validate()
        spec.optimize(quantization=quantization.value)
        spec.save(str(folder))
    except (RuntimeError, ValueError) as error:
        raise refused(error) from error


def _specification(parameters: Parameters, config: ModelConfig, quantization: Quantization) -> Spec:
    """CTranslate2's description of the model with its weights."""
    from ctranslate2.specs import transformer_spec as ct2

    encoder = ct2.TransformerEncoderSpec(config.encoder_layers, config.heads, rms_norm=True)
    decoder = ct2.TransformerDecoderSpec(config.decoder_layers, config.heads, rms_norm=True)
    filling = _Filling(_weights(parameters))
    table = filling.weights["embedding"]
    encoder.embeddings[0].weight = decoder.embeddings.weight = table
    float32 = quantization is Quantization.FLOAT32
    decoder.projection.weight = _plain(rounded_table(parameters)) if float32 else table
    for name, stack in (("encoder", encoder), ("decoder", decoder)):
        stack.position_encodings.encodings = sinusoids(config.length, config.width).numpy()
        stack.layer_norm.gamma = filling.weights[f"{name}.norm"]
        for i, layer in enumerate(stack.layer):
            filling.layer(layer, f"{name}.{i}")
    return ct2.TransformerSpec(encoder, decoder)


def _weights(parameters: Parameters) -> dict[str, Array]:
    """float32 arrays of our own, since CTranslate2 works in place; matrices as products see them.

    The embedding table is as it is looked up.
    """
    found = {name: x.numpy().copy() for name, x in parameters.items()}
    return found | {name: _plain(q) for name, q in rounded_weights(parameters).items()}


def _plain(x: Quantised) -> Array:
    return np.asarray((x.values * x.scale).numpy())


@dataclass(frozen=True, slots=True)
class _Filling:
    """Puts the weights of a layer where CTranslate2 wants them. Both join query, key and value
    in this order, and split heads alike."""

    weights: dict[str, Array]

    def layer(self, layer: Spec, name: str) -> None:
        self._attention(layer.self_attention, f"{name}.self_attention", "query_key_value")
        if hasattr(layer, "attention"):
            self._attention(layer.attention, f"{name}.cross_attention", "query", "key_value")
        self._sublayer(layer.ffn, f"{name}.feed_forward")
        layer.ffn.linear_0.weight = self.weights[f"{name}.feed_forward.up"]
        layer.ffn.linear_1.weight = self.weights[f"{name}.feed_forward.down"]

    def _attention(self, attention: Spec, name: str, *inputs: str) -> None:
        self._sublayer(attention, name)
        for linear, part in zip(attention.linear, (*inputs, "output"), strict=True):
            linear.weight = self.weights[f"{name}.{part}"]

    def _sublayer(self, sublayer: Spec, name: str) -> None:
        sublayer.layer_norm.gamma = self.weights[f"{name}.norm"]


class Exported:
    """An exported model, loaded for greedy translation on the CPU."""

    def __init__(
        self, folder: Path, pieces: Sequence[str], config: ModelConfig, threads: int
    ) -> None:
        """Raises InputError if CTranslate2 cannot load it."""
        import ctranslate2

        self._forbidden = [[pieces[PAD]], [pieces[BOS]]]
        self._config = config
        try:
            self._translator = ctranslate2.Translator(
                str(folder), device="cpu", inter_threads=1, intra_threads=threads
            )
        except (RuntimeError, ValueError) as error:
            raise refused(error) from error

    def greedy(self, sources: Sequence[Sequence[str]], caps: Sequence[int]) -> list[list[str]]:
        """Pieces of the greedy translation of each source, which ends with the end mark.

        caps: most tokens of each translation.
        """
        if not sources:
            return []
        found = self._translator.translate_batch(
            [list(source) for source in sources],
            beam_size=1,
            max_batch_size=SENTENCES,
            max_input_length=0,
            min_decoding_length=0,
            max_decoding_length=max(caps),
            no_repeat_ngram_size=REPEAT,
            suppress_sequences=self._forbidden,
        )
        # Greedy search never looks back, so cutting later is the same as stopping earlier.
        return [list(result.hypotheses[0][:cap]) for result, cap in zip(found, caps, strict=True)]


def refused(error: Exception) -> InputError:
    """The error for a model that CTranslate2 does not take."""
    return InputError(
        "The model cannot be exported.",
        f"CTranslate2 says: {' '.join(str(error).split())}",
        "Another version of CTranslate2 may take it: pip install --upgrade ctranslate2.",
    )
