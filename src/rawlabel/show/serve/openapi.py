"""The endpoint's description in OpenAPI 3.1, made of the records that it answers with."""

from __future__ import annotations

from pydantic.json_schema import models_json_schema

from rawlabel.base.json_values import Json, JsonObject
from rawlabel.base.version import __version__
from rawlabel.config import ServeConfig
from rawlabel.show.serve.answers import Answer, Fault

_FAULTS = {
    "400": "The request is malformed.",
    "403": "A page of another origin asked.",
    "408": "The photo did not arrive in time.",
    "413": "The photo is larger than the limit.",
    "415": "The body is no photo that can be decoded, or has too many pixels.",
    "429": "Too many requests; ask again after the seconds that Retry-After says.",
    "503": "Too many photos are waiting; ask again.",
}


def describe(config: ServeConfig) -> JsonObject:
    """The document that `/openapi.json` gives."""
    _, schemas = models_json_schema(
        [(Answer, "serialization"), (Fault, "serialization")], ref_template="#/components/schemas/{model}"
    )
    binary: Json = {"schema": {"type": "string", "format": "binary"}}
    form: Json = {
        "schema": {
            "type": "object",
            "properties": {"photo": {"type": "string", "format": "binary"}},
            "required": ["photo"],
        }
    }
    faults: JsonObject = {status: _answer(text, "Fault") for status, text in _FAULTS.items()}
    predict: JsonObject = {
        "operationId": "predict",
        "summary": "Classify a photo",
        "description": (
            f"The bytes of an image file of up to {config.max_megabytes:g} MB and {config.max_megapixels:g} "
            f"megapixels, "
            f"as the body or as the field `photo` of a form; {config.rate} requests a minute of each client."
        ),
        "parameters": [
            _whole("top", "Classes to tell.", config.top, 1, 1000),
            _whole("nearest", "Training photos to tell.", config.nearest, 0, 50),
        ],
        "requestBody": {"required": True, "content": {"image/*": binary, "multipart/form-data": form}},
        "responses": {"200": _answer("What is said of the photo.", "Answer"), **faults},
    }
    plain: Json = {"200": {"description": "As the name says."}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "rawlabel serve", "version": __version__},
        "paths": {
            "/v1/predict": {"post": predict},
            "/health": {"get": {"operationId": "health", "summary": "Whether it is ready", "responses": plain}},
            "/metrics": {
                "get": {"operationId": "metrics", "summary": "Counts for Prometheus", "responses": plain}
            },
        },
        "components": {"schemas": schemas["$defs"]},
    }


def _answer(text: str, schema: str) -> Json:
    content: Json = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return {"description": text, "content": {"application/json": content}}


def _whole(name: str, text: str, default: int, least: int, most: int) -> Json:
    schema: Json = {"type": "integer", "minimum": least, "maximum": most, "default": default}
    return {"name": name, "in": "query", "description": text, "schema": schema}
