"""The OpenAPI document, made of the very routes that are served."""

from __future__ import annotations

import re
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import models_json_schema

from .. import __version__
from ..views.models import ProblemView
from .route import Route

_REF = "#/components/schemas/{model}"
_PARAMETER = re.compile(r"\{(\w+):[^}]+\}")


def document(routes: Sequence[Route]) -> dict[str, Any]:
    models: list[type[BaseModel]] = [ProblemView]
    paths: dict[str, dict[str, Any]] = {}
    for route in routes:
        models += [model for model in (route.body, route.answer) if model is not None]
        path = _PARAMETER.sub(r"{\1}", route.path)
        paths.setdefault(path, {})[route.method.lower()] = _operation(route)
    _, schemas = models_json_schema(
        [(model, "validation") for model in dict.fromkeys(models)], ref_template=_REF
    )
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Upshift",
            "version": __version__,
            "description": "Alert-driven sampling control. Frequencies in Hz, of the profile heap "
            "in snapshots an hour; times in Unix ms.",
        },
        "paths": paths,
        "components": {
            "schemas": schemas["$defs"],
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(route: Route) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "summary": route.summary,
        "operationId": route.handler.__name__,
        "responses": {
            str(route.status): _response(route),
            "default": {
                "description": "A problem (RFC 9457)",
                "content": {"application/problem+json": {"schema": _ref(ProblemView)}},
            },
        },
    }
    if route.role is not None:
        operation["security"] = [{"token": []}]
        operation["description"] = f"Role: {route.role}."
    if route.method == "POST" and (route.body or route.answer):
        schema = _ref(route.body) if route.body else {"type": "object"}
        operation["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema}},
        }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
        for name in _PARAMETER.findall(route.path)
    ] + [
        {"name": name, "in": "query", "description": what, "schema": {"type": "string"}}
        for name, what in route.query.items()
    ]
    if parameters:
        operation["parameters"] = parameters
    return operation


def _response(route: Route) -> dict[str, Any]:
    response: dict[str, Any] = {"description": HTTPStatus(route.status).phrase}
    if route.answer is not None:
        kind = "text/event-stream" if route.path.endswith("/events") else "application/json"
        response["content"] = {kind: {"schema": _ref(route.answer)}}
    return response


def _ref(model: type[BaseModel]) -> dict[str, str]:
    return {"$ref": _REF.format(model=model.__name__)}
