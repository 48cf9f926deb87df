"""Somebody on this machine without a token; a program of its own, since it may become another user.

python outsider.py UID PORT...  prints, for each port, what answered.
"""

import json
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Iterable
from typing import Any

import grpc

# A question for each kind of server in a Ray, and what would have code run.
QUESTIONS = (
    "NodeInfoGcsService/CheckAlive",
    "NodeInfoGcsService/GetAllNodeInfo",
    "InternalKVGcsService/InternalKVGet",
    "InternalKVGcsService/InternalKVPut",
    "JobInfoGcsService/AddJob",
    "ActorInfoGcsService/RegisterActor",
    "NodeManagerService/GetSystemConfig",
    "NodeManagerService/RequestWorkerLease",
    "NodeManagerService/ShutdownRaylet",
    "CoreWorkerService/PushTask",
    "CoreWorkerService/Exit",
    "ObjectManagerService/Push",
    "ObjectManagerService/Pull",
    "ObjectManagerService/FreeObjects",
)


def answers(port: int, questions: Iterable[str] = QUESTIONS, token: str = "") -> dict[str, str]:
    """What each question comes to; those that a server does not know are left out."""
    found = {}
    metadata = [("authorization", f"Bearer {token}")] if token else []
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.enable_http_proxy", 0)]) as channel:
        for question in questions:
            ask = channel.unary_unary(f"/ray.rpc.{question}", request_serializer=bytes, response_deserializer=bytes)
            try:
                ask(b"", timeout=10, metadata=metadata)
                found[question] = "answered"
            except grpc.RpcError as error:
                if error.code() == grpc.StatusCode.UNAVAILABLE:  # It speaks HTTP/1.
                    return {"HTTP": _http(port)}
                if error.code() != grpc.StatusCode.UNIMPLEMENTED:
                    found[question] = error.code().name
    return found


def _http(port: int) -> str:
    request: Any = urllib.request.Request(f"http://127.0.0.1:{port}/get_runtime_envs_info", b"")
    try:
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=10):
            return "answered"
    except urllib.error.HTTPError as error:
        return "UNAUTHENTICATED" if error.code == 401 else f"HTTP {error.code}"
    except OSError as error:
        return type(error).__name__


if __name__ == "__main__":
    answers(1)  # Imports whatever it needs: others may not look where Python lies.
    os.setuid(int(sys.argv[1]))
    print(json.dumps({port: answers(int(port)) for port in sys.argv[2:]}))
