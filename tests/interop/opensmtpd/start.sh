# shellcheck shell=bash
# OpenSMTPD; sourced by tests/interop/run.
#
# Its folders are compiled in, so it gets a file system of its own: nothing of it stays behind, and several
# can run. Server TLS does not work in Debian 12's version (OpenSSL 3, mended in OpenSMTPD 7): STARTTLS is
# offered and the handshake fails, which is what this server is here for.

start_opensmtpd() {
    local dir=$SCRATCH/opensmtpd submission smtps mx
    free_port submission
    free_port smtps
    free_port mx
    mkdir -p "$dir"/{spool,mail/{new,cur,tmp}}
    chmod 711 "$dir/spool"
    chown -R mail:mail "$dir/mail"
    install -m 600 "$CERTS/server.key" "$dir/server.key"
    printf '%s\t%s\n' "$INTEROP_USER" "$(openssl passwd -6 "$INTEROP_PASSWORD")" >"$dir/creds"
    printf '%s\tmail\n' "$INTEROP_USER" bob carol >"$dir/users"
    fill "$HERE/opensmtpd/smtpd.conf.in" "DIR=$dir" "CERTS=$CERTS" "SUBMISSION=$submission" "SMTPS=$smtps" \
        "MX=$mx" "SIZELIMIT=$INTEROP_SIZE_LIMIT" >"$dir/smtpd.conf"
    launch opensmtpd unshare --mount "$HERE/opensmtpd/enter" "$CACHE/opensmtpd" "$dir"
    await opensmtpd listening "$submission"
    await opensmtpd listening "$mx"

    announce OPENSMTPD BROKEN_TLS="$submission" MX="$mx" MAIL="$dir/mail/new" FORM=lf REFUSES=nobody QUEUE_IDS=1
    local offered=(8BITMIME ENHANCEDSTATUSCODES "SIZE $INTEROP_SIZE_LIMIT" DSN)
    advertise OPENSMTPD_BROKEN_TLS_EHLO "${offered[@]}" STARTTLS HELP
    advertise OPENSMTPD_MX_EHLO "${offered[@]}" HELP
}
