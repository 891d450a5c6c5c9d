# shellcheck shell=bash
# Sendmail, which relays everything to an smtp-sink; sourced by tests/interop/run.
#
# It runs in namespaces of its own: it wants a host name with a dot, refuses keys below a folder that everyone
# may write to (/tmp), and has the place of its SASL settings compiled in.

start_sendmail() {
    local dir=$SCRATCH/sendmail unpacked=$CACHE/sendmail submission smtps mx relay mechanism
    free_port submission
    free_port smtps
    free_port mx
    free_port relay
    start_sink sendmail-relay "$relay"
    mkdir -p "$dir"/{mqueue,sasl2}
    chmod 700 "$dir/mqueue"
    cp "$CERTS"/{ca,server}.pem "$dir"
    install -m 600 "$CERTS/server.key" "$dir/server.key"
    printf 'pwcheck_method: auxprop\nauxprop_plugin: sasldb\nsasldb_path: /srv/sasldb2\nmech_list: %s\n' \
        "PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256" >"$dir/sasl2/Sendmail.conf"
    printf %s "$INTEROP_PASSWORD" | /usr/sbin/saslpasswd2 -p -c -f "$dir/sasldb2" -u localhost "$INTEROP_USER"
    chmod 600 "$dir/sasldb2"
    printf 'localhost\n' >"$dir/local-host-names"
    touch "$dir/aliases"
    printf '#vers\t2\nsmtp\tThis is sendmail.\nsmtp\tEnd.\n' >"$dir/helpfile"
    fill "$HERE/sendmail/sendmail.mc.in" "SUBMISSION=$submission" "SMTPS=$smtps" "MX=$mx" "RELAY=$relay" \
        "SIZELIMIT=$INTEROP_SIZE_LIMIT" >"$dir/sendmail.mc"
    m4 "-D_CF_DIR_=$unpacked/usr/share/sendmail/cf/" "$unpacked/usr/share/sendmail/cf/m4/cf.m4" \
        "$dir/sendmail.mc" >"$dir/sendmail.cf" 2>"$dir/m4.log" || die "sendmail.mc: $(<"$dir/m4.log")"
    launch sendmail unshare --uts --mount "$HERE/sendmail/enter" "$unpacked" "$dir"
    await sendmail listening "$submission"
    await sendmail listening "$smtps"
    await sendmail listening "$mx"

    announce SENDMAIL SUBMISSION="$submission" SMTPS="$smtps" MX="$mx" CLEAR="$submission" \
        MAIL="$SCRATCH/sendmail-relay/mail" FORM=body REFUSES="nobody deferme" QUEUE_IDS=1
    local first=(ENHANCEDSTATUSCODES PIPELINING EXPN VERB 8BITMIME "SIZE $INTEROP_SIZE_LIMIT" DSN)
    local weak="AUTH CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256"
    local all="AUTH PLAIN LOGIN CRAM-MD5 SCRAM-SHA-1 SCRAM-SHA-256"
    advertise SENDMAIL_SUBMISSION_EHLO "${first[@]}" "$weak" STARTTLS "DELIVERBY 60" HELP
    advertise SENDMAIL_CLEAR_EHLO "${first[@]}" "$weak" STARTTLS "DELIVERBY 60" HELP
    advertise SENDMAIL_SUBMISSION_EHLO_TLS "${first[@]}" "$all" "DELIVERBY 60" HELP
    advertise SENDMAIL_SMTPS_EHLO_TLS "${first[@]}" ETRN "$all" "DELIVERBY 60" HELP
    advertise SENDMAIL_MX_EHLO "${first[@]}" ETRN "$weak" STARTTLS "DELIVERBY 60" HELP
}
