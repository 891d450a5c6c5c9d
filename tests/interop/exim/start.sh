# shellcheck shell=bash
# Exim; sourced by tests/interop/run.

start_exim() {
    local dir=$SCRATCH/exim submission smtps mx
    free_port submission
    free_port smtps
    free_port mx
    mkdir -p "$dir"/{spool,log,mail/{new,cur,tmp}}
    chown -R Debian-exim:Debian-exim "$dir"/{spool,log,mail}
    # A copy that Debian-exim can run wherever the project lies.
    install -m 755 "$CACHE/exim/usr/sbin/exim4" "$dir/exim4"
    fill "$HERE/exim/exim.conf.in" "DIR=$dir" "CERTS=$CERTS" "EXIM=$dir/exim4" "SUBMISSION=$submission" \
        "SMTPS=$smtps" "MX=$mx" "SIZELIMIT=$INTEROP_SIZE_LIMIT" "USER=$INTEROP_USER" \
        "PASSWORD=$INTEROP_PASSWORD" >"$dir/exim.conf"

    launch exim "$dir/exim4" -C "$dir/exim.conf" -bdf
    await exim listening "$submission"
    await exim listening "$smtps"
    await exim listening "$mx"

    announce EXIM SUBMISSION="$submission" SMTPS="$smtps" MX="$mx" MAIL="$dir/mail/new" FORM=exact \
        REFUSES="nobody deferme" QUEUE_IDS=1
    local first=("SIZE $INTEROP_SIZE_LIMIT" 8BITMIME DSN ETRN VRFY EXPN PIPELINING PIPECONNECT)
    local last=(CHUNKING PRDR SMTPUTF8 HELP)
    advertise EXIM_SUBMISSION_EHLO "${first[@]}" STARTTLS "${last[@]}"
    advertise EXIM_SUBMISSION_EHLO_TLS "${first[@]}" "AUTH PLAIN LOGIN CRAM-MD5" "${last[@]}"
    advertise EXIM_MX_EHLO "${first[@]}" "${last[@]}"
}
