"""The C++ compiler under torch.compile; looked for without torch."""

import os
import shutil
import subprocess
import sys
from functools import cache

from fedsift.core.errors import BadInput


@cache
def cpp_compiler() -> str:
    """The version of the C++ compiler that torch.compile calls.

    Raises:
        BadInput: there is none.
    """
    name = os.environ.get("CXX") or {"darwin": "clang++", "win32": "cl"}.get(sys.platform, "g++")
    path = shutil.which(name)
    if path is None:
        raise BadInput(f"compile needs a C++ compiler, and there is no {name}: install it, or name another in CXX")
    done = subprocess.run([path, "--version"], capture_output=True, text=True, check=False)
    return (done.stdout or done.stderr or name).splitlines()[0]
