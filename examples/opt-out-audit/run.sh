#!/usr/bin/env bash
# Before: what would happen if some left. Then: some do, and somebody outside checks what they were told.
set -euo pipefail
cd "$(dirname "$0")"

# The study, with a report.
fedsift optout leave.toml --out study

# The federation. Each client gets the server's public key when it joins.
fedsift run --clients 16 --newcomers 4 --out federation
fedsift public-key federation > public-key

# A client leaves, and gets its certificate. Later another one leaves, and the server shows its log as it is now.
fedsift forget federation person-0003
cp federation/certificates/0001.json certificate.json
fedsift forget federation person-0005
fedsift log-head federation --since 1 --out head.json

# The auditor of the first: the certificate holds, the log of now begins with the log of then, and a forgery is refused.
fedsift verify-certificate certificate.json --public-key public-key
fedsift verify-log certificate.json head.json --public-key public-key
python forge.py certificate.json forged.json person-0004
fedsift verify-certificate forged.json --public-key public-key && exit 1 || echo "as it should be: exit code $?"

# The auditor of the server: every value of the ledger, and every member trained again, without those who left.
fedsift verify federation --oracle --certificate certificate.json --public-key public-key
