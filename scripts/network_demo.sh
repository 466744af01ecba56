#!/bin/sh
# The main job for real: five daemons train a model and convict a cheater; then the model translates
# sentences it has never seen, and the chain is verified offline. Fails if any of it does not happen.
set -eu
bin=$1
runs=${2:-runs}
out=$runs/network
pairs=${PAIRS:-2000}
epochs=${EPOCHS:-13}

if [ -e "$out" ] && [ ! -e "$out/node0/aliad.toml" ]; then
    echo "$out is there and is no network of ours: move it away." >&2
    exit 1
fi
rm -rf "$out"
mkdir -p "$runs"

echo "== Five daemons, one of which cheats, train a model for $epochs epochs"
"$bin/aliad" devnet --nodes 5 --cheaters 1 --job sample --pairs "$pairs" --epochs "$epochs" \
    --until-done --keep "$out"

echo
echo "== Test sentences that the training never saw"
head -n 5 "$out/corpus/test.en" > "$out/some.en"
head -n 5 "$out/corpus/test.de" > "$out/some.de"
"$bin/aliad" model translate "$out/model" "$out/some.en" -q > "$out/some.out"
paste -d '\n' "$out/some.en" "$out/some.out" "$out/some.de" | awk '
    NR % 3 == 1 { print "  source      " $0 }
    NR % 3 == 2 { print "  translated  " $0 }
    NR % 3 == 0 { print "  reference   " $0; print "" }'
"$bin/aliad" model eval "$out/model" --source "$out/corpus/test.en" --target "$out/corpus/test.de" -q

echo
echo "== The chain, replayed from genesis out of one node's database"
"$bin/aliad" chain verify --datadir "$out/node0" -q
