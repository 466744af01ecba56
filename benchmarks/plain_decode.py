"""Greedy decoding with a key/value cache in idiomatic plain float32 torch: the yardstick."""

import torch
from torch import Tensor
from torch.nn import functional as F

from aliad.compute.decode import BOS, EOS, length_cap
from aliad.compute.microbatch import padded
from benchmarks.float32 import PlainTransformer

Ids = tuple[int, ...]
KeyValue = tuple[Tensor, Tensor]


def _step(
    plain: PlainTransformer,
    ids: Tensor,
    at: int,
    own: list[KeyValue],
    cross: list[KeyValue],
    mask: Tensor,
) -> Tensor:
    """Logits [R, V] after ids [R] at position `at`; extends `own`."""
    x = plain.embed(ids[:, None], at)
    for i in range(plain.config.decoder_layers):
        name = f"decoder.{i}.self_attention"
        qkv = F.linear(plain.norm(x, name), plain.weight(f"{name}.query_key_value"))
        q, k, v = plain.heads(qkv, 3)
        if at:
            k, v = torch.cat((own[i][0], k), 2), torch.cat((own[i][1], v), 2)
        own[i] = (k, v)
        y = plain.attend(q, k, v, None, causal=False)
        x = x + F.linear(y, plain.weight(f"{name}.output"))
        name = f"decoder.{i}.cross_attention"
        (q,) = plain.heads(F.linear(plain.norm(x, name), plain.weight(f"{name}.query")), 1)
        y = plain.attend(q, *cross[i], mask, causal=False)
        x = x + F.linear(y, plain.weight(f"{name}.output"))
        x = plain.feed_forward(x, f"decoder.{i}.feed_forward")
    return F.linear(plain.norm(x[:, 0], "decoder"), plain.weight("embedding"))


@torch.inference_mode()
def greedy(plain: PlainTransformer, sources: list[Ids], rows: int = 128) -> list[Ids]:
    """Token ids without the end mark for every source, `rows` sentences at a time."""
    plain.eval()
    order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
    found: dict[int, list[int]] = {i: [] for i in order}
    for start in range(0, len(order), rows):
        part = order[start : start + rows]
        longest = len(sources[part[-1]])
        source = padded([sources[i] for i in part], longest)[0].view(len(part), longest).long()
        memory, mask = plain.encode(source)
        cross: list[KeyValue] = []
        for i in range(plain.config.decoder_layers):
            kv = F.linear(memory, plain.weight(f"decoder.{i}.cross_attention.key_value"))
            k, v = plain.heads(kv, 2)
            cross.append((k, v))
        own: list[KeyValue] = [(memory, memory)] * plain.config.decoder_layers
        ids, live, at = torch.full((len(part),), BOS), part, 0
        while live:
            best = _step(plain, ids, at, own, cross, mask).argmax(-1).tolist()
            at += 1
            keep = []
            for row, (place, token) in enumerate(zip(live, best, strict=True)):
                if token != EOS:
                    found[place].append(token)
                    if at < length_cap(len(sources[place]), plain.config.length):
                        keep.append(row)
            ids = torch.tensor([best[row] for row in keep])
            if len(keep) < len(live):
                index = torch.tensor(keep, dtype=torch.int64)
                own = [(k[index], v[index]) for k, v in own]
                cross = [(k[index], v[index]) for k, v in cross]
                mask = mask[index]
            live = [live[row] for row in keep]
    return [tuple(found[i]) for i in range(len(sources))]
