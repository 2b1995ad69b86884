"""The OpenAPI 3.1 document of the surface, made from the table of routes and from the types that check requests."""

from __future__ import annotations

from inspect import cleandoc
from typing import Any

import msgspec

from engine.base.errors import CODES
from engine.base.version import engine_version
from engine.runtime.surface.routes import OPENAPI_PATH, ROUTES, Access, Route

_SCHEMAS = "#/components/schemas/{name}"
_ANYWHERE = {
    400: "malformed: an unknown key, a value of the wrong kind",
    401: "no token, or a wrong one",
    403: "not yours, or not with this token",
    404: "no such thing",
    413: "the body is too large",
    421: "the Host is not one of this engine's",
    500: "a bug of ours",
    503: "not now: starting, stopping, reconciling, full",
}
_ALSO = {409: "the message_id was used for something else", 422: "refused; what stood before stays",
         503: _ANYWHERE[503]}  # fmt: skip
_DONE = {200: "done", 202: "accepted"}
_ERROR = {
    "type": "object",
    "properties": {
        "error": {
            "type": "object",
            "properties": {
                "code": {"enum": sorted(CODES)},
                "message": {"type": "string"},
                "hint": {"type": "string"},
                "trace_id": {"type": "string"},
            },
            "required": ["code", "message", "hint", "trace_id"],
            "additionalProperties": False,
        }
    },
    "required": ["error"],
    "additionalProperties": False,
}


def document() -> dict[str, Any]:
    """The whole document."""
    shapes = {id(shape): shape for route in ROUTES for shape in (route.query, route.body, route.answer) if shape}
    told, components = msgspec.json.schema_components(shapes.values(), ref_template=_SCHEMAS)
    schemas = dict(zip(shapes, told, strict=True))
    paths: dict[str, dict[str, Any]] = {}
    for route in ROUTES:
        operation = _operation(route, components, schemas[id(route.answer)])
        paths.setdefault(route.path, {})[route.method.lower()] = operation
    paths[OPENAPI_PATH] = {"get": {
        "operationId": "openapi", "summary": "This document.", "security": [{"bearer": []}],
        "responses": {"200": _answer("done", {"type": "object"}), "401": _error(_ANYWHERE[401])},
    }}  # fmt: skip
    return {
        "openapi": "3.1.0",
        "info": {"title": "engine", "version": engine_version(), "summary": "The operator's surface."},
        "paths": paths,
        "components": {
            "schemas": {**closed(_without_queries(components)), "Error": _ERROR},
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }  # fmt: skip


def closed(definitions: dict[str, Any]) -> dict[str, Any]:
    """Schemas with no keys beyond those they tell, described alike by every version of what makes them."""
    for definition in definitions.values():
        definition.setdefault("additionalProperties", False)
        if "description" in definition:
            definition["description"] = cleandoc(definition["description"])
    return definitions


def _without_queries(components: dict[str, Any]) -> dict[str, Any]:
    """What stands in bodies and answers; queries stand in the parameters."""
    queries = {route.query.__name__ for route in ROUTES}
    return {name: schema for name, schema in components.items() if name not in queries}


def _operation(route: Route, components: dict[str, Any], answer: dict[str, Any]) -> dict[str, Any]:
    summary = (route.handler.__doc__ or "").strip().partition("\n")[0]
    inside = [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in route.names]
    fields = components[route.query.__name__].get("properties", {})
    asked = [{"name": name, "in": "query", "required": False, "schema": schema} for name, schema in fields.items()]
    repeatable = (409,) if route.body is not None and "message_id" in route.body.__struct_fields__ else ()
    refusals = _ANYWHERE | {status: _ALSO[status] for status in (*route.refusals, *repeatable)}
    if route.access is Access.OPEN:
        refusals = {status: text for status, text in refusals.items() if status not in (403, 404, 413)}
    found: dict[str, Any] = {
        "operationId": f"{route.method.lower()}_{route.handler.__name__}",
        "summary": summary,
        "security": [] if route.access is Access.OPEN else [{"bearer": []}],
        "parameters": [*inside, *asked],
        "responses": {
            **{str(status): _answer(_DONE[status], answer) for status in route.done},
            **{str(status): _error(text) for status, text in sorted(refusals.items())},
        },
    }
    if route.says_why:
        either = [answer, {"$ref": _SCHEMAS.format(name="Error")}]
        found["responses"]["503"] = _answer(_ANYWHERE[503], {"anyOf": either})
    if route.body is not None:
        schema = {"$ref": _SCHEMAS.format(name=route.body.__name__)}
        needed = bool(components[route.body.__name__].get("required"))
        found["requestBody"] = {"required": needed, "content": {"application/json": {"schema": schema}}}
    return found


def _answer(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": {"application/json": {"schema": schema}}}


def _error(text: str) -> dict[str, Any]:
    schema = {"$ref": _SCHEMAS.format(name="Error")}
    return {"description": text, "content": {"application/json": {"schema": schema}}}
