#!/usr/bin/env bash
# A PyTorch module of one's own, on rows that are no texts.
set -euo pipefail
cd "$(dirname "$0")"

fedsift run --task sensors:Activity --dataset sensors:clients --leave person-03 --oracle --out federation
fedsift figures federation
