# shellcheck shell=bash
# Access tokens for OAuth; sourced by tests/interop/run.

# Signs the tokens (HS256); known to the servers.
INTEROP_TOKEN_KEY=interop-hs256-key

# make_token EXPIRY : prints a JSON Web Token for INTEROP_USER (RFC 7519, RFC 7515).
make_token() {
    local header='{"alg":"HS256","typ":"JWT"}' claims signed
    printf -v claims '{"sub":"%s","iss":"interop","iat":%d,"exp":%d}' "$INTEROP_USER" 0 "$1"
    signed=$(printf %s "$header" | base64url).$(printf %s "$claims" | base64url)
    printf '%s.%s\n' "$signed" \
        "$(printf %s "$signed" | openssl dgst -sha256 -hmac "$INTEROP_TOKEN_KEY" -binary | base64url)"
}

base64url() { base64 -w 0 | tr '+/' '-_' | tr -d '='; }
