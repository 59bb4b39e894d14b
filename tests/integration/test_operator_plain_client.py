"""docs/control-topic.md, "Commands, by any Kafka client": the example runs as it stands, without the library."""

from __future__ import annotations

import asyncio
import os
import re
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson
import pytest

from aegis_stream.custodian.bip322 import sign_message
from aegis_stream.wire import b64decode
from tests.support.command_line import CommandLine
from tests.support.control_topic import write
from tests.support.operators import Operators, Place, running_agent

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.kafka

PAGE = (Path(__file__).parents[2] / "docs" / "control-topic.md").read_text("utf-8")
(EXAMPLE,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def signer(operators: Operators, name: str) -> Callable[[str], bytes]:
    """Return what stands for a BIP-322 signer."""
    private = b64decode(operators.key(name).read_text().strip())
    return lambda text: sign_message(private, text.encode())


def test_command_by_any_client_is_carried_out(
    kafka: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Written by hand, and answered as any other; an approval by hand counts as well."""
    place = Place.make(kafka, tmp_path, f"plain-{os.getpid()}-{time.time_ns()}")
    operators = Operators(CommandLine(monkeypatch, capsysbinary), place, monkeypatch)
    topic = os.environ["AEGIS_TOPIC_CONTROL"]
    names: dict[str, Any] = {
        "deployment": os.environ["AEGIS_DEPLOYMENT"],
        "sign": signer(operators, "risk-lead"),
        "public_key": b64decode((operators.folder / "risk-lead.pub").read_text().strip()),
    }
    exec(compile(EXAMPLE, "control-topic.md", "exec"), names)  # noqa: S102 - the page's own example
    first = operators.see().manifest.active.version.text
    with running_agent(place):
        asyncio.run(write(kafka, topic, [(names["key"], names["value"])]))
        deadline = time.monotonic() + 30
        while (state := shown(operators, names["command_id"])) != "executed":
            assert time.monotonic() < deadline, state

        command = operators.ask("revoke", first, by="risk-lead")
        payload = command_payload(operators, command["id"])
        names |= {"sign": signer(operators, "security-lead")}
        names["public_key"] = b64decode((operators.folder / "security-lead.pub").read_text().strip())
        approval = names["envelope"]("approval", payload)
        asyncio.run(write(kafka, topic, [(f"approval/{command['id']}/security-lead", approval)]))
        while (state := shown(operators, command["id"])) != "executed":
            assert time.monotonic() < deadline, state


def shown(operators: Operators, command_id: object) -> str:
    """Return a command's state."""
    ended = operators.aegis("control", "show", command_id, "--json")
    return str(orjson.loads(ended.out)["state"]) if ended.code == 0 else ended.err


def command_payload(operators: Operators, command_id: object) -> bytes:
    """Return the bytes that are to be approved."""
    return operators.see().standings[str(command_id)].case.command.payload
