# shellcheck shell=bash
# Installs the servers, only what is missing and only for the servers chosen; sourced by tests/interop/run.
# Needs Debian 12, root, and the network for what is missing. From nothing it takes about a minute.
#
# Postfix and Dovecot are installed as packages. Debian's Exim, OpenSMTPD and Sendmail cannot be installed
# beside Postfix, but run from any folder once the libraries that they depend on are there: they are unpacked
# into CACHE (target/interop), and so are what npm and pip install.
#
# Pinned: npm and pip exactly (node/package-lock.json, aiosmtpd/requirements.txt), Debian's packages to the
# upstream version, because the archive keeps only the latest security update of each.

install_servers() {
    local server
    PACKAGES=(openssl:openssl)
    for server in "${SERVERS[@]}"; do
        case $server in
            postfix) PACKAGES+=(postfix:/usr/lib/postfix/sbin/master dovecot-core:/usr/sbin/dovecot) ;;
            dovecot)
                PACKAGES+=(dovecot-core:/usr/sbin/dovecot dovecot-lmtpd:/usr/lib/dovecot/lmtp
                    dovecot-submissiond:/usr/lib/dovecot/submission-login postfix:/usr/sbin/smtp-sink)
                ;;
            smtp-sink) PACKAGES+=(postfix:/usr/sbin/smtp-sink) ;;
            sendmail)
                PACKAGES+=(m4:m4 sasl2-bin:/usr/sbin/saslpasswd2 postfix:/usr/sbin/smtp-sink
                    "libsasl2-modules:/usr/lib/$(uname -m)-linux-gnu/sasl2/libplain.so")
                ;;
            smtp-server | haraka) PACKAGES+=(npm:npm) ;;
            aiosmtpd) if ! python3 -c "import ensurepip" 2>/dev/null; then PACKAGES+=(python3-venv:); fi ;;
        esac
    done
    install_packages
    mkdir -p "$CACHE"
    for server in "${SERVERS[@]}"; do
        case $server in
            postfix) expect_version postfix 3.7. && expect_version dovecot-core 1:2.3.19. ;;
            dovecot) expect_version dovecot-core 1:2.3.19. ;;
            exim)
                make_user Debian-exim /var/spool/exim4
                unpack exim 4.96- exim4-daemon-light
                ;;
            opensmtpd)
                make_user opensmtpd /nonexistent
                make_user opensmtpq /nonexistent
                unpack opensmtpd 6.8. opensmtpd
                ;;
            sendmail) unpack sendmail 8.17. sendmail-bin sendmail-cf ;;
            smtp-server | haraka) install_node ;;
            aiosmtpd) install_aiosmtpd ;;
        esac
    done
}

# Installs those of PACKAGES, each package:file or package:command, that are not there.
install_packages() {
    local pair missing=()
    for pair in "${PACKAGES[@]}"; do
        [[ " ${missing[*]} " == *" ${pair%%:*} "* ]] && continue
        [[ -e ${pair#*:} ]] || command -v "${pair#*:}" >/dev/null || missing+=("${pair%%:*}")
    done
    ((${#missing[@]})) || return 0
    say "installing ${missing[*]}"
    refuse_service_starts
    apt install -y --no-install-recommends "${missing[@]}" || die "cannot install ${missing[*]}"
}

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

# A package that is being installed must not start its service.
refuse_service_starts() {
    [[ -e /usr/sbin/policy-rc.d ]] && return
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
}

# expect_version PACKAGE PREFIX : the tests know this version's words.
expect_version() {
    local version
    version=$(dpkg-query -W -f '${Version}' "$1")
    [[ $version == "$2"* ]] || die "$1 is $version; the suite is for $2*"
}

# make_user NAME HOME : Exim and OpenSMTPD have their users compiled in, by name.
make_user() {
    if ! getent group "$1" >/dev/null; then groupadd --system "$1"; fi
    if ! getent passwd "$1" >/dev/null; then
        useradd --system --gid "$1" --no-create-home --home-dir "$2" --shell /usr/sbin/nologin "$1"
    fi
}

# unpack NAME PREFIX PACKAGE... : into CACHE/NAME, once; PREFIX begins the version of each package.
unpack() {
    local name=$1 prefix=$2 unpacked deb libraries=()
    [[ -e $CACHE/$name/unpacked ]] && return
    say "unpacking ${*:3}"
    unpacked=$(mktemp -d "$CACHE/$name.XXXXXX")
    chmod 755 "$unpacked"
    (
        cd "$unpacked"
        # apt-get would download as the user _apt, who cannot write here.
        apt -o APT::Sandbox::User=root download "${@:3}"
    ) || die "cannot download ${*:3}"
    for deb in "$unpacked"/*.deb; do
        [[ $(dpkg-deb -f "$deb" Version) == "$prefix"* ]] ||
            die "$(basename "$deb"): the suite is for version $prefix*"
        mapfile -t -O "${#libraries[@]}" libraries \
            < <(dpkg-deb -f "$deb" Depends | tr , '\n' | grep -oE '^ *lib[^ ]+')
    done
    apt install -y --no-install-recommends "${libraries[@]// /}" || die "cannot install ${libraries[*]}"
    for deb in "$unpacked"/*.deb; do dpkg -x "$deb" "$unpacked"; done
    rm -f "$unpacked"/*.deb
    touch "$unpacked/unpacked"
    rm -rf "${CACHE:?}/$name"
    mv "$unpacked" "$CACHE/$name"
}

# smtp-server, Haraka and the Node.js that runs both: Debian's is too old for Haraka.
install_node() {
    cmp -s "$HERE/node/package-lock.json" "$CACHE/node/installed" && return
    say "installing smtp-server and Haraka"
    rm -rf "$CACHE/node"
    mkdir -p "$CACHE/node"
    cp "$HERE"/node/package*.json "$CACHE/node"
    npm ci --prefix "$CACHE/node" --omit=optional --ignore-scripts --no-audit --no-fund \
        >"$CACHE/node/npm.log" 2>&1 || {
        cat "$CACHE/node/npm.log" >&2
        die "npm failed"
    }
    cp "$HERE/node/package-lock.json" "$CACHE/node/installed"
}

install_aiosmtpd() {
    cmp -s "$HERE/aiosmtpd/requirements.txt" "$CACHE/aiosmtpd/installed" && return
    say "installing aiosmtpd"
    rm -rf "$CACHE/aiosmtpd"
    {
        python3 -m venv "$CACHE/aiosmtpd" &&
            "$CACHE/aiosmtpd/bin/pip" install --disable-pip-version-check --no-deps \
                -r "$HERE/aiosmtpd/requirements.txt"
    } >"$CACHE/pip.log" 2>&1 || {
        cat "$CACHE/pip.log" >&2
        die "pip failed"
    }
    cp "$HERE/aiosmtpd/requirements.txt" "$CACHE/aiosmtpd/installed"
}
