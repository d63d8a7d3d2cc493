#!/bin/sh
# /sign, /ca and /user of dojot's gateway (Kong 0.11, dojot v0.3 and v0.4) go to midca. To be run where Kong's Admin API can be
# reached, after dojot's own kong.config.sh; as often as you like. No other path is touched: /auth keeps its limits.
#
#   KONG_ADMIN_URL=http://apigw:8001 sh kong-0.11.sh
#
# MIDCA_UPSTREAM_URL   where midca is                            http://ejbca:5583
# PDP_URL              dojot's permissions; empty: not asked     http://auth:5000/pdp
# PROXY_SECRET_FILE    the secret by which midca knows that Kong has verified a token (MIDCA_PROXY_SECRET_FILE there);
#                      without it midca believes no token that comes through Kong
set -eu

admin=${KONG_ADMIN_URL:-http://apigw:8001}
midca=${MIDCA_UPSTREAM_URL:-http://ejbca:5583}
pdp=${PDP_URL-http://auth:5000/pdp}
secret_file=${PROXY_SECRET_FILE:-}

# send METHOD PATH STATUS: sends the JSON on standard input; another status ends the script.
send() {
    status=$(curl -sS -o /dev/null -w '%{http_code}' -X "$1" -H 'Content-Type: application/json' -d @- "$admin$2")
    [ "$status" = "$3" ] || fail "$1 $2" "$status"
}

remove() {
    status=$(curl -sS -o /dev/null -w '%{http_code}' -X DELETE "$admin$1")
    [ "$status" = 204 ] || [ "$status" = 404 ] || fail "DELETE $1" "$status"
}

fail() {
    echo "kong-0.11.sh: $1 at $admin answered $2; nothing more is done." >&2
    exit 1
}

# Under a path that nobody asks for until the plugins are there: /user must not be open even for a moment.
remove /apis/midca-new
send POST /apis 201 <<JSON
{"name": "midca-new", "uris": ["/midca-is-being-set-up"], "strip_uri": false, "upstream_url": "$midca/"}
JSON
send POST /apis/midca-new/plugins 201 <<'JSON'
{"name": "jwt"}
JSON
if [ -n "$pdp" ]; then
    send POST /apis/midca-new/plugins 201 <<JSON
{"name": "pepkong", "config": {"pdpUrl": "$pdp"}}
JSON
fi

# A secret that a client sends must never arrive; ours is put in its place, by standard input so that no process list has it.
add=''
[ -z "$secret_file" ] || add=", \"add\": {\"headers\": [\"X-Midca-Proxy-Secret:$(tr -d '\r\n' <"$secret_file")\"]}"
send POST /apis/midca-new/plugins 201 <<JSON
{"name": "request-transformer", "config": {"remove": {"headers": ["X-Midca-Proxy-Secret"]}$add}}
JSON

remove /apis/ejbca-paths
send PATCH /apis/midca-new 200 <<'JSON'
{"name": "ejbca-paths", "uris": ["/sign", "/ca", "/user"]}
JSON
echo "Kong passes /sign, /ca and /user on to $midca."
