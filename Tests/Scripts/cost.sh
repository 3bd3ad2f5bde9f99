#!/usr/bin/env bash
# What a small backup, a rescan, a verification, a restore and a list cost, against the figures in cost.expected:
# instructions, system calls and allocations, which unlike times are the same in every run. More than 10 % off either
# way fails: a change that saves so much belongs into the figures too.
#     cost.sh            measures once and compares
#     cost.sh --renew    measures three times and writes medians and spread into cost.expected: after a change of
#                        speed that is meant, to be committed with it
# One thread, hashes of Swift without a seed, and the processor that valgrind shows: AVX2, but neither AVX-512 nor SHA.
set -euo pipefail
source "$(dirname "$0")/suite.bash"
need_tools valgrind strace strip python3
[ "$(uname -m)" = x86_64 ] && grep -qw avx2 /proc/cpuinfo || skip "the figures are those of an x86_64 with AVX2"
strace -qq -o /dev/null true 2>/dev/null || skip "strace may not trace here"
expected=$(dirname "$0")/cost.expected
bound=10 # per cent

export SWIFT_DETERMINISTIC_HASHING=1 TZ=UTC
export VARVE_THREADS=1 VARVE_KEY_FILE=$work/key VARVE_REPOSITORY=$work/repository
tree=$work/tree
python3 "$root/Tests/Scripts/make-cost-tree.py" "$tree"
files=$(find "$tree" -type f | wc -l)
# valgrind 3.19 cannot read the debugging information of this compiler.
strip -g -o "$work/varve" "$varve"
# Quick backups trust what rested for two seconds before it was read.
until [ $(($(date +%s) - $(stat -c %Z "$tree"))) -gt 3 ]; do sleep 0.2; done

# under TOOL WORDS...: runs varve under a tool, whose own words go to $work/report.
under() {
    local tool=$1
    shift
    case $tool in
        instructions) set -- valgrind --log-file="$work/report" --tool=callgrind --callgrind-out-file=/dev/null \
            "$work/varve" "$@" ;;
        allocations) set -- valgrind --log-file="$work/report" --tool=dhat --dhat-out-file=/dev/null \
            "$work/varve" "$@" ;;
        system-calls) set -- strace -c -f -qq -o "$work/report" "$work/varve" "$@" ;;
    esac
    "$@" >"$work/output" 2>&1 || { cat "$work/output" "$work/report"; return 1; }
}

# What the report of a tool comes to.
figure() {
    case $1 in
        instructions) sed -n 's/.* I   *refs: *//p' ;;
        allocations) sed -n 's/.* Total: .* in \([0-9,]*\) blocks$/\1/p' ;;
        system-calls) awk '$NF == "total" { print $4 }' ;;
    esac <"$work/report" | tr -d ,
}

tree_root() { "$varve" show --json latest | sed 's/.*"tree_root":"\([0-9a-f]*\)".*/\1/'; }

# The same bytes come out on the processor that valgrind shows and on the real one.
same_root() {
    local emulated
    emulated=$(tree_root)
    "$varve" --no-progress -q --no-cache backup "$tree"
    [ "$(tree_root)" = "$emulated" ] || { echo "the real processor makes another tree"; return 1; }
}

# The figures of one round, "STEP TOOL FIGURE" each, into a file; a new repository for each tool.
round() {
    local tool step words
    : >"$1"
    for tool in instructions system-calls allocations; do
        rm -rf "$work/repository" "$work/key" "$work/restored" "$XDG_CACHE_HOME" "$XDG_STATE_HOME"
        "$varve" --no-progress -q init >"$work/output" 2>&1
        for step in backup rescan verify restore list; do
            case $step in
                backup) words=(backup "$tree") ;;
                rescan) words=(backup --quick "$tree") ;;
                verify) words=(verify --read-data) ;;
                restore) words=(restore "latest:$tree" -t "$work/restored") ;;
                list) words=(list) ;;
            esac
            under $tool --no-progress "${words[@]}"
            echo "$step $tool $(figure $tool)" >>"$1"
        done
        check "what was restored under $tool is the tree" same "$tree" "$work/restored"
        if [ $tool = instructions ]; then check "the tree is the same on every processor" same_root; fi
    done
}

# What the figures depend on besides varve.
versions() {
    valgrind --version
    getconf GNU_LIBC_VERSION
    ldd "$varve" | sed -n 's,.* => \([^ ]*/lib\(zstd\|b2\)\.so[^ ]*\) .*,\1,p' |
        xargs -rn 1 readlink -f | xargs -rn 1 basename
    swift --version 2>/dev/null | grep -o 'Swift version [0-9.]*' || true
}
joined() { paste -sd, | sed 's/,/, /g'; }

if [ "${1-}" = --renew ]; then
    for number in 1 2 3; do
        echo "round $number of 3"
        round "$work/round$number"
    done
    {
        echo "# What cost.sh expects, from cost.sh --renew: step, what is counted, median of three rounds, spread."
        echo "# $files files; $(versions | joined)"
        sort -s -k 1,2 "$work"/round? | awk '
            { values[NR % 3] = $3 }
            NR % 3 == 0 {
                low = high = values[0]; sum = 0
                for (i in values) {
                    sum += values[i]
                    if (values[i] < low) low = values[i]
                    if (values[i] > high) high = values[i]
                }
                middle = sum - low - high
                printf "%-8s %-13s %10d %6.2f %%\n", $1, $2, middle, 100 * (high - low) / middle
            }'
    } >"$work/expected"
    if [ "$failed" -eq 0 ]; then cp "$work/expected" "$expected"; fi
    cat "$work/expected"
    finish
    exit
fi

round "$work/round"
printf '%-8s %-13s %11s %11s %8s %10s\n' step counted expected now '' 'per file'
while read -r step tool now; do
    known=$(awk -v step="$step" -v tool="$tool" '$1 == step && $2 == tool { print $3 }' "$expected")
    awk -v step="$step" -v tool="$tool" -v known="$known" -v now="$now" -v files="$files" 'BEGIN {
        change = known ? sprintf("%+.1f %%", 100 * (now / known - 1)) : "new"
        printf "%-8s %-13s %11d %11d %8s %10.1f\n", step, tool, known, now, change, now / files }'
    check "$step: $now $tool, more than $bound % off the expected ${known:-(nothing)}" \
        test $((100 * now)) -le $(((100 + bound) * ${known:-0})) -a $((100 * now)) -ge $(((100 - bound) * ${known:-0}))
done <"$work/round"
if [ "$failed" -gt 0 ]; then
    echo "the figures were made with: $(sed -n '2s/^# //p' "$expected")"
    echo "here:                       $files files; $(versions | joined)"
    echo "if the change is meant: Tests/Scripts/cost.sh --renew, and commit cost.expected"
fi
finish
