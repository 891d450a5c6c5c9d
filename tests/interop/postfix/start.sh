# shellcheck shell=bash
# Postfix, with Dovecot as its SASL server; sourced by tests/interop/run.

start_postfix() {
    local dir=$SCRATCH/postfix port submission smtps mx bare strict encrypt postscreen access
    for port in submission smtps mx bare strict encrypt postscreen access; do free_port "$port"; done
    start_dovecot_sasl
    mkdir -p "$dir"/{conf,spool,data,mail/all/{new,cur,tmp}}
    chown postfix "$dir/data"
    chown -R mail:mail "$dir/mail"
    fill "$HERE/postfix/main.cf.in" "DIR=$dir" "CERTS=$CERTS" "SASL=$DOVECOT_SASL_SOCKET" \
        "SIZELIMIT=$INTEROP_SIZE_LIMIT" >"$dir/conf/main.cf"
    fill "$HERE/postfix/master.cf.in" "SUBMISSION=$submission" "SMTPS=$smtps" "MX=$mx" "BARE=$bare" \
        "STRICT=$strict" "ENCRYPT=$encrypt" "POSTSCREEN=$postscreen" "ACCESS=$access" >"$dir/conf/master.cf"
    # Postfix waits for a configuration younger than two seconds to "cool down".
    touch -d "1 minute ago" "$dir"/conf/*.cf

    # Makes the queue folders.
    postfix -c "$dir/conf" check >"$dir/check.log" 2>&1 || {
        show_logs postfix
        die "postfix check failed"
    }
    launch postfix /usr/lib/postfix/sbin/master -c "$dir/conf" -s
    for port in "$submission" "$smtps" "$mx" "$bare" "$strict" "$encrypt" "$access"; do
        await postfix listening "$port"
    done

    announce POSTFIX SUBMISSION="$submission" SMTPS="$smtps" MX="$mx" MAIL="$dir/mail/all/new" FORM=lf \
        REFUSES="nobody deferme" QUEUE_IDS=1 \
        BARE="$bare" STRICT="$strict" ENCRYPT="$encrypt" POSTSCREEN="$postscreen" ACCESS="$access"
    local first=(PIPELINING "SIZE $INTEROP_SIZE_LIMIT" VRFY ETRN)
    local last=(ENHANCEDSTATUSCODES 8BITMIME DSN SMTPUTF8 CHUNKING)
    advertise POSTFIX_SUBMISSION_EHLO "${first[@]}" STARTTLS "${last[@]}"
    advertise POSTFIX_SUBMISSION_EHLO_TLS "${first[@]}" "AUTH $DOVECOT_MECHANISMS XOAUTH2 OAUTHBEARER" \
        "${last[@]}"
    advertise POSTFIX_MX_EHLO "${first[@]}" "${last[@]}"
    advertise POSTFIX_BARE_EHLO
}
