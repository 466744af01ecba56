#!/bin/sh
# The main job for real: five daemons train a model for 13 epochs and convict a cheater; one of them
# orders the translation of a document from the others; the model translates sentences it has never
# seen; and the chain is replayed offline.
# Usage: demo.sh [BIN] [FOLDER]     BIN holds aliad; FOLDER (runs/demo) is made anew.
# Ends with status 0 only if everything it promises did happen.
set -eu
bin=${1:-.venv/bin}
out=${2:-runs/demo}
pairs=3000
epochs=13
worst_bleu=15  # a model of 0.28 million parameters, in two minutes; untrained it has 0

heading() { printf '\n== %s\n' "$*"; }
fail() {
    echo "demo: $*" >&2
    exit 1
}

if [ -e "$out" ] && [ ! -e "$out/.demo" ]; then
    fail "$out is there and is not of an earlier demo: move it away"
fi
rm -rf "$out"
mkdir -p "$out"
touch "$out/.demo"

cp examples/letter.md "$out/letter.md"

heading "Five daemons, one of which cheats, train a model for $epochs epochs"
"$bin/aliad" devnet --nodes 5 --cheaters 1 --job sample --pairs "$pairs" --epochs "$epochs" \
    --until-done --order "$out/letter.md" --keep "$out/network"

heading "The letter, as the network translated it"
"$bin/aliad" model translate "$out/letter.md" --model "$out/network/model" -q -o "$out/alone.md"
cmp "$out/letter.de.md" "$out/alone.md" || fail "one machine translates the letter differently"
sed 's/^/  /' "$out/letter.de.md"

heading "Test sentences that the training never saw"
corpus=$out/network/corpus model=$out/network/model
head -n 5 "$corpus/test.en" >"$out/some.en"
"$bin/aliad" model translate "$out/some.en" --model "$model" --format lines -q -o "$out/some.out"
[ "$(wc -l <"$out/some.out")" -eq 5 ] || fail "not every line was translated"
paste -d '\n' "$out/some.en" "$out/some.out" "$corpus/test.de" | head -n 15 | awk '
    NR % 3 == 1 { print "  source      " $0 }
    NR % 3 == 2 { print "  translated  " $0 }
    NR % 3 == 0 { print "  reference   " $0; print "" }'
"$bin/aliad" model eval "$model" --source "$corpus/test.en" --target "$corpus/test.de" \
    --json -q >"$out/evaluation.json"
"$bin/python" - "$out/evaluation.json" "$worst_bleu" <<'PYTHON'
import json
import sys
from pathlib import Path

found = json.loads(Path(sys.argv[1]).read_text().splitlines()[-1])
print(f"  BLEU {found['bleu']:.1f}, chrF {found['chrf']:.1f} on {found['lines']} lines, beam 5")
if found["bleu"] < float(sys.argv[2]):
    sys.exit(f"demo: that is below the {sys.argv[2]} BLEU that this model surely reaches")
PYTHON

heading "The chain, replayed from genesis out of one node's database, with the daemons stopped"
"$bin/aliad" chain verify --datadir "$out/network/node0" -q

heading "Done: the model is in $model, the daemons' logs beside it"
echo "  try: echo 'The dog is sleeping.' | $bin/aliad model translate --model $model -"
