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
    install -m 755 "$EXIM" "$dir/exim4"
    fill "$HERE/exim/exim.conf.in" "DIR=$dir" "CERTS=$CERTS" "EXIM=$dir/exim4" "SUBMISSION=$submission" \
        "SMTPS=$smtps" "MX=$mx" "SIZELIMIT=$INTEROP_SIZE_LIMIT" "USER=$INTEROP_USER" \
        "PASSWORD=$INTEROP_PASSWORD" >"$dir/exim.conf"

    launch exim "$dir/exim4" -C "$dir/exim.conf" -bdf
    await exim listening "$submission"
    await exim listening "$smtps"
    await exim listening "$mx"
    announce EXIM "$submission" "$smtps" "$mx" "$dir/mail"
}
