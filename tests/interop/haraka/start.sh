# shellcheck shell=bash
# Haraka; sourced by tests/interop/run.

start_haraka() {
    local dir=$SCRATCH/haraka stock=$CACHE/node/node_modules/Haraka submission smtps mx
    free_port submission
    free_port smtps
    free_port mx
    mkdir -p "$dir"/{config,plugins,queue,mail}
    cp "$HERE/haraka/interop.js" "$dir/plugins"
    cp "$stock/config/outbound.ini" "$dir/config"
    printf 'tls\nauth/flat_file\ninterop\n' >"$dir/config/plugins"
    printf 'localhost\n' >"$dir/config/me"
    printf 'listen=%s\nsmtps_port=%s\nnodes=0\n' \
        "127.0.0.1:$submission,127.0.0.1:$smtps,127.0.0.1:$mx" "$smtps" >"$dir/config/smtp.ini"
    printf 'key=%s\ncert=%s\nno_starttls_ports[]=%s\n' "$CERTS/server.key" "$CERTS/server.pem" "$mx" \
        >"$dir/config/tls.ini"
    printf '[core]\nmethods=PLAIN,LOGIN,CRAM-MD5\nconstrain_sender=false\n[users]\n%s=%s\n' \
        "$INTEROP_USER" "$INTEROP_PASSWORD" >"$dir/config/auth_flat_file.ini"
    # It has to be complete: without [message] Haraka dies with the first connection. No line is broken.
    sed -e 's/^; add_received=true/add_received=false/' \
        -e 's/^; clean_auth_results=true/clean_auth_results=false/' \
        -e 's/^data_line_length=992/data_line_length=100000/' \
        -e "s/^bytes=26214400/bytes=$INTEROP_SIZE_LIMIT/" \
        "$stock/config/connection.ini" >"$dir/config/connection.ini"
    HARAKA_MAIL=$dir/mail HARAKA_MX=$mx launch haraka "$NODE" "$stock/bin/haraka" -c "$dir"
    await haraka listening "$submission"
    await haraka listening "$smtps"
    await haraka listening "$mx"

    announce HARAKA SUBMISSION="$submission" SMTPS="$smtps" MX="$mx" CLEAR="$submission" MAIL="$dir/mail" \
        FORM=crlf REFUSES="nobody deferme"
    local offered=(PIPELINING 8BITMIME SMTPUTF8 "SIZE $INTEROP_SIZE_LIMIT")
    advertise HARAKA_SUBMISSION_EHLO "${offered[@]}" STARTTLS "AUTH PLAIN LOGIN CRAM-MD5"
    advertise HARAKA_CLEAR_EHLO "${offered[@]}" STARTTLS "AUTH PLAIN LOGIN CRAM-MD5"
    advertise HARAKA_SUBMISSION_EHLO_TLS "${offered[@]}" "AUTH PLAIN LOGIN CRAM-MD5"
    advertise HARAKA_MX_EHLO "${offered[@]}" "AUTH PLAIN LOGIN CRAM-MD5"
}
