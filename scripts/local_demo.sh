#!/bin/sh
# Train a small translation model the way the network does, kill it on the way, and use it.
# Usage: local_demo.sh [BIN] [FOLDER]     BIN holds python; FOLDER (runs/local) is made anew.
# Ends with status 0 only if everything it promises did happen.
set -eu
bin=${1:-.venv/bin}
out=${2:-runs/local}
worst_bleu=50
kill_after=6  # rounds
compare_at=12 # rounds
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE

aliad() { "$bin/python" -m aliad.cli.main "$@"; }
heading() { printf '\n== %s\n' "$*"; }
fail() {
    echo "demo: $*" >&2
    exit 1
}

started=
cleanup() {
    # Only what this script started; each has its own process id.
    for process in $started; do kill "$process" 2>/dev/null || true; done
}
trap cleanup EXIT
trap 'exit 130' INT TERM

rm -rf "$out"
mkdir -p "$out"

heading "A corpus from a small grammar, English and German"
aliad model sample -o "$out/corpus" --train 5000 --valid 250 --test 250 >/dev/null
wc -l "$out"/corpus/*.en | sed 's/^/  /'
paste -d '\n' "$out/corpus/train.en" "$out/corpus/train.de" | head -n 4 | sed 's/^/  /'

# The train verb of this demo, into folder $1; more options may follow.
train_into() {
    folder=$1
    shift
    exec "$bin/python" -m aliad.cli.main model train examples/sample.toml \
        --source "$out/corpus/train.en" --target "$out/corpus/train.de" \
        --valid-source "$out/corpus/valid.en" --valid-target "$out/corpus/valid.de" \
        --checkpoint 0 --json -o "$folder" "$@"
}

heading "Training, and killing it with SIGKILL after round $kill_after"
(train_into "$out/model" -q) >"$out/killed.jsonl" &
victim=$!
started=$victim
until grep -q "\"event\": \"saved\", \"round\": $kill_after," "$out/killed.jsonl"; do
    kill -0 "$victim" 2>/dev/null || fail "the training ended by itself before it was killed"
    sleep 0.2
done
kill -9 "$victim"
wait "$victim" 2>/dev/null || true
started=
[ ! -e "$out/model" ] || fail "a model appeared although the training was killed"
[ -e "$out/model.part/progress.json" ] || fail "the killed training left no checkpoint"
echo "  killed; $out/model.part keeps its state"

heading "The same command goes on; beside it, the same job runs undisturbed to round $compare_at"
(train_into "$out/again" -q --stop-after "$compare_at") >"$out/again.jsonl" &
twin=$!
started=$twin
(train_into "$out/model") >"$out/resumed.jsonl" || fail "the training could not be resumed"
wait "$twin" || fail "the undisturbed training failed"
started=

heading "Loss, and the digest of a killed training against one that was left alone"
"$bin/python" - "$out" "$kill_after" "$compare_at" <<'PYTHON'
import json
import sys
from pathlib import Path

out, kill_after, compare_at = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


def events(name, kind):
    lines = (out / f"{name}.jsonl").read_text().splitlines()
    # The last line of a process killed while it wrote may be cut off.
    whole = [json.loads(line) for line in lines if line.endswith("}")]
    return [event for event in whole if event["event"] == kind]


losses = [e["loss"] for name in ("killed", "resumed") for e in events(name, "round")]
checks = [e["validation_loss"] for name in ("killed", "resumed") for e in events(name, "epoch")]
print("  held-out loss by epoch:", " ".join(f"{loss:.2f}" for loss in checks))
if len(checks) != 13 or not checks[-1] < 0.5 * checks[0] or not losses[-1] < 0.6 * losses[0]:
    sys.exit("demo: the loss did not fall over 13 epochs as it should")
resumed = {e["round"]: e["state"] for e in events("resumed", "saved")}
alone = {e["round"]: e["state"] for e in events("again", "saved")}
if kill_after in resumed or min(resumed) <= kill_after:
    sys.exit("demo: the training began again instead of going on")
if compare_at not in resumed or resumed[compare_at] != alone.get(compare_at):
    sys.exit(f"demo: the states after round {compare_at} differ")
print(f"  round {compare_at}, killed and resumed: {resumed[compare_at]}")
print(f"  round {compare_at}, undisturbed:        {alone[compare_at]}")
PYTHON

heading "Test sentences that the training never saw"
aliad model eval "$out/model" --source "$out/corpus/test.en" --target "$out/corpus/test.de" \
    --json >"$out/evaluation.json"
head -n 6 "$out/corpus/test.en" >"$out/few.en"
aliad model translate "$out/few.en" --model "$out/model" --format lines -q \
    --force -o "$out/few.out"
[ "$(wc -l <"$out/few.out")" -eq 6 ] || fail "not every line was translated"
paste -d '\n' "$out/few.en" "$out/few.out" "$out/corpus/test.de" | head -n 18 |
    awk 'NR % 3 == 1 { print "  source      " $0 }
         NR % 3 == 2 { print "  translated  " $0 }
         NR % 3 == 0 { print "  reference   " $0; print "" }'
"$bin/python" - "$out/evaluation.json" "$worst_bleu" <<'PYTHON'
import json
import sys
from pathlib import Path

found = json.loads(Path(sys.argv[1]).read_text())
print(f"  BLEU {found['bleu']:.1f}, chrF {found['chrf']:.1f} on {found['lines']} lines, beam 5")
if found["bleu"] < float(sys.argv[2]):
    sys.exit(f"demo: that is below the {sys.argv[2]} BLEU that this model surely reaches")
PYTHON

heading "Done: the model is in $out/model"
echo "  try: echo 'The dog is sleeping.' | $bin/aliad model translate --model $out/model"
