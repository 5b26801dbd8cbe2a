#!/usr/bin/env bash
# soak.sh: what `make test` holds a minute of, at full length; called by `make soak`. A line a row: ok or FAIL, what it
# is, the last line it said about itself, seconds. The rest is in BUILD/soak/ROW.log. Exit code 1 when a row has failed.
#   ROWS    those to run (all)      KILLS   300     FAULTS  all     ROUNDS  300, of replays 20 times as many
#   MINUTES 60, of the hour
set -uo pipefail

logs=$BUILD/soak
kills=${KILLS:-300}
rounds=${ROUNDS:-300}
mkdir -p "$logs"
failed=0

row() { # row NAME WHAT WORD COMMAND..: WORD begins the line of its log that sums it up
    local name=$1 what=$2 word=$3 start=$SECONDS state=ok
    shift 3
    case " ${ROWS:-$name} " in *" $name "*) ;; *) return ;; esac
    env "$@" >"$logs/$name.log" 2>&1 || { state=FAIL failed=1; }
    printf '%-4s %-8s %-58s %6d s  %s\n' "$state" "$name" "$what" $((SECONDS - start)) \
        "$(sed 's/\x1b\[[0-9;]*m//g' "$logs/$name.log" | grep -a "$word" | tail -n 1 | sed 's/^ *//')"
}

crash() { # crash NAME WHAT WORD TESTS [SETTING=VALUE ..]
    local name=$1 what=$2 word=$3 tests=$4
    shift 4
    row "$name" "$what" "$word" "$@" python3 -B tests/e2e/run.py $tests
}

units() { # units PROGRAM..
    local program
    for program in "$@"; do
        timeout "${TEST_TIMEOUT:-3600}" "$BUILD/tests/unit/$program" || exit 1
    done
}

export -f units
BUILD=$(realpath "$BUILD")
export BUILD TESTS=tests/crash SUITE=soak

crash kills "$kills times kill -9 under load" 'samples read' test_kills.test_kill_9_loses_nothing KILLS="$kills"
crash cuts "$kills power cuts, unsynced writes dropped, always" 'samples read' \
    test_kills.test_a_power_cut_loses_nothing_that_was_synced_before_it_was_acknowledged CUTS="$kills"
crash windows "$kills ends while windows are written to files, and expire" 'samples read' \
    test_kills.test_windows_go_to_files_and_expire_between_kills KILLS="$kills"
crash ends 'SIGTERM, snapshots alone, 1s, deletions, failing disks' 'soak:' test_kills KILLS=$((kills / 4))
crash faults 'the Nth write, sync, rename .. fails, or all from there' 'soak:' test_faults FAULTS="${FAULTS:-all}"
crash scarce 'the Nth request for memory fails, or all from there' 'soak:' test_scarce FAULTS="${FAULTS:-all}"
crash model 'the disk that loses writes, against a model' 'soak:' test_unsynced ROUNDS="$rounds"
row damage 'every prefix and every flipped byte, journal and snapshot' 'Tested:' bash -c \
    "units snapshot/journal_replay_test snapshot/load_test snapshot/check_test snapshot/directory_test"
row replay 'other limits, another clock, another order' 'Tested:' ROUNDS=$((20 * rounds)) bash -c \
    "units http/recorder_test"
row columns '10^9 values through columns' . N=1000000000 PROP_SECONDS=0 "$BUILD/tests/prop/column_prop"
row store 'a store against a model' . ROUNDS="$rounds" "$BUILD/tests/prop/store_prop"
row ceiling '10^7 new series, 50 queries against 256 MiB' 'RSS at most' CEILING=long $MAKE e2e E2E=test_ceiling TESTS=tests/e2e SUITE=e2e
row hour 'an hour: 500,000 series, churn, queries, snapshots' ' | ok ' MINUTES="${MINUTES:-60}" python3 -B tests/bench/hour.py
row promql "Prometheus' compliance queries" 'e2e:' COMPLIANCE=all $MAKE e2e E2E=test_compliance TESTS=tests/e2e SUITE=e2e
row diff '60,000 random questions to us and to Prometheus' 'of those asked' N=60000 $MAKE diff-prometheus
row vmalert 'thirty rules of vmalert, ten minutes' 'rules for' $MAKE vmalert

exit $failed
