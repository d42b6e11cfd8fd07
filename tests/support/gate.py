"""A gate in front of moto's mock of S3 and STS: it checks MFA codes, and can refuse sessions.

moto accepts every code and every key, for ever. The answers here are those of AWS, word for word.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs

import httpx

from shift_stac.simulate.serving import QuietHandler, serve_handler
from support.s3 import Bucket, serve_moto

GOOD_CODE = "271828"
_WRONG_CODE = """<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>
<Type>Sender</Type><Code>AccessDenied</Code><Message>MultiFactorAuthentication failed with invalid
MFA one time pass code. </Message></Error></ErrorResponse>"""
_S3_ERROR = '<?xml version="1.0"?><Error><Code>{}</Code><Message>{}</Message></Error>'


@dataclass
class Gate:
    """The codes and keys that the gate accepts, and the requests that it has seen."""

    bucket: Bucket
    ended: set[str] = field(default_factory=set)
    denied: set[str] = field(default_factory=set)
    sessions: list[str] = field(default_factory=list)
    puts: dict[str, int] = field(default_factory=dict)
    ends_after_puts: int | None = None
    errs: bool = False


@contextmanager
def serve_gate(folder: Path) -> Iterator[Gate]:  # noqa: C901 - a handler needs its gate
    with serve_moto(folder) as bucket:
        behind = bucket.environment["AWS_ENDPOINT_URL"]
        client = httpx.Client(base_url=behind, timeout=60)
        gate = Gate(bucket)

        class Handler(QuietHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                if (refusal := self.refusal(body)) is not None:
                    status, text = refusal
                    self.respond(status, {"Content-Type": "text/xml"}, text.encode())
                    return
                headers = {
                    key: value
                    for key, value in self.headers.items()
                    if key.lower() not in {"host", "expect", "content-length", "connection"}
                }
                found = client.request(self.command, self.path, content=body, headers=headers)
                content = found.content
                if b"<AccessKeyId>" in content:
                    gate.sessions.append(f"ASIASESSION{len(gate.sessions):09d}")
                    name = gate.sessions[-1].encode()
                    content = re.sub(rb"(?<=<AccessKeyId>)[^<]+", name, content)
                kept = {
                    key: value
                    for key, value in found.headers.items()
                    if key.lower() not in {"content-length", "connection", "transfer-encoding"}
                }
                size = found.headers.get("Content-Length") if self.command == "HEAD" else None
                self.respond(found.status_code, kept, content, size)

            def refusal(self, body: bytes) -> tuple[int, str] | None:
                if gate.errs:
                    return 503, _S3_ERROR.format("ServiceUnavailable", "Try again later.")
                form = parse_qs(body.decode("utf-8", "replace")) if self.path == "/" else {}
                if "TokenCode" in form and form["TokenCode"] != [GOOD_CODE]:
                    return 403, _WRONG_CODE
                key = re.search(r"Credential=([^/]+)", self.headers.get("Authorization", ""))
                if key is None or self.path == "/":
                    return None
                if self.command == "PUT":
                    gate.puts[key[1]] = gate.puts.get(key[1], 0) + 1
                    if (
                        gate.ends_after_puts is not None
                        and gate.puts[key[1]] > gate.ends_after_puts
                    ):
                        gate.ended.add(key[1])
                        gate.ends_after_puts = None
                if key[1] in gate.ended:
                    return 400, _S3_ERROR.format("ExpiredToken", "The provided token has expired.")
                if self.command in gate.denied:
                    return 403, _S3_ERROR.format("AccessDenied", "Access Denied")
                return None

            def respond(
                self, status: int, headers: dict[str, str], content: bytes, size: str | None = None
            ) -> None:
                self.send_response(status)
                for key, value in headers.items():
                    self.send_header(key, value)
                self.send_header("Content-Length", size or str(len(content)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(content)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = answer  # noqa: N815

        with client, serve_handler(Handler) as endpoint:
            bucket.environment["AWS_ENDPOINT_URL"] = endpoint
            yield gate
