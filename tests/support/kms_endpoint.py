"""A small KMS over HTTP that can be told to fail the way the real one does.

It keeps AES-256-GCM keys, binds ciphertexts to key and encryption context as KMS does, and refuses what KMS refuses
(another key, a disabled one, one pending deletion), which moto does not.  It speaks the JSON protocol of KMS as far as
Encrypt and Decrypt need it.
"""

from __future__ import annotations

import base64
import json
import os
import socket
import struct
import threading
import time
from contextlib import suppress
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

REGION = "eu-central-1"
PLAINTEXT_MOST_BYTES = 4096
_ARN_BYTES = 128


class Fault(Enum):
    """How a request fails: an error code with its HTTP status, or something that is no answer at all."""

    THROTTLED = ("ThrottlingException", 400)
    INTERNAL = ("KMSInternalException", 500)
    UNAVAILABLE = ("", 503)
    KEY_UNAVAILABLE = ("KeyUnavailableException", 500)
    DENIED = ("AccessDeniedException", 400)
    EXPIRED = ("ExpiredTokenException", 400)
    UNKNOWN_CLIENT = ("UnrecognizedClientException", 400)
    BAD_SIGNATURE = ("InvalidSignatureException", 400)
    UNHEARD_OF = ("SomethingNewException", 400)
    SLOW = ("slow", 0)
    RESET = ("reset", 0)
    GARBAGE = ("garbage", 200)
    GARBAGE_JSON = ("garbage-json", 200)
    GARBAGE_BASE64 = ("garbage-base64", 200)
    PORTAL = ("page", 302)
    PROXY_REFUSES = ("page", 403)
    NOT_FOUND = ("page", 404)
    PROXY_BUSY = ("page", 429)
    SHORT_KEY = ("short-key", 200)
    RANDOM_KEY = ("random-key", 200)


_BODIES = {
    Fault.GARBAGE: b"<html>captive portal</html>",
    Fault.GARBAGE_JSON: b'{"KeyId": "x", "Surprise": [1, 2]}',
    Fault.GARBAGE_BASE64: b'{"KeyId": "x", "Plaintext": "***", "CiphertextBlob": "***"}',
}
_PAGES = {fault for fault in Fault if fault.value[0] == "page"}
"""What a proxy on the way answers in place of KMS."""


class KmsEndpoint:
    """The server and its keys.

    `faults` is consumed from the front, one a request, then `fault` holds for all; `body`, where set, is every answer.
    """

    def __init__(self) -> None:
        """Listen on a free port of 127.0.0.1 once entered."""
        self.fault: Fault | None = None
        self.body: bytes | None = None
        self.faults: list[Fault | None] = []
        self.requests: list[str] = []
        self.slow_s = 8.0
        self.slept = 0
        self._keys: dict[str, bytes] = {}
        self._states: dict[str, str] = {}
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    @property
    def url(self) -> str:
        """Return the endpoint's address."""
        return f"http://127.0.0.1:{self._port}"

    def __enter__(self) -> Self:
        """Start."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self.stop()

    def start(self) -> None:
        """Listen; a second time on the port of the first, with the same keys."""
        handler = type("Handler", (_Handler,), {"kms": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), handler)
        self._server.daemon_threads = True
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def stop(self) -> None:
        """Refuse connections from now on."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def create_key(self) -> str:
        """Make a key; returns its ARN."""
        arn = f"arn:aws:kms:{REGION}:123456789012:key/{os.urandom(4).hex()}-0000-4000-8000-{os.urandom(6).hex()}"
        self._keys[arn] = AESGCM.generate_key(256)
        self._states[arn] = "Enabled"
        return arn

    def set_state(self, arn: str, state: str) -> None:
        """Set a key's state: Enabled, Disabled or PendingDeletion."""
        self._states[arn] = state

    def answer(self, action: str, request: dict[str, Any]) -> tuple[int, dict[str, str]]:
        """Return the status and the body of an answer."""
        wanted = request.get("KeyId", "")
        arn = next((known for known in self._keys if wanted in {known, known.rpartition("/")[2]}), None)
        if arn is None:
            return 400, {"__type": "NotFoundException", "message": f"Key '{wanted}' does not exist"}
        if self._states[arn] == "Disabled":
            return 400, {"__type": "DisabledException", "message": f"{arn} is disabled."}
        if self._states[arn] == "PendingDeletion":
            return 400, {"__type": "KMSInvalidStateException", "message": f"{arn} is pending deletion."}
        context = json.dumps(request.get("EncryptionContext", {}), sort_keys=True).encode()
        if action == "Encrypt":
            if len(base64.b64decode(request["Plaintext"])) > PLAINTEXT_MOST_BYTES:
                return 400, {"__type": "ValidationException", "message": "Member must have length <= 4096"}
            return 200, {"KeyId": arn, "CiphertextBlob": self._encrypt(arn, request["Plaintext"], context)}
        return self._decrypt(arn, base64.b64decode(request["CiphertextBlob"]), context)

    def _encrypt(self, arn: str, plaintext: str, context: bytes) -> str:
        nonce = os.urandom(12)
        sealed = AESGCM(self._keys[arn]).encrypt(nonce, base64.b64decode(plaintext), context)
        return base64.b64encode(arn.encode().ljust(_ARN_BYTES) + nonce + sealed).decode()

    def _decrypt(self, arn: str, blob: bytes, context: bytes) -> tuple[int, dict[str, str]]:
        made_by = blob[:_ARN_BYTES].decode("latin-1").strip()
        if made_by in self._keys and made_by != arn:
            return 400, {"__type": "IncorrectKeyException", "message": "The key ID in the request does not identify"}
        try:
            plaintext = AESGCM(self._keys[arn]).decrypt(
                blob[_ARN_BYTES : _ARN_BYTES + 12], blob[_ARN_BYTES + 12 :], context
            )
        except (InvalidTag, ValueError):
            return 400, {"__type": "InvalidCiphertextException", "message": ""}
        return 200, {"KeyId": arn, "Plaintext": base64.b64encode(plaintext).decode()}


class _Handler(BaseHTTPRequestHandler):
    kms: ClassVar[KmsEndpoint]
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Answer one request, or fail it as told."""
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        action = self.headers["X-Amz-Target"].rpartition(".")[2]
        self.kms.requests.append(action)
        fault = self.kms.faults.pop(0) if self.kms.faults else self.kms.fault
        if self.kms.body is not None:
            self._send(200, self.kms.body)
        elif fault is Fault.RESET:
            self._reset()
        elif fault in _BODIES:
            self._send(200, _BODIES[fault])
        elif fault in _PAGES:
            self._send(fault.value[1], _BODIES[Fault.GARBAGE])
        elif fault in {Fault.SHORT_KEY, Fault.RANDOM_KEY}:
            key = os.urandom(16 if fault is Fault.SHORT_KEY else 2432)
            self._send_json(200, {"KeyId": request["KeyId"], "Plaintext": base64.b64encode(key).decode()})
        elif fault is not None and fault is not Fault.SLOW:
            code, status = fault.value
            self._send_json(status, {"__type": code, "message": "as told"})
        else:
            if fault is Fault.SLOW:
                time.sleep(self.kms.slow_s)
                self.kms.slept += 1
            self._send_json(*self.kms.answer(action, request))

    def _send_json(self, status: int, body: dict[str, str]) -> None:
        self._send(status, json.dumps(body).encode())

    def _send(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/x-amz-json-1.1")
        self.send_header("Content-Length", str(len(body)))
        with suppress(ConnectionError):  # the client may have given up
            self.end_headers()
            self.wfile.write(body)

    def _reset(self) -> None:
        """Close with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()

    def log_message(self, *_: object) -> None:
        """Say nothing."""
