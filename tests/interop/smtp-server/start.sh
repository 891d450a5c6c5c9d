# shellcheck shell=bash
# smtp-server, the server of Nodemailer; sourced by tests/interop/run.

start_smtp_server() {
    local dir=$SCRATCH/smtp-server port submission smtps mx clear lmtp
    for port in submission smtps mx clear lmtp; do free_port "$port"; done
    mkdir -p "$dir"/{mail,lmtp}
    NODE_PATH=$CACHE/node/node_modules DIR=$dir CERTS=$CERTS SIZE_LIMIT=$INTEROP_SIZE_LIMIT USER=$INTEROP_USER \
        PASSWORD=$INTEROP_PASSWORD TOKEN=$SMTP_INTEROP_TOKEN SUBMISSION=$submission SMTPS=$smtps MX=$mx \
        CLEAR=$clear LMTP=$lmtp \
        launch smtp-server "$NODE" "$HERE/smtp-server/server.js"
    await smtp-server ready "$dir/out.log"

    announce SMTP_SERVER SUBMISSION="$submission" SMTPS="$smtps" MX="$mx" CLEAR="$clear" MAIL="$dir/mail" \
        FORM=exact REFUSES="nobody deferme" LMTP="$lmtp" LMTP_MAIL="$dir/lmtp" LMTP_FORM=exact \
        LMTP_REFUSES="nobody deferme full"
    local first=(PIPELINING 8BITMIME SMTPUTF8 ENHANCEDSTATUSCODES DSN)
    local auth="AUTH PLAIN LOGIN CRAM-MD5 XOAUTH2"
    local last=("SIZE $INTEROP_SIZE_LIMIT" "XCLIENT NAME ADDR PORT PROTO HELO LOGIN"
        "XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE")
    advertise SMTP_SERVER_SUBMISSION_EHLO "${first[@]}" "$auth" STARTTLS "${last[@]}"
    advertise SMTP_SERVER_SUBMISSION_EHLO_TLS "${first[@]}" "$auth" REQUIRETLS "${last[@]}"
    advertise SMTP_SERVER_SUBMISSION_EHLO_AUTH "${first[@]}" REQUIRETLS "${last[@]}"
    advertise SMTP_SERVER_MX_EHLO "${first[@]}" "${last[@]}"
    advertise SMTP_SERVER_CLEAR_EHLO "${first[@]}" "$auth" "${last[@]}"
    advertise SMTP_SERVER_LMTP_EHLO "${first[@]}" STARTTLS "${last[@]}"
}
