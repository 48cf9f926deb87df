#!/usr/bin/env bash
# An assistant for an office: everybody's chats stay with them, and tune LoRA adapters of one chat model.
set -euo pipefail
cd "$(dirname "$0")"

python make_chats.py > chats.jsonl
python make_model.py model
fedsift check-data chats.jsonl --client-column person --messages talk --chat --model model --lora-rank 8
fedsift run --dataset chats.jsonl --client-column person --messages talk --chat --model model --lora-rank 8 \
    --leave colleague-01 --oracle --out federation
fedsift export federation --member colleague-03 adapter
python chat.py adapter "Which desk is mine?" "Who is my mentor?"
