# shellcheck shell=bash
# Shared by tests/interop/run and the start files of the servers; sourced, not run.
# Expects SCRATCH (the scratch folder) and PIDS (array: process groups to stop).
#
# Each server's start file defines start_<name>, with _ for -. It takes its ports with free_port, starts
# with launch, waits with await, and tells the suite with announce and advertise.

say() { printf 'interop: %s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# True when something accepts connections on loopback port $1.
listening() { (: <"/dev/tcp/127.0.0.1/$1") 2>/dev/null; }

# Puts into variable $1 (not "free") a loopback port that nothing listens on and that was not handed out before.
# 20000-29999 lies below Linux' ephemeral ports (32768 and up), so that no outgoing connection can
# take the port before its server does.
declare -A PORTS_TAKEN=()
free_port() {
    local free
    for _ in {1..100}; do
        free=$((20000 + RANDOM % 10000))
        [[ ${PORTS_TAKEN[$free]-} ]] && continue
        listening "$free" && continue
        PORTS_TAKEN[$free]=1
        printf -v "$1" %s "$free"
        return
    done
    die "no free port found"
}

# fill TEMPLATE NAME=VALUE... : prints TEMPLATE with each @NAME@ replaced.
fill() {
    local text pair
    text=$(<"$1")
    for pair in "${@:2}"; do
        text=${text//"@${pair%%=*}@"/"${pair#*=}"}
    done
    if [[ $text =~ @[A-Z]+@ ]]; then die "$1: ${BASH_REMATCH[0]} is not filled in"; fi
    printf '%s\n' "$text"
}

# announce SERVER NAME=VALUE... : exports SMTP_INTEROP_<SERVER>_<NAME> for the suite; a VALUE that is a port
# alone becomes an address. The names are at the head of tests/interop/run.
announce() {
    local pair value
    for pair in "${@:2}"; do
        value=${pair#*=}
        if [[ $value =~ ^[0-9]{4,5}$ ]]; then value=127.0.0.1:$value; fi
        export "SMTP_INTEROP_$1_${pair%%=*}=$value"
    done
}

# advertise VARIABLE LINE... : exports SMTP_INTEROP_<VARIABLE>, the keywords of an EHLO reply, joined by "|".
advertise() {
    local lines
    printf -v lines '%s|' "${@:2}"
    export "SMTP_INTEROP_$1=${lines%|}"
}

# ready LOG : whether a server has said so.
ready() { grep -qs ready "$1"; }

# launch NAME COMMAND... : runs a server as the leader of its own process group, its output in
# SCRATCH/NAME/out.log. Leaves the process id in LAUNCHED.
launch() {
    mkdir -p "$SCRATCH/$1"
    setsid "${@:2}" </dev/null >"$SCRATCH/$1/out.log" 2>&1 &
    LAUNCHED=$!
    PIDS+=("$LAUNCHED")
}

# await NAME CHECK... : waits up to 20 s until CHECK succeeds while the server launched last still
# runs. A server that does not come up prints its logs and fails the run: an interop run never skips.
await() {
    local name=$1 deadline=$((SECONDS + 20))
    until "${@:2}"; do
        if ! kill -0 "$LAUNCHED" 2>/dev/null || ((SECONDS >= deadline)); then
            show_logs "$name"
            die "$name did not start"
        fi
        sleep 0.05
    done
}

# Prints the end of each log of server $1.
show_logs() {
    local log
    for log in "$SCRATCH/$1"/*.log "$SCRATCH/$1"/log/*; do
        [[ -s $log ]] || continue
        say "--- $log"
        tail -n 60 "$log" >&2
    done
}
