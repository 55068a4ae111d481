#!/bin/sh
# Counts the instructions a sample takes on the hottest paths and compares them with
# benches/instructions.txt. More than 3% above fails. `--save` writes the counted numbers there.
# Unlike times, the counts do not depend on what else the machine does.
set -eu
# shellcheck source=packaging/scripts/lib.sh
. "$(dirname "$0")/lib.sh"

STORED=benches/instructions.txt
# Percent that a count may be off before it means something: hash seeds differ from run to run.
TOLERANCE=3
# Scrapes of the short and the long run. What comes before the path is the same in both.
SHORT=60
LONG=660

SAVE=
case "${1:-}" in
'') ;;
--save) SAVE=yes ;;
*) die "$1 is not known: instructions.sh [--save]" ;;
esac

need_toolchain
need valgrind valgrind 'counts instructions'
need xz xz-utils 'unpacks the recorded pages'

MACHINE="$(uname -m), $(rustc --version | cut -d ' ' -f 1,2)"
known=$(sed -n 's/^# counted on //p' "$STORED")
[ -n "$SAVE" ] || [ "$known" = "$MACHINE" ] ||
    die "$STORED was counted on $known, this is $MACHINE: counts cannot be compared.
       Count the version before your change here with --save, then your change"

say 'building as for a release'
binary=$(cargo bench --no-run --bench instructions 2>&1 |
    sed -n 's/.*(\(.*\/instructions-[0-9a-f]*\))$/\1/p')
[ -x "$binary" ] || die 'no bench binary: cargo bench --no-run --bench instructions says why'

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

# run PATH SCRAPES: prints instructions and samples.
run() {
    samples=$(valgrind --tool=callgrind --callgrind-out-file="$scratch/out" \
        "$binary" "$1" "$2" 2>"$scratch/log") ||
        die "valgrind failed: $(tail -n 3 "$scratch/log")"
    counted=$(sed -n 's/^totals: //p' "$scratch/out")
    [ -n "$counted" ] || die "callgrind wrote no totals: $(tail -n 3 "$scratch/log")"
    echo "$counted $samples"
}

more=0
for path in $("$binary"); do
    short=$(run "$path" "$SHORT")
    long=$(run "$path" "$LONG")
    found=$(echo "$short $long" |
        awk '$4 > $2 { printf "%.1f", ($3 - $1) / ($4 - $2); ok = 1 } END { exit !ok }') ||
        die "$path: the long run has no more samples than the short one"
    echo "$path $found" >>"$scratch/new"
    stored=$(awk -v path="$path" '$1 == path { print $2 }' "$STORED")
    [ -n "$SAVE" ] || [ -n "$stored" ] || die "$STORED has no number for $path"
    verdict=$(awk -v found="$found" -v stored="${stored:-$found}" -v most="$TOLERANCE" 'BEGIN {
        change = (found / stored - 1) * 100
        printf "%+.1f%% ", change
        print(change > most ? "MORE" : change < -most ? "fewer: save the new number" : "same")
    }')
    say "$path: $found instructions a sample, stored ${stored:-none}, $verdict"
    case $verdict in *MORE) more=$((more + 1)) ;; esac
done

if [ -n "$SAVE" ]; then
    {
        echo '# Instructions a sample, counted by packaging/scripts/instructions.sh --save'
        echo "# counted on $MACHINE"
        cat "$scratch/new"
    } >"$STORED"
    say "saved in $STORED"
elif [ "$more" -gt 0 ]; then
    die "$more paths need more than $TOLERANCE% more instructions. If that is meant, say why in the
       commit and save the numbers: packaging/scripts/instructions.sh --save"
fi
