# shellcheck shell=bash
# Installs the servers, only what is missing; sourced by tests/interop/run. Needs Debian 12 and root.
# Sets EXIM, the path of the Exim binary. CACHE is the folder that keeps it between runs.

# apt ARGUMENT... : apt-get, three times, after a fresh package index from the second time on: the index
# may be absent or stale, and Docker images carry a hook (docker-clean) that lets two concurrent apt runs
# delete each other's downloads. --no-remove: never take away a mail server that this machine uses.
# Prints what apt printed only when all three fail.
apt() {
    local try log
    log=$(mktemp)
    for try in 1 2 3; do
        if ((try > 1)); then
            sleep "$try"
            apt-get -q -o DPkg::Lock::Timeout=300 update >>"$log" 2>&1 || continue
        fi
        if DEBIAN_FRONTEND=noninteractive \
            apt-get -q -o DPkg::Lock::Timeout=300 --no-remove "$@" >>"$log" 2>&1; then
            rm -f "$log"
            return
        fi
    done
    cat "$log" >&2
    rm -f "$log"
    return 1
}

install_servers() {
    local missing=()
    command -v openssl >/dev/null || missing+=(openssl)
    if [[ ! -x /usr/lib/postfix/sbin/master ]]; then missing+=(postfix); fi
    if [[ ! -x /usr/sbin/dovecot ]]; then missing+=(dovecot-core); fi
    if ((${#missing[@]})); then
        say "installing ${missing[*]}"
        refuse_service_starts
        apt install -y --no-install-recommends "${missing[@]}" || die "cannot install ${missing[*]}"
    fi
    EXIM=$CACHE/exim/usr/sbin/exim4
    make_exim_user
    if ! "$EXIM" -C /dev/null -bV >/dev/null 2>&1; then unpack_exim; fi
}

# A package that is being installed must not start its service.
refuse_service_starts() {
    [[ -e /usr/sbin/policy-rc.d ]] && return
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
}

# Exim has its user compiled in, by name; an unpacked package does not make it.
make_exim_user() {
    if ! getent group Debian-exim >/dev/null; then groupadd --system Debian-exim; fi
    if ! getent passwd Debian-exim >/dev/null; then
        useradd --system --gid Debian-exim --home-dir /var/spool/exim4 --shell /usr/sbin/nologin Debian-exim
    fi
}

# Debian's Exim cannot be installed beside Postfix, but it runs from any folder once the libraries that
# it depends on are there.
unpack_exim() {
    say "unpacking exim4-daemon-light"
    local unpacked libraries
    mkdir -p "$CACHE"
    unpacked=$(mktemp -d "$CACHE/exim.XXXXXX")
    (
        cd "$unpacked"
        # apt-get would download as the user _apt, who cannot write here.
        apt -o APT::Sandbox::User=root download exim4-daemon-light
    ) || die "cannot download exim4-daemon-light"
    mapfile -t libraries < <(dpkg-deb -f "$unpacked"/*.deb Depends | tr , '\n' | grep -oE '^ *lib[^ ]+')
    apt install -y --no-install-recommends "${libraries[@]// /}" || die "cannot install ${libraries[*]}"
    dpkg -x "$unpacked"/*.deb "$unpacked"
    rm -f "$unpacked"/*.deb
    rm -rf "$CACHE/exim"
    mv "$unpacked" "$CACHE/exim"
    env -i "$EXIM" -C /dev/null -bV >/dev/null || die "Exim does not run"
}
