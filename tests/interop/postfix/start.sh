# shellcheck shell=bash
# Postfix; sourced by tests/interop/run, after Dovecot has been started.

start_postfix() {
    local dir=$SCRATCH/postfix submission smtps mx
    free_port submission
    free_port smtps
    free_port mx
    mkdir -p "$dir"/{conf,spool,data,mail/all/{new,cur,tmp}}
    chown postfix "$dir/data"
    chown -R mail:mail "$dir/mail"
    fill "$HERE/postfix/main.cf.in" "DIR=$dir" "CERTS=$CERTS" "SASL=$DOVECOT_SASL_SOCKET" \
        "SIZELIMIT=$INTEROP_SIZE_LIMIT" >"$dir/conf/main.cf"
    fill "$HERE/postfix/master.cf.in" "SUBMISSION=$submission" "SMTPS=$smtps" "MX=$mx" >"$dir/conf/master.cf"
    # Postfix waits for a configuration younger than two seconds to "cool down".
    touch -d "1 minute ago" "$dir"/conf/*.cf

    # Makes the queue folders.
    postfix -c "$dir/conf" check >"$dir/check.log" 2>&1 || {
        show_logs postfix
        die "postfix check failed"
    }
    launch postfix /usr/lib/postfix/sbin/master -c "$dir/conf" -s
    await postfix listening "$submission"
    await postfix listening "$smtps"
    await postfix listening "$mx"
    announce POSTFIX "$submission" "$smtps" "$mx" "$dir/mail/all"
}
