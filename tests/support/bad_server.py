"""A server of one file that goes wrong in every way that a server can: server.address("stall")."""

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


class Server:
    """In the address stands the way to go wrong, as in cut:1000 with the byte to do it at."""

    def __init__(self, content, name):
        self.content, self.name, self.requests = content, name, []
        self.flooded = 0
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                way = self.path.split("/")[1]
                asked = self.headers.get("Range")
                served.requests.append((way, asked))
                with contextlib.suppress(ConnectionError):
                    served.answer(self, *way.partition(":")[::2], asked)

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.http.serve_forever, args=(0.02,), daemon=True).start()

    def address(self, way):
        return f"http://127.0.0.1:{self.http.server_port}/{way}/{self.name}"

    def answer(self, handler, way, at, asked):
        if way in ("403", "404", "503"):
            return handler.send_error(int(way))
        if way == "redirect":
            return self.redirect(handler, at)
        if way == "nothing":
            return
        if way == "not-http":
            return handler.wfile.write(b"\x16\x03\x01\x02\x00" * 100)
        if way == "reason":
            return handler.wfile.write(b"HTTP/1.0 500 \x1b[31m" + b"no " * 9000 + b"\r\n\r\n")
        if way == "silent":
            return time.sleep(2)
        if way in ("slow-headers", "continue"):
            return self.never_begin(handler, way)
        content, status, headers = self.content, 200, {}
        if way == "html":
            content, headers = HTML, {"Content-Type": "text/html"}
        if way == "disguised-html":
            content = HTML
        if way == "flip":
            content = content[: int(at)] + bytes([content[int(at)] ^ 1]) + content[int(at) + 1 :]
        if way == "endless":
            content += b"more"
        if asked and way != "no-range":
            first = int(asked.removeprefix("bytes=").removesuffix("-"))
            wrong = way == "wrong-range"
            headers["Content-Range"] = f"bytes {first + 7 * wrong}-{len(content) - 1}/{len(content)}"
            content, status = content[first:], 206
        handler.send_response(status)
        for key, value in headers.items():
            handler.send_header(key, value)
        if way not in ("endless", "unannounced", "flood"):
            handler.send_header("Content-Length", str(LENGTHS.get(at, int)(len(content))))
        handler.end_headers()
        if way == "cut":
            content = content[: int(at) if at else len(content) // 2]
        if way in ("stall", "trickle", "slow"):
            pause, steps, each = {"stall": (2, 1, 1), "trickle": (0.1, 50, 1), "slow": (0.05, 10, 36_000)}[
                way
            ]
            handler.wfile.write(content[:5000])
            for i in range(5000, 5000 + steps * each, each):
                handler.wfile.write(content[i : i + each])
                handler.wfile.flush()
                time.sleep(pause)
            content = content[5000 + steps * each :] if way == "slow" else b""
        handler.wfile.write(content)
        if way == "flood":
            self.flood(handler)

    def redirect(self, handler, to):
        elsewhere = {
            "": self.address("good"),
            "loop": self.address("redirect:loop"),
            "file": "file:///etc/passwd",
            "ftp": "ftp://127.0.0.1/x",
            "nowhere": "http://127.0.0.1:9/x",
            "nonsense": "http://[::1",
            "flood": self.address("good"),
        }
        handler.send_response(302)
        handler.send_header("Location", elsewhere[to])
        handler.end_headers()
        if to == "flood":
            self.flood(handler)

    def flood(self, handler):
        """Until the other side hangs up, or will not."""
        for _ in range(FLOOD >> 18):
            handler.wfile.write(bytes(1 << 18))
            self.flooded += 1 << 18

    def never_begin(self, handler, way):
        """Eight seconds of what comes before the file."""
        handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Wait: " if way == "slow-headers" else b"")
        for _ in range(800):
            handler.wfile.write(b"." if way == "slow-headers" else b"HTTP/1.1 100 Continue\r\n\r\n")
            handler.wfile.flush()
            time.sleep(0.01)

    def close(self):
        self.http.shutdown()
        self.http.server_close()
