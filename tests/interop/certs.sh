# shellcheck shell=bash
# Certificates for one run; sourced by tests/interop/run.
# make_certs FOLDER : ca.pem; server.pem and server.key for localhost, 127.0.0.1 and ::1; client.pem and
# client.key with the subject CN=alice.

make_certs() {
    local dir=$1
    mkdir "$dir"
    {
        openssl req -x509 "${KEY_OPTIONS[@]}" -days 2 -subj "/CN=interop test CA" \
            -keyout "$dir/ca.key" -out "$dir/ca.pem" \
            -addext basicConstraints=critical,CA:TRUE -addext keyUsage=critical,keyCertSign,cRLSign &&
            sign "$dir" server "/CN=localhost" serverAuth "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1" &&
            sign "$dir" client "/CN=alice" clientAuth &&
            openssl verify -CAfile "$dir/ca.pem" "$dir/server.pem" "$dir/client.pem"
    } >"$dir/openssl.log" 2>&1 || {
        cat "$dir/openssl.log" >&2
        die "cannot make certificates"
    }
    # Each server reads them as its own user; they live for one run.
    chmod 644 "$dir"/*.key
}

KEY_OPTIONS=(-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes)

# sign FOLDER NAME SUBJECT USAGE [EXTENSION] : a key and a certificate signed by the CA.
sign() {
    openssl req "${KEY_OPTIONS[@]}" -subj "$3" -keyout "$1/$2.key" -out "$1/$2.csr" &&
        openssl x509 -req -in "$1/$2.csr" -CA "$1/ca.pem" -CAkey "$1/ca.key" -CAcreateserial -days 2 \
            -out "$1/$2.pem" -extfile <(printf '%s\n' "${@:5}" basicConstraints=critical,CA:FALSE \
                keyUsage=critical,digitalSignature "extendedKeyUsage=$4")
}
