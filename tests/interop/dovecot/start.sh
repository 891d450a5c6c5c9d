# shellcheck shell=bash
# Dovecot, as the SASL server of Postfix; sourced by tests/interop/run.
# Sets DOVECOT_SASL_SOCKET.

start_dovecot() {
    local dir=$SCRATCH/dovecot
    mkdir -p "$dir"
    printf '%s:{PLAIN}%s\n' "$INTEROP_USER" "$INTEROP_PASSWORD" >"$dir/passwd"
    fill "$HERE/dovecot/dovecot.conf.in" "DIR=$dir" >"$dir/dovecot.conf"
    launch dovecot /usr/sbin/dovecot -F -c "$dir/dovecot.conf"
    DOVECOT_SASL_SOCKET=$dir/base/auth-smtp
    await dovecot test -S "$DOVECOT_SASL_SOCKET"
}
