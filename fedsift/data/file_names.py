"""What a file holds, by its name. Apart from what reads it, since that takes a while to import."""

from pathlib import Path

ROWS_SUFFIX = ".rows"  # of a file of `fedsift.data.stored_rows`
_KINDS = {".csv": "csv", ".jsonl": "json", ".json": "json", ".parquet": "parquet"}
PACKED = {".gz": "gzip", ".bz2": "bz2", ".zst": "zstd", ".xz": "xz"}


def kind_of_file(name: str) -> str:
    """What a file holds by its name: csv, json or parquet; "" for any other. Text may be packed, such as .csv.gz."""
    path = Path(name)
    packed = path.suffix.lower() in PACKED
    kind = _KINDS.get(Path(path.stem if packed else path.name).suffix.lower(), "")
    return "" if packed and kind == "parquet" else kind
