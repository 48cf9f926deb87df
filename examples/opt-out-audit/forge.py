"""Writes a certificate that names another client: `python forge.py CERTIFICATE FORGED CLIENT`."""

import base64
import json
import sys
from pathlib import Path

source, forged, client = sys.argv[1:]
envelope = json.loads(Path(source).read_text(encoding="utf-8"))
payload = json.loads(base64.b64decode(envelope["payload"]))
payload["receipt"]["client"] = client
text = json.dumps(payload, sort_keys=True, separators=(",", ":"))
envelope["payload"] = base64.b64encode(text.encode()).decode()
Path(forged).write_text(json.dumps(envelope, sort_keys=True, separators=(",", ":")), encoding="utf-8")
