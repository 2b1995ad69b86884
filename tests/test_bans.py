"""LIB-04 to LIB-07: banned libraries and calls are found in every form, and the tree holds none."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from tests.static.bans import (
    CODEC,
    LIBRARIES,
    METHODS,
    PICOWS,
    PLAIN,
    WALK,
    WORKER_LIBRARIES,
    WORKERS,
    breaches,
)

pytestmark = pytest.mark.lint


def write_tree(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"), encoding="utf-8")
    return root


def test_lib_06_the_tree_is_clean(project_root: Path) -> None:
    found = breaches(project_root)
    assert not found, "\n" + "\n".join(map(str, found))


WORKER_FILE = {"engine/base/workers.py": "import threading\nfrom concurrent import futures\n"}

# form -> files, then what is reported: file:line, banned name, replacement
FORMS: dict[str, tuple[dict[str, str], str, str, str]] = {
    "plain": ({"engine/a.py": "import json\n"}, "engine/a.py:1", "json", CODEC),
    "second of a list": ({"engine/a.py": "import os, json\n"}, "engine/a.py:1", "json", CODEC),
    "alias": ({"engine/a.py": "# why\nimport json as fast\n"}, "engine/a.py:2", "json", CODEC),
    "submodule": ({"engine/a.py": "import json.decoder\n"}, "engine/a.py:1", "json", CODEC),
    "from": ({"engine/a.py": "from json import loads\n"}, "engine/a.py:1", "json", CODEC),
    "from, renamed": ({"engine/a.py": "from orjson import loads as f\n"}, "engine/a.py:1", "orjson", CODEC),
    "from a package": (
        {"engine/a.py": "from concurrent import futures\n"},
        "engine/a.py:1",
        "concurrent.futures",
        WORKERS,
    ),
    "star": ({"engine/a.py": "from json import *\n"}, "engine/a.py:1", "json", CODEC),
    "inside a function": (
        {"engine/a.py": "def read() -> None:\n    import json\n"},
        "engine/a.py:2",
        "json",
        CODEC,
    ),
    "guarded by try": (
        {"engine/a.py": "try:\n    import ujson\nexcept ImportError:\n    pass\n"},
        "engine/a.py:2",
        "ujson",
        CODEC,
    ),
    "importlib": (
        {"engine/a.py": 'import importlib\nx = importlib.import_module("json")\n'},
        "engine/a.py:2",
        "json",
        CODEC,
    ),
    "importlib under an alias": (
        {"engine/a.py": 'import importlib as il\nx = il.import_module("json.encoder")\n'},
        "engine/a.py:2",
        "json",
        CODEC,
    ),
    "import_module renamed": (
        {"engine/a.py": 'from importlib import import_module as load\nx = load("websockets.client")\n'},
        "engine/a.py:2",
        "websockets",
        PICOWS,
    ),
    "import_module of a constant": (
        {"engine/a.py": 'from importlib import import_module\nNAME = "js" + "on"\nx = import_module(NAME)\n'},
        "engine/a.py:3",
        "json",
        CODEC,
    ),
    "import_module of a computed name": (
        {"engine/a.py": "import importlib\ndef f(n):\n    return importlib.import_module(n)\n"},
        "engine/a.py:3",
        "importlib.import_module() of a computed name",
        PLAIN,
    ),
    "__import__": ({"engine/a.py": 'x = __import__("json")\n'}, "engine/a.py:1", "json", CODEC),
    "builtins.__import__": (
        {"engine/a.py": 'import builtins as b\nx = b.__import__("json")\n'},
        "engine/a.py:2",
        "json",
        CODEC,
    ),
    "the module table": (
        {"engine/a.py": 'import sys\nx = sys.modules["json"]\n'},
        "engine/a.py:2",
        "json",
        CODEC,
    ),
    "exec": ({"engine/a.py": 'exec("import json")\n'}, "engine/a.py:1", "exec()", "write the code out"),
    "import in Cython": ({"pyx/a.pyx": "import json\n"}, "pyx/a.pyx:1", "json", CODEC),
    "from-import in Cython, over lines": (
        {"pyx/a.pyx": '"""A json."""\n# import json\nfrom json import (\n    loads,\n)\n'},
        "pyx/a.pyx:3",
        "json",
        CODEC,
    ),
    "dynamic in Cython": (
        {"pyx/a.pyx": "from importlib import import_module as load\ncdef object x = load('json')\n"},
        "pyx/a.pyx:2",
        "json",
        CODEC,
    ),
    "cimport": ({"pyx/a.pyx": "cimport simdjson\n"}, "pyx/a.pyx:1", "simdjson", WALK),
    "cimport under an alias": (
        {"pyx/a.pyx": "cimport cython, csimdjson as sj\n"},
        "pyx/a.pyx:1",
        "csimdjson",
        WALK,
    ),
    "from-cimport": (
        {"pyx/a.pyx": "from cython.parallel cimport prange\n"},
        "pyx/a.pyx:1",
        "cython.parallel",
        WORKERS,
    ),
    "cimport in a declaration": (
        {"engine/a.pxd": "from simdjson.csimdjson cimport dom_parser\n"},
        "engine/a.pxd:1",
        "simdjson",
        WALK,
    ),
    "import in a stub": ({"engine/a.pyi": "from json import JSONDecoder\n"}, "engine/a.pyi:1", "json", CODEC),
    "re-export, from": (
        WORKER_FILE | {"engine/a.py": "from engine.base.workers import threading as t\n"},
        "engine/a.py:1",
        "threading",
        WORKERS,
    ),
    "re-export, attribute": (
        WORKER_FILE | {"engine/a.py": "import engine.base.workers as w\nx = w.threading.Thread\n"},
        "engine/a.py:2",
        "threading",
        WORKERS,
    ),
    "re-export, full path": (
        WORKER_FILE | {"engine/a.py": "import engine.base.workers\nx = engine.base.workers.futures.F\n"},
        "engine/a.py:2",
        "concurrent.futures",
        WORKERS,
    ),
    "re-export of a re-export": (
        WORKER_FILE
        | {
            "engine/b.py": "from engine.base import workers as tools\n",
            "engine/a.py": "from engine.b import tools\n\nx = tools.threading.Lock()\n",
        },
        "engine/a.py:3",
        "threading",
        WORKERS,
    ),
    "re-export, star": (
        WORKER_FILE | {"engine/a.py": "from engine.base.workers import *\n"},
        "engine/a.py:1",
        "threading",
        WORKERS,
    ),
    "re-export, in Cython": (
        WORKER_FILE | {"pyx/a.pyx": "from engine.base import workers\nx = workers.threading.Thread()\n"},
        "pyx/a.pyx:2",
        "threading",
        WORKERS,
    ),
    "through a benchmark's module": (
        {
            "engine/bench/loops.py": "import orjson\n",
            "engine/a.py": "from engine.bench.loops import orjson as codec\n",
        },
        "engine/a.py:1",
        "orjson",
        CODEC,
    ),
    "through a test helper": (
        {"tests/helper.py": "import json\n", "engine/a.py": "from tests import helper\n"},
        "engine/a.py:1",
        "tests.helper",
        "engine code stands alone",
    ),
    "bare task": (
        {"engine/a.py": "import asyncio\nasync def f(c):\n    asyncio.create_task(c)\n"},
        "engine/a.py:3",
        "asyncio.create_task",
        WORKERS,
    ),
    "task of a loop": (
        {"engine/a.py": "def f(loop, c):\n    loop.create_task(c)\n"},
        "engine/a.py:2",
        "create_task()",
        WORKERS,
    ),
    "executor of a loop": (
        {"engine/a.py": "def f(get):\n    get().run_in_executor(None, f)\n"},
        "engine/a.py:2",
        "run_in_executor()",
        WORKERS,
    ),
    "JSON by the HTTP client": (
        {"engine/a.py": "async def f(r):\n    return await r.json()\n"},
        "engine/a.py:2",
        "json()",
        CODEC,
    ),
    "JSON to the HTTP client": (
        {"engine/a.py": "async def f(s):\n    await s.post('/', json={})\n"},
        "engine/a.py:2",
        "json=",
        CODEC,
    ),
    "JSON by the HTTP server": (
        {"engine/a.py": "from aiohttp import web\n\ndef f():\n    return web.json_response({})\n"},
        "engine/a.py:4",
        "aiohttp.web.json_response",
        CODEC,
    ),
    "WebSocket by the HTTP client": (
        {"engine/a.py": "async def f(s):\n    await s.ws_connect('/')\n"},
        "engine/a.py:2",
        "ws_connect()",
        PICOWS,
    ),
}


@pytest.mark.parametrize("form", FORMS)
def test_lib_06_each_form_is_caught(form: str, tmp_path: Path) -> None:
    files, place, banned, replacement = FORMS[form]
    reported = [str(breach) for breach in breaches(write_tree(tmp_path, files))]
    assert f"{place}: {banned} is banned: {replacement}" in reported


@pytest.mark.parametrize("banned", [*LIBRARIES, *WORKER_LIBRARIES])
def test_lib_07_each_ban_tells_file_line_name_and_replacement(banned: str, tmp_path: Path) -> None:
    package, _, name = banned.rpartition(".")
    line = f"from {package} import {name}\n" if package else f"import {name}\n"
    found = breaches(write_tree(tmp_path, {"engine/x/y.py": f'"""A module."""\n\n{line}'}))
    replacement = (LIBRARIES | WORKER_LIBRARIES)[banned]
    assert [str(breach) for breach in found] == [f"engine/x/y.py:3: {banned} is banned: {replacement}"]


@pytest.mark.parametrize("method", METHODS)
def test_lib_07_each_banned_method_tells_its_replacement(method: str, tmp_path: Path) -> None:
    found = breaches(write_tree(tmp_path, {"engine/x/y.py": f"def f(o):\n    o.inner.{method}(1)\n"}))
    assert [str(breach) for breach in found] == [f"engine/x/y.py:2: {method}() is banned: {METHODS[method]}"]


def test_what_is_allowed_raises_no_alarm(tmp_path: Path) -> None:
    files = WORKER_FILE | {
        "engine/a.py": """
            # import json
            from __future__ import annotations

            import asyncio
            import importlib.resources
            import msgspec.json
            import aiohttp
            from aiohttp import web
            from msgspec import json
            from engine.base.workers import Waiting

            TEXT = "import json"
            held: asyncio.Task[None]

            def f(threading: int, jsonish: str) -> bytes:
                return json.encode([threading, jsonish, json.decode(b"1"), f"{TEXT}"])
            """,
        "pyx/a.pyx": '''
            """Says import json, and json.loads("1")."""
            # import json
            from engine.base.jsonindex cimport JsonIndex
            from libc.string cimport memcpy
            cdef extern from *:
                """
                #include <json.h>
                """
            cdef char quote = c'"'
            cdef bytes text = b"import json"
            ''',
        "engine/bench/loops.py": "import orjson\nimport json\n",
        "bench/loops.py": "import orjson\n",
        "tests/test_x.py": "import json\nimport threading\n",
    }
    assert breaches(write_tree(tmp_path, files)) == []
