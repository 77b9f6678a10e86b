"""A local server of files, for the real download code."""

import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@contextmanager
def serve(content, breaks=(), continues=True, status=None):
    """Serve one file; `breaks` are numbers of bytes after which the next answers are cut off.

    Gives the address, and the list of Range headers (or None) of the requests so far.
    """
    asked, breaks = [], list(breaks)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            wanted = self.headers.get("Range")
            asked.append(wanted)
            if status:
                return self.send_error(status)
            begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and continues else 0
            if begin >= len(content):
                return self.send_error(416)
            self.send_response(206 if begin else 200)
            self.send_header("Content-Length", str(len(content) - begin))
            self.end_headers()
            end = begin + breaks.pop(0) if breaks else len(content)
            self.wfile.write(content[begin:end])

        def log_message(self, *arguments):
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/folder/weights-1.pth", asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
