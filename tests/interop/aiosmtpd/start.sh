# shellcheck shell=bash
# aiosmtpd; sourced by tests/interop/run.

start_aiosmtpd() {
    local dir=$SCRATCH/aiosmtpd port submission smtps mx clear lmtp
    for port in submission smtps mx clear lmtp; do free_port "$port"; done
    mkdir -p "$dir"/{mail,lmtp}
    launch aiosmtpd "$CACHE/aiosmtpd/bin/python" "$HERE/aiosmtpd/server.py" "$dir" "$CERTS" \
        "$INTEROP_USER" "$INTEROP_PASSWORD" "$INTEROP_SIZE_LIMIT" "$submission" "$smtps" "$mx" "$clear" "$lmtp"
    await aiosmtpd ready "$dir/out.log"

    announce AIOSMTPD SUBMISSION="$submission" SMTPS="$smtps" MX="$mx" CLEAR="$clear" MAIL="$dir/mail" \
        FORM=exact REFUSES="nobody deferme" LMTP="$lmtp" LMTP_MAIL="$dir/lmtp" LMTP_FORM=exact \
        LMTP_REFUSES="nobody deferme full"
    local first=("SIZE $INTEROP_SIZE_LIMIT" 8BITMIME SMTPUTF8) auth="AUTH CRAM-MD5 LOGIN PLAIN"
    advertise AIOSMTPD_SUBMISSION_EHLO "${first[@]}" STARTTLS HELP
    advertise AIOSMTPD_SUBMISSION_EHLO_TLS "${first[@]}" "$auth" HELP
    advertise AIOSMTPD_MX_EHLO "${first[@]}" HELP
    advertise AIOSMTPD_CLEAR_EHLO "${first[@]}" "$auth" HELP
    advertise AIOSMTPD_LMTP_EHLO "${first[@]}" HELP
}
