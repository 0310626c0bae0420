"""A server of one file that fails in every way that a server can: server.address("stall")."""

import contextlib
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

FLOOD = 1 << 28  # bytes, far more than sockets buffer
HTML = b"<!DOCTYPE html><p>Sign in to the network"
LENGTHS = {
    "longer": lambda n: n + 1000,
    "shorter": lambda n: n - 1000,
    "negative": lambda n: -n,
    "huge": lambda n: "9" * 5000,
    "word": lambda n: "\x1b[2Jmany",
}
ANSWERS = {
    "nothing": b"",
    "not-http": b"\x16\x03\x01\x02\x00" * 100,
    "reason": b"HTTP/1.0 500 \x1b[31m" + b"no " * 9000 + b"\r\n\r\n",
}
PREAMBLES = {  # the first bytes, then without end
    "slow-headers": (b"HTTP/1.1 200 OK\r\nX-Wait: ", b"."),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}
PACES = {
    "stall": (2, 1, 1),
    "trickle": (0.1, 50, 1),
    "slow": (0.05, 10, 36_000),
}  # seconds, times, bytes each


class Server:
    """The first part of an address is the fault, as in cut:1000 with the byte where it happens.

    requests is a list of (fault, the Range header or None), flooded a number of bytes.
    """

    def __init__(self, content, name):
        self.content, self.name, self.requests, self.flooded = content, name, [], 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                fault, requested = self.path.split("/")[1], self.headers.get("Range")
                server.requests.append((fault, requested))
                with contextlib.suppress(ConnectionError):
                    server.answer(self, *fault.partition(":")[::2], requested)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def address(self, fault):
        return f"http://127.0.0.1:{self.http.server_port}/{fault}/{self.name}"

    def answer(self, handler, fault, at, requested):
        if fault in ("403", "404", "503"):
            return handler.send_error(int(fault))
        if fault == "redirect":
            return self.redirect(handler, at)
        if fault == "silent":
            return time.sleep(2)
        if fault in ANSWERS:
            return handler.wfile.write(ANSWERS[fault])
        if fault in PREAMBLES:
            return self.repeat(handler, *PREAMBLES[fault])
        content, status, headers = self.content, 200, {}
        if fault == "html":
            headers = {"Content-Type": "text/html"}
        if fault in ("html", "disguised-html"):
            content = HTML
        if fault == "flip":
            content = content[: int(at)] + bytes([content[int(at)] ^ 1]) + content[int(at) + 1 :]
        if fault == "endless":
            content += b"more"
        if requested and fault != "no-range":
            first = int(requested.removeprefix("bytes=").removesuffix("-"))
            claimed = first + 7 * (fault == "wrong-range")
            headers["Content-Range"] = f"bytes {claimed}-{len(content) - 1}/{len(content)}"
            content, status = content[first:], 206
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        if fault not in ("endless", "unannounced", "flood"):
            handler.send_header("Content-Length", str(LENGTHS.get(at, int)(len(content))))
        handler.end_headers()
        if fault == "cut":
            content = content[: int(at) if at else len(content) // 2]
        if fault in PACES:
            pause, times, each = PACES[fault]
            handler.wfile.write(content[:5000])
            for i in range(5000, 5000 + times * each, each):
                handler.wfile.write(content[i : i + each])
                handler.wfile.flush()
                time.sleep(pause)
            content = content[5000 + times * each :] if fault == "slow" else b""
        handler.wfile.write(content)
        if fault == "flood":
            self.flood(handler)

    def redirect(self, handler, to):
        targets = {
            "loop": self.address("redirect:loop"),
            "file": "file:///etc/passwd",
            "ftp": "ftp://127.0.0.1/x",
            "nowhere": "http://127.0.0.1:9/x",
            "nonsense": "http://[::1",
        }
        handler.send_response(302)
        handler.send_header("Location", targets.get(to, self.address("good")))
        handler.end_headers()
        if to == "flood":
            self.flood(handler)

    def flood(self, handler):
        """Send until the client hangs up, or for FLOOD bytes."""
        for _ in range(FLOOD >> 18):
            handler.wfile.write(bytes(1 << 18))
            self.flooded += 1 << 18

    def repeat(self, handler, first, piece):
        """Send for eight seconds what comes before the file."""
        handler.wfile.write(first)
        for _ in range(800):
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.01)

    def close(self):
        self.http.shutdown()
        self.http.server_close()
