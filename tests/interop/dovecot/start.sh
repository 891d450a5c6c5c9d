# shellcheck shell=bash
# Dovecot, as a submission and LMTP server, and as the SASL server of Postfix; sourced by tests/interop/run.

# As a server of its own. Submission relays to an smtp-sink, from whose folder the mail is read back.
start_dovecot() {
    local dir=$SCRATCH/dovecot submission smtps lmtp relay norelay size="SIZE $INTEROP_SIZE_LIMIT"
    local before=(8BITMIME "$DOVECOT_AUTH" "BURL imap" CHUNKING ENHANCEDSTATUSCODES "$size" PIPELINING)
    free_port submission
    free_port smtps
    free_port lmtp
    free_port relay
    free_port norelay
    start_sink dovecot-relay "$relay"
    mkdir -p "$dir/home"
    chown mail:mail "$dir/home"
    fill "$HERE/dovecot/services.conf.in" "SUBMISSION=$submission" "SMTPS=$smtps" "LMTP=$lmtp" \
        "RELAY=$relay" "NORELAY=$norelay" "SIZELIMIT=$INTEROP_SIZE_LIMIT" >"$dir.services"
    launch_dovecot dovecot "submission lmtp" "!include $dir.services"
    await dovecot listening "$submission"
    await dovecot listening "$smtps"
    await dovecot listening "$lmtp"
    await dovecot test -S "$dir/base/lmtp"

    announce DOVECOT SUBMISSION="$submission" SMTPS="$smtps" CLEAR="$submission" \
        LMTP="$lmtp" LMTP_SOCKET="$dir/base/lmtp" NORELAY="127.0.0.2:$submission" \
        MAIL="$SCRATCH/dovecot-relay/mail" FORM=lf \
        LMTP_MAIL="$dir/home/$INTEROP_USER/Maildir/new" LMTP_FORM=lf LMTP_REFUSES="nobody full"
    # A connection within one machine counts as protected: AUTH is offered also in clear.
    advertise DOVECOT_SUBMISSION_EHLO "${before[@]}" STARTTLS
    advertise DOVECOT_CLEAR_EHLO "${before[@]}" STARTTLS
    advertise DOVECOT_SUBMISSION_EHLO_TLS "${before[@]}"
    advertise DOVECOT_SUBMISSION_EHLO_AUTH 8BITMIME AUTH "BURL imap imap://localhost" CHUNKING DSN \
        ENHANCEDSTATUSCODES PIPELINING "$size"
    advertise DOVECOT_LMTP_EHLO 8BITMIME CHUNKING ENHANCEDSTATUSCODES PIPELINING STARTTLS
    advertise DOVECOT_LMTP_EHLO_TLS 8BITMIME CHUNKING ENHANCEDSTATUSCODES PIPELINING
}

DOVECOT_MECHANISMS="PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256"
DOVECOT_AUTH="AUTH $DOVECOT_MECHANISMS EXTERNAL XOAUTH2 OAUTHBEARER"

# Authentication only. Sets DOVECOT_SASL_SOCKET.
start_dovecot_sasl() {
    launch_dovecot dovecot-sasl "" ""
    DOVECOT_SASL_SOCKET=$SCRATCH/dovecot-sasl/base/auth-smtp
    await dovecot-sasl test -S "$DOVECOT_SASL_SOCKET"
}

# launch_dovecot NAME PROTOCOLS CONFIGURATION
launch_dovecot() {
    local dir=$SCRATCH/$1
    mkdir -p "$dir/keys/default/HS256"
    printf '%s:{PLAIN}%s\n' "$INTEROP_USER" "$INTEROP_PASSWORD" >"$dir/passwd"
    printf '%s:::::::nopassword\n' "$INTEROP_USER" >"$dir/passwd.external"
    printf '%s::::::\nfull:::::::userdb_quota_rule=*:storage=1B\n' "$INTEROP_USER" >"$dir/users"
    printf %s "$INTEROP_TOKEN_KEY" | base64 >"$dir/keys/default/HS256/default"
    chmod -R a+rX "$dir/keys"
    cat >"$dir/oauth2.conf" <<END
introspection_mode = local
local_validation_key_dict = fs:posix:prefix=$dir/keys/
username_attribute = sub
username_format = %n
issuers = interop
END
    fill "$HERE/dovecot/dovecot.conf.in" "DIR=$dir" "CERTS=$CERTS" "PROTOCOLS=$2" "SERVICES=$3" \
        >"$dir/dovecot.conf"
    launch "$1" /usr/sbin/dovecot -F -c "$dir/dovecot.conf"
}
