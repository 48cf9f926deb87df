#!/usr/bin/env bash
# From a csv of one's own to a model that predicts without fedsift.
set -euo pipefail
cd "$(dirname "$0")"

python make_tickets.py > tickets.csv
fedsift check-data tickets.csv --client-column shop --prompt "{message}" --target desk \
    --task classification --choices billing,delivery,returns,technical
fedsift run --dataset tickets.csv --client-column shop --prompt "{message}" --target desk \
    --task classification --choices billing,delivery,returns,technical --out federation
fedsift export federation --member "Bergen kettles" kettle-model
python predict.py kettle-model "The parcel with my kettle has not arrived yet." "I want to return the kettle."
