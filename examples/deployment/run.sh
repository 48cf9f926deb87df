#!/usr/bin/env bash
# Three clinics, each with its rows on "its machine", and a server: Flower's SuperLink and SuperNodes, over TLS.
# PORT=9092 ./run.sh     the SuperLink's port; the nodes take the three after it
set -euo pipefail
cd "$(dirname "$0")"
PORT=${PORT:-9092}
CLINICS="clinic-a clinic-b clinic-c"
export FLWR_HOME=$PWD/work/flower FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1

started=""
stop_all() {
    for process in $started; do kill "$process" 2> /dev/null || true; done
    wait
}
trap stop_all EXIT

wait_for() {  # TEXT LOG: until the log says so
    for _ in $(seq 1500); do
        if grep -q "$1" "$2" 2> /dev/null; then return; fi
        sleep 0.2
    done
    echo "waited in vain for '$1'; see $2" >&2
    exit 1
}

# The server's operator: certificates for localhost, the app that `flwr run` starts, the SuperLink.
mkdir work work/flower
fedsift make-certificates work/tls --host localhost
fedsift make-app work/app
cat > work/flower/config.toml << TOML
[superlink]
default = "ours"
[superlink.ours]
address = "localhost:$PORT"
root-certificates = "$PWD/work/tls/ca.crt"
TOML
flower-superlink --host 127.0.0.1 --port "$PORT" --database work/superlink.db \
    --ssl-ca-certfile work/tls/ca.crt --ssl-certfile work/tls/server.crt --ssl-keyfile work/tls/server.key \
    --enable-supernode-auth --disable-runtime-dependency-installation > work/superlink.log 2>&1 &
started="$started $!"
until (: > "/dev/tcp/127.0.0.1/$PORT") 2> /dev/null; do sleep 0.2; done

# Each clinic: a key, which the operator registers under the clinic's name; its rows; its node.
node_port=$PORT
for clinic in $CLINICS; do
    fedsift make-node-key "work/$clinic/key"
    flwr supernode register "work/$clinic/key.pub" --name "$clinic"
    python make_rows.py "$clinic" > "work/$clinic/rows.csv"
    mkdir "work/$clinic/client"
    node_port=$((node_port + 1))
    FLWR_HOME=$PWD/work/$clinic/flower flower-supernode --superlink "localhost:$PORT" \
        --root-certificates work/tls/ca.crt --auth-supernode-private-key "work/$clinic/key" \
        --host 127.0.0.1 --port $node_port --node-config "client-id='$clinic' \
        data='$PWD/work/$clinic/rows.csv' client-folder='$PWD/work/$clinic/client'" > "work/$clinic.log" 2>&1 &
    started="$started $!"
done
for clinic in $CLINICS; do wait_for "SuperNode ID" "work/$clinic.log"; done

# A round; `flwr run --stream` ends with it. All three train and are merged.
flwr run work/app ours --stream --run-config run.toml | tee work/round-1.log | grep fedsift:
grep -q "3 members, 3 joined" work/round-1.log

# Clinic C asks, on its own machine, to leave. The next round removes it.
fedsift leave work/clinic-c/client
flwr run work/app ours --stream --run-config run.toml | tee work/round-2.log | grep fedsift:
grep -q "2 members, 0 joined; removals: clinic-c BIT_EXACT" work/round-2.log

# Clinic C checks the certificate with the key that it has kept since it joined; the operator audits the ledger.
fedsift verify-certificate work/run/certificates/0001.json --public-key work/clinic-c/client/public-key
fedsift verify work/run
