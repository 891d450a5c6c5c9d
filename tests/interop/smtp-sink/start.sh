# shellcheck shell=bash
# smtp-sink, Postfix's test server, which can also be made to fail; sourced by tests/interop/run.

# start_sink NAME PORT [OPTION...] : one smtp-sink, whose messages go to SCRATCH/NAME/mail, one file each.
start_sink() {
    local dir=$SCRATCH/$1
    mkdir -p "$dir/mail"
    chown nobody "$dir/mail"
    launch "$1" /usr/sbin/smtp-sink -u nobody -h sink.test -d "$dir/mail/m." "${@:3}" "127.0.0.1:$2" 128
    await "$1" listening "$2"
}

# The name of each that fails, and its options: how is in the manual, smtp-sink(1).
SINK_FAULTS=(
    "NO_ESMTP -e"                  # EHLO is not known
    "PIX -P"                       # "220 ********", EHLO is not known
    "NO_PIPELINING -p"
    "NO_8BITMIME -8"
    "CONNECT_500 -f CONNECT"       # the greeting is a refusal
    "CONNECT_421 -Q CONNECT"
    "CONNECT_CLOSE -q CONNECT"
    "EHLO_CLOSE -q EHLO"
    "MAIL_500 -f MAIL"
    "MAIL_450 -r MAIL"
    "MAIL_421 -Q MAIL"
    "RCPT_500 -f RCPT"
    "RCPT_450 -r RCPT"
    "RCPT_421 -Q RCPT"
    "RCPT_CLOSE -q RCPT"
    "DATA_500 -f DATA"
    "DATA_421 -Q DATA"
    "DATA_CLOSE -q DATA"
    "DOT_500 -f ."
    "DOT_450 -r ."
    "DOT_421 -Q ."
    "DOT_CLOSE -q ."
    "QUIT_CLOSE -q QUIT"
    "EARLY -A 0"                   # refuses in the middle of the message
    "DEAF -H 30"                   # stops reading after DATA
    "NAP -H 3"                     # the same, but not for long
    "SLOW -w 1"                    # waits a second after DATA
    "SLOW_DOT -W .:1:50"           # answers the message seconds later, and what came right behind it before that
    "MORTAL -M 50"                 # is gone with the end of its 50th message, which it does not answer
)

start_smtp_sink() {
    local dir=$SCRATCH/smtp-sink port lmtp fault name
    local offered=(PIPELINING 8BITMIME "AUTH PLAIN LOGIN" "XCLIENT NAME HELO" "XFORWARD NAME ADDR PROTO HELO"
        ENHANCEDSTATUSCODES DSN)
    free_port port
    free_port lmtp
    start_sink smtp-sink "$port"
    start_sink smtp-sink-lmtp "$lmtp" -L
    announce SMTP_SINK MX="$port" MAIL="$dir/mail" FORM=lf \
        LMTP="$lmtp" LMTP_MAIL="$SCRATCH/smtp-sink-lmtp/mail" LMTP_FORM=lf
    advertise SMTP_SINK_MX_EHLO "${offered[@]}"
    advertise SMTP_SINK_LMTP_EHLO "${offered[@]}"

    for fault in "${SINK_FAULTS[@]}"; do
        name=${fault%% *}
        free_port port
        # shellcheck disable=SC2086 # options are words
        start_sink "smtp-sink-${name,,}" "$port" ${fault#* }
        announce SMTP_SINK "$name=$port"
    done
}
