"""Debian's nginx before a server, configured as its documentation says and no further."""

import subprocess
from contextlib import asynccontextmanager

import anyio
from programs import program

_WHOLE = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log stderr warn;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  {content}
}}
"""


@asynccontextmanager
async def nginx(folder, port, path, lines):
    """It serves `path` on `port` by these lines of a `location` while the context lasts."""
    server = f"server {{ listen 127.0.0.1:{port}; location {path}/ {{ {lines} }} }}"
    async with nginx_with(folder, port, server):
        yield


@asynccontextmanager
async def nginx_with(folder, port, content):
    """It runs with this content of its `http` block, which listens on `port`, while the context lasts."""
    config = folder / "nginx.conf"
    config.write_text(_WHOLE.format(folder=folder, content=content))
    command = [program("nginx", "nginx-light"), "-p", str(folder), "-e", "stderr", "-c", str(config)]
    async with await anyio.open_process(command, stdin=subprocess.DEVNULL, stdout=None, stderr=None) as process:
        try:
            with anyio.fail_after(20):
                while not await _listens(port):
                    assert process.returncode is None, "nginx has ended"
                    await anyio.sleep(0.02)
            yield
        finally:
            process.terminate()


async def _listens(port):
    try:
        async with await anyio.connect_tcp("127.0.0.1", port):
            return True
    except OSError:
        return False
